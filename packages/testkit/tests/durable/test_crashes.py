"""A process is killed at a call to a port, at each in turn: whatever the flow, its run ends with the same result."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, ResumeError, RunResult
from flowcraft_core.durable import Client, StoredResult
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.worker import Worker
from flowcraft_testkit import InMemoryBackend, VirtualClock

from .flows import CASES, Case, chain, fan, loop, sleep
from .helpers import MODES, SMALL_STORE, STRONG, Crashing, Mode, keys_of, killed, working, world

# On a weak backend every so many calls only, at places that the flow's name shifts.
STRIDE = 4


pytestmark = pytest.mark.usefixtures("quiet")


@attrs.frozen
class Ended:
    """A run that was brought to its end, and the keys of all facts that it left."""

    result: StoredResult
    facts: set[str]
    calls: list[str]
    crashed: bool


def _backend(case: Case, clock: VirtualClock, weak: bool, seed: int) -> InMemoryBackend:
    options: dict[str, Any] = {"store_limits": SMALL_STORE} if case.big else {}
    return world(clock, None if weak else STRONG, seed=seed, **options)


async def _end_of(client: Client, case: Case, run_id: str, clock: VirtualClock) -> StoredResult:
    for key, output in case.resumes.items():
        while True:
            try:
                await client.resume(run_id, key, output=output)
            except ResumeError as error:
                if "not reached" not in str(error):
                    break
                await clock.sleep(1.0)
            else:
                break
    return await client.wait(run_id, timeout=3600, poll=1.0)


async def _crashed(case: Case, at: int, mode: Mode, *, weak: bool) -> Ended:
    """Run a flow on a worker that dies at its so-manieth call, and then on another one."""
    clock = VirtualClock()
    flow = case.build()
    runtime = FlowRuntime([flow], clock=clock)
    async with _backend(case, clock, weak, seed=at) as backend:
        client = Client(backend, clock=clock)
        run_id = (await client.start(flow)).run_id
        for key, output in case.answers.items():
            await client.resume(run_id, key, output=output, early=True)
        crashing = Crashing(backend.connect(), at, mode)
        await crashing.open()
        worker = Worker(crashing, runtime, poll=5, reconcile=False, queues=case.queues)
        # A worker that outlives its lost answer, or has no call left to die at, ends the run by itself, but for waits.
        await killed(worker.run, _either(crashing, client, run_id, clock))
        # Where reads are not stale, one delivery after another is enough, without a reconciler.
        async with working(backend, runtime, reconcile=weak, queues=case.queues):
            result = await _end_of(client, case, run_id, clock)
        return Ended(result, keys_of(backend, run_id), crashing.calls, crashing.dead.is_set())


async def _either(crashing: Crashing, client: Client, run_id: str, clock: VirtualClock) -> None:
    until = clock.now() + 30
    while not crashing.dead.is_set() and clock.now() < until:
        if (await client.status(run_id)).state in ("completed", "failed"):
            return
        await clock.sleep(0.5)


def _of(result: StoredResult | RunResult, case: Case) -> Any:
    outputs = {node: output for node, output in result.outputs.items() if node not in case.racing}
    steps = None if case.racing else result.steps
    return result.status, outputs, result.context, steps, [str(error) for error in result.errors]


async def _in_process(case: Case) -> RunResult:
    flow = case.build()
    handle = FlowRuntime([flow], clock=VirtualClock()).start(flow)
    for key, output in case.answers.items():
        handle.resume(key, output=output, early=True)
    result = await handle.result()
    for key, output in case.resumes.items():
        handle.resume(key, output=output)
        result = await handle.result()
    return result


async def _check(case: Case, *, weak: bool, first: int, stride: int) -> int:
    clean = await _crashed(case, 0, "before", weak=weak)
    assert clean.result.status == case.ends
    assert _of(clean.result, case) == _of(await _in_process(case), case)
    crashes = 0
    for mode in MODES:
        at = first
        while True:
            ended = await _crashed(case, at, mode, weak=weak)
            where = f"{mode} call {at} of {ended.calls}"
            assert _of(ended.result, case) == _of(clean.result, case), where
            if not case.racing:
                assert ended.facts == clean.facts, where
            if at > len(ended.calls):
                break
            crashes += 1
            at += stride
    return crashes


@pytest.mark.parametrize("name", CASES)
async def test_a_worker_dies_at_each_call_and_another_one_goes_on(name: str) -> None:
    case = CASES[name]
    crashes = await _check(case, weak=False, first=1, stride=1)
    assert crashes >= 3 * 6


@pytest.mark.parametrize("name", CASES)
async def test_the_same_where_reads_are_stale_and_messages_come_in_any_order(name: str) -> None:
    assert await _check(CASES[name], weak=True, first=1 + len(name) % STRIDE, stride=STRIDE) >= 6


# --- the other programs ---


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weak", [False, True])
async def test_a_client_dies_at_each_call_of_a_start_and_a_second_start_with_the_id_completes_it(
    mode: Mode, weak: bool
) -> None:
    flow = fan(2)
    at = 0
    while True:
        at += 1
        clock = VirtualClock()
        async with world(clock, None if weak else STRONG, seed=at) as backend:
            crashing = Crashing(backend.connect(), at, mode)
            await crashing.open()
            starter = Client(crashing, clock=clock)
            await killed(lambda: starter.start(flow, {"x": 1}, run_id="run"), crashing.dead.wait())  # noqa: B023
            client = Client(backend, clock=clock)
            again = await client.start(flow, {"x": 1}, run_id="run")
            assert again.run_id == "run"
            async with working(backend, FlowRuntime([flow], clock=clock)):
                result = await client.wait("run", timeout=600, poll=1.0)
            assert (result.status, result.outputs["e"], result.context) == ("completed", 4, {"x": 1}), crashing.calls
            assert result.steps == 4
        if at > len(crashing.calls):
            break
    assert at >= 4


@pytest.mark.parametrize("key", ["w", "pages[1]/w"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("is_open", [False, True])
async def test_a_person_dies_at_each_call_of_an_early_answer_and_gives_it_again(
    key: str, mode: Mode, is_open: bool
) -> None:
    case, at = CASES["answered"], 0
    others = {other: output for other, output in case.answers.items() if other != key}
    while True:
        at += 1
        clock, flow = VirtualClock(), case.build()
        async with world(clock, None, seed=at) as backend:
            client = Client(backend, clock=clock)
            await client.start(flow, run_id="run")
            for other, output in others.items():
                await client.resume("run", other, output=output, early=True)
            crashing = Crashing(backend.connect(), at, mode)
            await crashing.open()
            dying, runtime = Client(crashing, clock=clock), FlowRuntime([flow], clock=clock)
            if is_open:
                async with working(backend, runtime):
                    await clock.sleep(30)
            await killed(lambda: dying.resume("run", key, output=7, early=True), crashing.dead.wait())  # noqa: B023
            with contextlib.suppress(ResumeError):  # it may have gone through
                await client.resume("run", key, output=8, early=True)
            async with working(backend, runtime):
                result = await client.wait("run", timeout=600, poll=1.0)
            assert result.status == "completed", crashing.calls
            given = result.outputs["w"] if key == "w" else result.outputs["pages"][1] - 1
            assert given in (7, 8)
            await clock.sleep(5)
            await client.purge("run")
            assert not keys_of(backend, "run")
        if at > len(crashing.calls):
            break
    assert at >= 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("build", [chain, fan, loop, sleep])
@pytest.mark.parametrize("weak", [False, True])
async def test_a_reconciler_dies_at_each_call_and_the_next_one_goes_on(
    mode: Mode, weak: bool, build: Callable[[], FlowBuilder]
) -> None:
    flow = build()
    expected = await FlowRuntime([flow], clock=VirtualClock()).run(flow)
    at = 0
    while True:
        at += 1
        clock = VirtualClock()
        runtime = FlowRuntime([flow], clock=clock)
        async with world(clock, None if weak else STRONG, seed=at) as backend:
            client = Client(backend, clock=clock)
            run_id = (await client.start(flow)).run_id
            # A worker dies in the middle, and every message is lost: the run is the reconcilers'.
            dying = Crashing(backend.connect(), 6, "after")
            await dying.open()
            worker = Worker(dying, runtime, poll=5, reconcile=False)
            await killed(worker.run, dying.dead.wait())
            backend.lose_messages()
            await clock.sleep(120)
            crashing = Crashing(backend.connect(), at, mode)
            await crashing.open()
            await killed(Reconciler(crashing, clock=clock).run_once, crashing.dead.wait())
            async with working(backend, runtime):
                result = await client.wait(run_id, timeout=3600, poll=1.0)
            assert (result.status, result.outputs, result.context, result.steps) == (
                expected.status,
                expected.outputs,
                expected.context,
                expected.steps,
            ), f"{mode} call {at} of {crashing.calls}"
        if at > len(crashing.calls):
            break
    assert at >= 4


@pytest.mark.parametrize("seed", range(20))
async def test_workers_die_again_and_again_at_any_call(seed: int) -> None:
    chance = random.Random(seed)
    name = chance.choice([name for name, case in CASES.items() if not case.resumes and not case.answers])
    case, clock = CASES[name], VirtualClock()
    flow = case.build()
    runtime = FlowRuntime([flow], clock=clock)
    async with _backend(case, clock, seed % 2 == 1, seed) as backend:
        client = Client(backend, clock=clock)
        run_id = (await client.start(flow)).run_id
        for _ in range(4):
            crashing = Crashing(backend.connect(), chance.randint(2, 15), chance.choice(MODES))
            await crashing.open()
            worker = Worker(crashing, runtime, poll=5, reconcile_interval=60)
            await killed(worker.run, _either(crashing, client, run_id, clock))
        async with working(backend, runtime, number=2):
            result = await _end_of(client, case, run_id, clock)
    assert _of(result, case) == _of(await _in_process(case), case), name

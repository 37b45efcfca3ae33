"""What ``Client``, ``Worker`` and ``Reconciler`` do, on a backend in memory and a clock whose time takes none."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs
import pytest
from flowcraft_core import (
    ConfigurationError,
    FlowBuilder,
    FlowRuntime,
    NodeContext,
    ResumeError,
    RetryPolicy,
    SystemClock,
    create_flow,
)
from flowcraft_core.durable import Purged
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.engine import Settings
from flowcraft_core.durable.handler import PASS_ON_LIMIT
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.runs import UnknownRunError
from flowcraft_core.durable.signals import held_key
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.jobs import Job, encode_job
from flowcraft_core.ports import Message
from flowcraft_testkit import CLOUD_QUEUE, CountingBackend, InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.contracts.interposed import Call, Interposed
from flowcraft_testkit.memory.queue import InMemoryJobQueue

from .flows import (
    CASES,
    add,
    any_join,
    batch,
    broken,
    chain,
    fallback,
    fan,
    loop,
    one,
    retry,
    subflow,
    third_time,
    total,
    values,
    wait,
)
from .helpers import SMALL_STORE, STRONG, Place, Watched, killed, left_of, messages_in, never, place, working, world

Ctx = NodeContext[Any, Any]
DAY = 86_400.0
#: For tests of days: a worker that looks at its clock seldom.
SELDOM: dict[str, Any] = {
    "poll": 600.0,
    "visibility": 6 * 3600.0,
    "control_interval": 3600.0,
    "reconcile_interval": 600.0,
}


pytestmark = pytest.mark.usefixtures("quiet")


class Steps:
    """Steps that say when they were executed, and take their time."""

    def __init__(self) -> None:
        self.log: list[tuple[str, float]] = []
        self.clock = VirtualClock()
        self.under_way = 0
        self.most = 0
        self.cancelled: list[str] = []

    def at(self, here: Place) -> None:
        self.clock = here.clock

    def taking(self, seconds: float) -> Any:
        async def step(ctx: Ctx) -> Any:
            self.log.append((ctx.key, self.clock.now()))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await self.clock.sleep(seconds)
            except asyncio.CancelledError:
                self.cancelled.append(ctx.key)
                raise
            finally:
                self.under_way -= 1
            return ctx.node_id

        return step

    @property
    def times(self) -> Counter[str]:
        return Counter(key for key, _ in self.log)


# --- what a backend refuses ---


async def test_a_refused_acknowledgement_does_not_keep_the_next_from_being_made() -> None:
    """A permission that is missing for a while: what was done meanwhile is acknowledged afterwards."""
    flow, refusals = chain(), 2

    async def around(operation: str, call: Call) -> Any:
        nonlocal refusals
        if operation == "queue.acknowledge" and refusals:
            refusals -= 1
            raise BackendError("access denied")
        return await call()

    async with place(flow) as here:
        worker = Worker(Interposed(here.backend, around), here.runtime, visibility=600.0)
        at_work = asyncio.ensure_future(worker.run())
        for _ in range(2):
            assert (await here.finished(flow)).status == "completed"
        await here.clock.sleep(5.0)
        assert messages_in(here.backend) == 0
        worker.stop()
        await at_work
    assert not refusals


# --- starting and looking ---


async def test_a_start_with_the_id_of_a_run_changes_nothing() -> None:
    flow = chain()
    async with place(flow) as here:
        assert (await here.client.start(flow, {"x": 1}, run_id="run", tags={"a": "b"})).created
        again = await here.client.start("chain", {"x": 2}, run_id="run", tags={"a": "c"})
        assert (again.run_id, again.created) == ("run", False)
        async with here.working():
            result = await here.client.wait("run", timeout=60)
        assert (result.status, result.context, result.steps) == ("completed", {"x": 1}, 4)
        assert not (await here.client.start(flow, run_id="run")).created
        status = await here.client.status("run")
        assert (status.state, status.tags, status.blueprint_id) == ("completed", {"a": "b"}, "chain")
        assert messages_in(here.backend) == 0


@pytest.mark.parametrize("run_id", [":x", "x" * 301])
async def test_a_run_id_that_cannot_be_stored_is_refused(run_id: str) -> None:
    async with place(chain()) as here:
        with pytest.raises(ConfigurationError, match="use 1 to 300 characters"):
            await here.client.start("chain", run_id=run_id)


async def test_an_unknown_run_is_said_to_be_one() -> None:
    async with place(chain()) as here:
        for call in (here.client.status, here.client.result, here.client.wait, here.client.cancel):
            with pytest.raises(UnknownRunError, match="there is no run 'nobody'"):
                await call("nobody")
        with pytest.raises(UnknownRunError):
            await here.client.resume("nobody", "w")
        with pytest.raises(UnknownRunError):
            await here.client.send_back("nobody")


async def test_a_delayed_start_waits_for_its_time() -> None:
    flow = chain()
    async with place(flow) as here, here.working():
        began = here.clock.now()
        result = await here.finished(flow, delay=600.0)
        assert result.status == "completed"
        assert 600 <= here.clock.now() - began < 650


async def test_runs_are_listed_by_state_tag_and_flow_over_many_pages() -> None:
    flows = [chain(), fan()]
    async with place(*flows, weaknesses=attrs.evolve(STRONG, page_size=3)) as here:
        for number in range(20):
            flow, tag = flows[number % 2], "even" if number % 4 < 2 else "odd"
            await here.client.start(flow, run_id=f"run {number:02}", tags={"kind": tag, "all": "1"})
        client = here.client
        assert [run.run_id async for run in client.runs("running")] == [f"run {n:02}" for n in reversed(range(20))]
        assert len([run async for run in client.runs("running", tags={"kind": "even"})]) == 10
        fans = [run async for run in client.runs("running", tags={"kind": "even", "all": "1"}, flow="fan")]
        assert {run.run_id for run in fans} == {"run 01", "run 05", "run 09", "run 13", "run 17"}
        assert not [run async for run in client.runs("running", tags={"kind": "neither"})]
        assert not [run async for run in client.runs("completed")]


async def test_results_tell_where_a_run_stands() -> None:
    flow = wait()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        assert (await here.client.result("run")).steps == 0
        async with here.working():
            with pytest.raises(TimeoutError, match="run 'run' is still awaiting after 300 s"):
                await here.client.wait("run", timeout=300)
            result = await here.client.result("run")
            assert (result.status, result.outputs) == ("awaiting", {"a": 1, "c": 2})


class SetBack(SystemClock):
    """The machine's clock, which somebody sets back by an hour."""

    behind = 0.0

    def now(self) -> float:
        return super().now() - self.behind


async def test_a_clock_that_is_set_back_does_not_lengthen_a_wait_for_a_result() -> None:
    clock = SetBack()
    async with InMemoryBackend(clock=clock) as backend:
        client = Client(backend, clock=clock)
        await client.start(create_flow("f").wait("w"), run_id="run")
        waiting = asyncio.ensure_future(client.wait("run", timeout=0.2))
        await asyncio.sleep(0.05)
        clock.behind = 3_600.0
        with pytest.raises(TimeoutError, match=r"run 'run' is still running after 0\.2 s"):
            await asyncio.wait_for(asyncio.shield(waiting), 30)


async def test_waiting_for_a_result_looks_less_and_less_often_and_no_longer_than_asked() -> None:
    flow = wait()
    async with place(flow) as here:
        counting = CountingBackend(here.backend)
        client = Client(counting, flows=[flow], clock=here.clock)
        await client.start(flow, run_id="run")
        began = here.clock.now()
        with pytest.raises(TimeoutError):
            await client.wait("run", timeout=100.0, poll=0.05)
        assert abs(here.clock.now() - began - 100) < 1e-3
        assert counting.counts()["status.get"] < 75


# --- resuming ---


async def test_what_leads_to_a_join_that_has_fired_is_not_started_any_more() -> None:
    steps = Steps()
    flow = (
        create_flow("unneeded")
        .node("s", one)
        .sleep("nap", 2)
        .node("more", steps.taking(0.0))
        .node("b", steps.taking(0.0))
    )
    flow = flow.node("d", one, join="any").node("e", steps.taking(6.0))
    flow = flow.edge("s", "nap").edge("nap", "more").edge("more", "d").edge("s", "b").edge("b", "d").edge("d", "e")
    async with place(flow) as here, here.working():
        steps.at(here)
        assert (await here.finished(flow)).status == "completed"
        assert steps.times == {"b": 1, "e": 1}


async def test_a_slow_loser_notices_that_it_has_lost() -> None:
    steps = Steps()
    flow = create_flow("loser").node("s", one).node("a", steps.taking(3.0)).node("b", steps.taking(5.0))
    flow = flow.node("c", steps.taking(5.0)).node("d", one, join="any").node("e", steps.taking(20.0))
    flow = flow.edge("s", "a").edge("s", "b").edge("b", "c").edge("c", "d").edge("a", "d").edge("d", "e")
    async with place(flow) as here, here.working():
        steps.at(here)
        assert (await here.finished(flow)).status == "completed"
        assert steps.times == {"a": 1, "b": 1, "e": 1}


@pytest.mark.parametrize("seed", range(20))
async def test_a_resume_is_not_lost_to_a_stale_read(seed: int) -> None:
    flow = create_flow("waits").wait("w").node("b", add).edge("w", "b")
    async with place(flow, weaknesses=Weaknesses(staleness=5.0), seed=seed) as here:
        await here.client.start(flow, run_id="run")
        async with here.working(number=2, reconcile=False):
            await here.clock.sleep(30)
            await here.client.resume("run", "w", output=1)
            assert (await here.client.wait("run", timeout=30)).outputs["b"] == 2


async def test_a_wait_inside_a_call_that_was_not_made_yet_was_not_reached_yet() -> None:
    called = create_flow("called").wait("w")
    flow = create_flow("flow").node("a", one).subflow("call", called).edge("a", "call")
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        with pytest.raises(ResumeError, match="wait 'call/w' was not reached yet"):
            await here.client.resume("run", "call/w", output=5)
        async with here.working():
            await here.clock.sleep(10)
            await here.client.resume("run", "call/w", output=5)
            assert (await here.client.wait("run", timeout=60)).status == "completed"


async def test_a_wait_is_resumed_once_and_when_it_is_reached() -> None:
    flow = wait()
    async with place(flow) as here:
        client = here.client
        await client.start(flow, run_id="run")
        with pytest.raises(ResumeError, match="wait 'w' was not reached yet"):
            await client.resume("run", "w", output=5)
        async with here.working():
            await here.clock.sleep(10)
            for key in ("nowhere", "a", "w[0]", ""):
                with pytest.raises(ResumeError, match=r"run .run.: .*open are, by key: w|has no wait"):
                    await client.resume("run", key)
            await client.resume("run", "w", output=5)
            with pytest.raises(ResumeError, match=r"resolved already|has ended"):
                await client.resume("run", "w", output=6)
            result = await client.wait("run", timeout=60)
            assert (result.outputs["w"], result.outputs["d"]) == (5, 8)
            with pytest.raises(ResumeError, match=r"has ended \(completed\)"):
                await client.resume("run", "w", output=7)


async def test_of_many_resumes_at_once_one_stands() -> None:
    flow = wait()
    async with place(flow) as here, here.working():
        await here.client.start(flow, run_id="run")
        await here.clock.sleep(10)
        tries = [here.client.resume("run", "w", output=number) for number in range(5)]
        errors = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(error is None for error in errors) == 1
        assert sum(isinstance(error, ResumeError) for error in errors) == 4
        result = await here.client.wait("run", timeout=60)
        assert result.outputs["w"] == errors.index(None)


async def test_a_wait_with_a_timeout_goes_on_by_itself() -> None:
    flow = create_flow("patient").node("a", one).wait("w", timeout=3 * DAY).node("b", add).node("late", one)
    flow.edge("a", "w").edge("w", "late", action="timeout").edge("w", "b")
    async with place(flow) as here, here.working(**SELDOM):
        began = here.clock.now()
        result = await here.finished(flow, timeout=10 * DAY)
        assert (result.status, result.outputs) == ("completed", {"a": 1, "w": None, "late": 1})
        assert 3 * DAY <= here.clock.now() - began < 3 * DAY + 1200


# --- cancelling ---


async def test_cancelling_tells_the_steps_and_starts_nothing_new() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(100)).node("b", steps.taking(1)).edge("a", "b")
    async with place(flow) as here:
        steps.at(here)
        await here.client.start(flow, run_id="run")
        async with here.working():
            await here.clock.sleep(10)
            assert await here.client.cancel("run", reason="changed my mind")
            assert not await here.client.cancel("run")
            await here.clock.sleep(5)
            assert steps.cancelled == ["a"]
            await here.clock.sleep(500)
        status = await here.client.status("run")
        assert (status.state, status.reason) == ("cancelled", "changed my mind")
        assert steps.times == {"a": 1}
        assert messages_in(here.backend) == 0


@pytest.mark.parametrize("build", [wait, CASES["sleep"].build])
async def test_a_run_that_waits_is_cancelled_too(build: Any) -> None:
    flow = build()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        async with here.working():
            await here.clock.sleep(30)
            assert await here.client.cancel("run")
            await here.clock.sleep(1000)
        result = await here.client.result("run")
        assert result.status == "cancelled"
        assert not {"b", "d"} & result.outputs.keys()
        assert messages_in(here.backend) == 0


async def test_a_run_that_is_cancelled_before_it_begins_never_does() -> None:
    flow = chain()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        await here.client.cancel("run")
        await here.clock.sleep(10)
        async with here.working():
            await here.clock.sleep(100)
        assert (await here.client.result("run")).steps == 0


# --- purging ---


@pytest.mark.parametrize("weaknesses", [STRONG, None])
@pytest.mark.parametrize("name", CASES)
async def test_a_purged_run_leaves_nothing_behind(name: str, weaknesses: Weaknesses | None) -> None:
    case = CASES[name]
    flow = case.build()
    options: dict[str, Any] = {"store_limits": SMALL_STORE} if case.big else {}
    async with place(flow, weaknesses=weaknesses, **options) as here:
        async with here.working(queues=case.queues):
            await here.client.start(flow, run_id="run")
            for key, output in case.answers.items():
                await here.client.resume("run", key, output=output, early=True)
            await here.clock.sleep(30)
            for key, output in case.resumes.items():
                await here.client.resume("run", key, output=output)
            await here.client.wait("run", timeout=600)
            await here.client.purge("run")
            with pytest.raises(UnknownRunError):
                await here.client.status("run")
        assert left_of(here.backend, "run") == set()


def late_fallback() -> FlowBuilder:
    policy = RetryPolicy(delay=2.0, jitter=0)
    return create_flow("late").node("a", broken, fallback="f").node("f", third_time, retries=policy)


@pytest.mark.parametrize("build", [wait, retry, late_fallback])
async def test_a_purge_of_a_cancelled_run_takes_its_suspensions_too(build: Any) -> None:
    flow = build()
    async with place(flow) as here:
        async with here.working():
            await here.client.start(flow, run_id="run")
            await here.clock.sleep(0.5)
            await here.client.cancel("run")
            await here.clock.sleep(10)
            await here.client.purge("run")
        assert left_of(here.backend, "run") == set()


def failing_beside_a_loop() -> FlowBuilder:
    async def count(ctx: Ctx) -> int:
        number: int = await ctx.context.get("number", 0) + 1
        await ctx.context.set("number", number)
        return number

    flow = create_flow("beside").node("a", one).node("s", count).loop("L", start="s", end="s", condition="number < 5")
    flow.sleep("z", "20s").node("x", broken)
    return flow.edge("a", "s").edge("a", "z").edge("z", "x")


async def test_all_that_a_failed_run_has_done_is_told_and_purged() -> None:
    flow = failing_beside_a_loop()
    async with place(flow) as here, here.working():
        result = await here.finished(flow, run_id="run")
        assert (result.status, result.outputs["L"], result.context) == ("failed", 5, {"number": 5})
        assert result.steps == 8  # a and z, five passes, and what failed
        await here.client.purge("run")
        assert left_of(here.backend, "run") == set()


async def test_a_run_that_has_not_ended_is_not_purged() -> None:
    flow = chain()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        with pytest.raises(ConfigurationError, match="run 'run' is running: cancel it before it is purged"):
            await here.client.purge("run")
        await here.client.purge("nobody")


async def test_old_runs_are_purged_and_others_kept() -> None:
    flow, waiting = chain(), wait()
    async with place(flow, waiting) as here, here.working(**SELDOM):
        await here.client.start(waiting, run_id="waiting")
        for run_id in ("old", "older"):
            await here.finished(flow, run_id=run_id)
        await here.clock.sleep(2 * DAY)
        await here.finished(flow, run_id="new")
        assert await here.client.purge_older(DAY) == Purged(2)
        assert not left_of(here.backend, "old") | left_of(here.backend, "older")
        assert (await here.client.result("new")).status == "completed"
        assert (await here.client.status("waiting")).state == "awaiting"


# --- dead letters ---


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no JSON", "the message is not JSON"),
        ("[]", "a job is a JSON object, not list"),
        ('{"v":1,"id":"i"}', "the job's 'run' must be text"),
        ('{"v":0}', "the job has format 0"),
    ],
)
async def test_a_malformed_message_becomes_a_dead_letter(body: str, reason: str) -> None:
    async with place(chain()) as here, here.working():
        await here.backend.queue.send([Message(body)])
        await here.clock.sleep(5)
        (letter,) = await here.client.dead_letters()
        assert letter.body == body
        assert reason in (letter.reason or "")
        assert messages_in(here.backend) == 0
        await here.client.send_back(letter.run_id)
        await here.clock.sleep(5)
        (again,) = await here.client.dead_letters()
        assert again.body == body
        assert again.run_id != letter.run_id


async def test_a_dead_letter_is_dropped_and_nothing_else() -> None:
    flow = chain()
    async with place(flow) as here, here.working():
        await here.client.start(flow, run_id="run")
        await here.backend.queue.send([Message("no JSON")])
        await here.clock.sleep(5)
        (letter,) = await here.client.dead_letters()
        with pytest.raises(UnknownRunError, match="no dead letter 'run'"):
            await here.client.drop_dead_letter("run")
        await here.client.drop_dead_letter(letter.run_id)
        assert not await here.client.dead_letters()
        with pytest.raises(UnknownRunError):
            await here.client.drop_dead_letter(letter.run_id)
        assert (await here.client.status("run")).state == "completed"


async def test_a_job_for_an_instance_that_cannot_be_is_a_dead_letter() -> None:
    flow = wait()
    async with place(flow) as here, here.working():
        await here.client.start(flow, run_id="run")
        job = {"v": 1, "id": "i", "run": "run", "key": "nowhere[3]", "seen": here.clock.now()}
        await here.backend.queue.send([Message(json.dumps(job))])
        await here.clock.sleep(5)
        (letter,) = await here.client.dead_letters()
        assert "no instance 'nowhere[3]'" in (letter.reason or "")


async def test_a_worker_that_sees_a_run_ended_by_its_own_job_lets_that_job_keep_the_message() -> None:
    async def after(operation: str, answer: Any) -> None:
        if operation == "status.finish":
            await here.clock.sleep(10.0)  # in which the worker looks at its runs several times

    async with place(wait()) as here:
        await here.client.start(wait(), run_id="run")
        async with working(Watched(here.backend, after=after), here.runtime, reconcile=False):
            job = {"v": 1, "id": "i", "run": "run", "key": "nowhere[3]", "seen": here.clock.now()}
            await here.backend.queue.send([Message(json.dumps(job))])
            await here.clock.sleep(60.0)
        assert (await here.client.status("run")).state == "failed"
        (letter,) = await here.client.dead_letters()
        assert "no instance 'nowhere[3]'" in (letter.reason or "")


async def test_a_job_for_a_run_that_never_comes_is_given_up() -> None:
    async with place(chain()) as here, here.working():
        job = {"v": 1, "id": "i", "run": "nobody", "key": "", "seen": here.clock.now()}
        await here.backend.queue.send([Message(json.dumps(job))])
        await here.clock.sleep(300)
        assert not await here.client.dead_letters()
        await here.clock.sleep(600)
        (letter,) = await here.client.dead_letters()
        assert "there is no run 'nobody'" in (letter.reason or "")
        assert messages_in(here.backend) == 0


async def test_of_two_jobs_that_are_given_up_at_once_the_first_fails_the_run_and_none_is_kept() -> None:
    async with place() as here:
        await here.client.start(chain(), run_id="run")
        job = Job(id="i", run_id="run", key="", first_seen=1.0, hops=30, passed_on=PASS_ON_LIMIT + 1.0)
        await here.backend.queue.send([Message(encode_job(attrs.evolve(job, id=f"{number}"))) for number in range(2)])
        async with here.working(reconcile=False):
            await here.clock.sleep(1.0)
            assert (await here.client.status("run")).state == "failed"
            assert not await here.client.dead_letters()


async def test_a_newer_job_waits_for_a_newer_worker_for_a_while() -> None:
    async with place(chain()) as here, here.working():
        await here.backend.queue.send([Message('{"v":99,"id":"i","run":"run"}')])
        await here.clock.sleep(PASS_ON_LIMIT / 2)
        assert not await here.client.dead_letters()
        assert messages_in(here.backend) == 1
        await here.clock.sleep(PASS_ON_LIMIT)
        (letter,) = await here.client.dead_letters()
        assert "no newer worker has come by: the job has format 99" in (letter.reason or "")
        assert messages_in(here.backend) == 0


# --- passing on, poison ---


async def test_a_worker_without_the_step_passes_the_job_on_to_one_that_has_it() -> None:
    flow, other = chain(), fan()
    async with place(flow) as here:
        old = FlowRuntime([other], clock=here.clock)
        async with working(here.backend, old):
            await here.client.start(flow, run_id="run")
            await here.clock.sleep(200)
            assert (await here.client.result("run")).steps == 0
            async with here.working():
                result = await here.client.wait("run", timeout=300)
        assert (result.status, result.steps) == ("completed", 4)


async def test_a_job_is_passed_on_since_it_is_and_not_since_its_run_began() -> None:
    clock = VirtualClock()

    async def slow(ctx: Ctx) -> None:
        await clock.sleep(100)

    new = create_flow("f").node("slow", slow).node("b", slow).edge("slow", "b")
    old = create_flow("f").node("slow", slow)
    async with world(clock) as backend, working(backend, FlowRuntime([old], clock=clock)):
        client = Client(backend, flows=[new], clock=clock)
        began = clock.now()
        await client.start(new, run_id="run")
        await clock.sleep(130)
        (told,) = (await client.describe("run")).passed_on
        assert (told.node_id, 95 < told.since - began < 130) == ("b", True)


async def test_a_step_that_no_worker_has_fails_its_run_by_name_after_its_time() -> None:
    flow = chain()
    async with place(flow) as here:
        old = FlowRuntime([fan()], clock=here.clock)
        async with working(here.backend, old):
            began = here.clock.now()
            result = await here.finished(flow)
            assert 600 <= here.clock.now() - began < 700
        assert result.status == "failed"
        assert "gave up" in (result.reason or "")
        assert "'chain/n0'" in (result.reason or "")


async def _kill_workers(here: Place, number: int, dead: asyncio.Event) -> None:
    """Hire so many workers one after the other, and kill each when a step says so."""
    for _ in range(number):
        dead.clear()
        client = here.backend.connect()
        await client.open()
        await killed(Worker(client, here.runtime, poll=5, reconcile=False).run, dead.wait())


async def test_a_step_that_ends_its_process_each_time_fails_its_run_and_no_other() -> None:
    dead = asyncio.Event()
    deaths = 0

    async def deadly(ctx: Ctx) -> None:
        nonlocal deaths
        deaths += 1
        dead.set()
        await never()

    flow = create_flow("deadly").node("a", one).node("b", deadly).edge("a", "b")
    good = chain()
    async with place(flow, good) as here:
        await here.client.start(flow, run_id="bad")
        await _kill_workers(here, 5, dead)
        await here.client.start(good, run_id="good")
        async with here.working(reconcile=False):
            result = await here.client.wait("bad", timeout=600)
            assert (await here.client.wait("good", timeout=600)).status == "completed"
        assert deaths == 5
        assert result.status == "failed"
        (error,) = result.errors
        assert (error.type, error.node_id) == ("PoisonError", "b")
        assert "delivered 6 times" in error.message


async def test_a_step_is_not_taken_for_one_that_kills_while_somebody_is_at_it() -> None:
    dead = asyncio.Event()
    begun = 0

    async def deadly(ctx: Ctx) -> None:
        nonlocal begun
        begun += 1
        dead.set()
        await never()

    flow = create_flow("deadly").node("a", deadly)
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        await _kill_workers(here, 5, dead)
        record = await here.client._stored.record("run")
        await here.backend.coordination.set_if_absent(held_key(record, "a"), "somebody", ttl=300.0)
        async with here.working(reconcile=False):
            await here.clock.sleep(250.0)
            assert (await here.client.status("run")).state == "running"
            result = await here.client.wait("run", timeout=600)  # nobody says so any more
        assert (begun, [error.type for error in result.errors]) == (5, ["PoisonError"])


async def test_a_worker_that_dies_with_copies_of_a_job_is_one_that_did_not_come_back() -> None:
    copies, kills, begun = 4, 4, 0
    all_begun = asyncio.Event()

    async def step(ctx: Ctx) -> int:
        nonlocal begun
        begun += 1
        if begun > copies * kills:
            return begun
        if begun % copies == 0:
            all_begun.set()
        await never()
        return 0

    flow = create_flow("copied").node("a", step)
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        record = await here.client._stored.record("run")
        for _ in range(copies - 1):
            job = record.job("a", here.clock.now())
            await here.backend.queue.send([Message(encode_job(job), "run")])
        async with asyncio.timeout(60):  # if one is taken for deadly, not all of them begin
            await _kill_workers(here, kills, all_begun)
        async with here.working(reconcile=False):
            result = await here.client.wait("run", timeout=600)
    assert (result.status, result.errors) == ("completed", ())


# --- time ---


async def test_retries_are_spaced_by_delayed_jobs() -> None:
    steps = Steps()

    async def fails(ctx: Ctx) -> int:
        steps.log.append((ctx.key, steps.clock.now()))
        if ctx.attempt < 4:
            raise ValueError(ctx.attempt)
        return ctx.attempt

    policy = RetryPolicy(max_attempts=4, delay=100, backoff=2.0, jitter=0)
    flow = create_flow("spaced").node("a", fails, retries=policy)
    async with place(flow) as here:
        steps.at(here)
        async with here.working(reconcile=False):
            result = await here.finished(flow)
        assert result.outputs == {"a": 4}
        times = [at for _, at in steps.log]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps == pytest.approx([100, 200, 300], abs=1.0)


async def test_a_fallback_that_is_tried_again_much_later_is_waited_for() -> None:
    steps = Steps()

    async def second_time(ctx: Ctx) -> int:
        steps.log.append((ctx.key, steps.clock.now()))
        if ctx.attempt < 2:
            raise ValueError(ctx.attempt)
        return 7

    policy = RetryPolicy(max_attempts=2, delay=2 * 3600.0, max_delay=DAY, jitter=0)
    flow = create_flow("late").node("a", broken, fallback="f").node("f", second_time, retries=policy)
    async with place(flow) as here:
        steps.at(here)
        async with here.working():
            result = await here.finished(flow, timeout=DAY)
        assert (result.status, result.outputs, result.reason) == ("completed", {"a": 7}, None)
        assert steps.log[1][1] - steps.log[0][1] == pytest.approx(7200, abs=61)


async def test_a_sleep_of_forty_days_ends_in_forty_days() -> None:
    flow = create_flow("long").node("a", one).sleep("z", "40d").node("b", add).edge("a", "z").edge("z", "b")
    async with place(flow, weaknesses=None) as here:
        began = here.clock.now()
        counting = CountingBackend(here.backend)
        async with working(counting, here.runtime, **SELDOM):
            await here.client.start(flow, run_id="run")
            await here.clock.sleep(DAY)
            assert (await here.client.status("run")).state == "awaiting"
            result = await here.client.wait("run", timeout=50 * DAY, poll=60)
        assert (result.status, result.outputs["b"]) == ("completed", 2)
        assert 40 * DAY <= here.clock.now() - began < 40 * DAY + 3600
        # The queue's longest delay is 15 minutes: the time is kept in the status, and no message goes round.
        assert counting.counts()["queue.send"] < 10


async def test_a_run_fails_at_its_deadline() -> None:
    flow = wait()
    async with place(flow) as here, here.working():
        began = here.clock.now()
        await here.client.start(flow, run_id="run", timeout=500.0)
        result = await here.client.wait("run", timeout=3600)
        assert (result.status, result.reason) == ("failed", "it took longer than its timeout of 500 s")
        assert 500 <= here.clock.now() - began < 620


async def test_a_run_fails_at_its_deadline_also_while_a_step_takes_longer() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(3600))
    async with place(flow) as here, here.working():
        steps.at(here)
        began = here.clock.now()
        await here.client.start(flow, run_id="run", timeout=500.0)
        result = await here.client.wait("run", timeout=7200)
        assert (result.status, result.reason) == ("failed", "it took longer than its timeout of 500 s")
        assert 500 <= here.clock.now() - began < 620
        await here.clock.sleep(5)
        assert steps.cancelled == ["a"]


async def test_a_run_past_its_timeout_is_ended_by_the_worker_that_works_on_it() -> None:
    steps = Steps()
    flow = create_flow("late").node("long", steps.taking(600.0))
    async with place(flow) as here:
        steps.at(here)
        await here.client.start(flow, run_id="run", timeout=20.0)
        async with here.working(reconcile=False):
            result = await here.client.wait("run", timeout=60)
            assert (result.status, result.reason) == ("failed", "it took longer than its timeout of 20 s")
            assert 20 <= here.clock.now() - steps.log[0][1] <= 25
            await here.clock.sleep(5)
            assert steps.cancelled == ["long"]


async def test_nothing_starts_in_a_run_past_its_timeout() -> None:
    steps = Steps()
    flow = create_flow("late").node("a", steps.taking(5.0)).node("b", steps.taking(5.0)).edge("a", "b")
    async with place(flow) as here:
        steps.at(here)
        await here.client.start(flow, run_id="run", timeout=4.0)
        async with here.working(reconcile=False, control_interval=3600.0):
            assert (await here.client.wait("run", timeout=60)).status == "failed"
        assert steps.times == {"a": 1}


async def test_a_step_longer_than_the_visibility_runs_once() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(50)).node("b", steps.taking(1)).edge("a", "b")
    async with place(flow) as here:
        steps.at(here)
        async with here.working(number=3, visibility=6.0, reconcile=False):
            result = await here.finished(flow)
        assert result.status == "completed"
        assert steps.times == {"a": 1, "b": 1}


async def test_a_step_of_an_hour_runs_once_beside_reconcilers() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(3600)).node("b", steps.taking(1)).edge("a", "b")
    async with place(flow) as here:
        steps.at(here)
        async with here.working(number=2):
            result = await here.finished(flow, timeout=2 * 3600)
        assert (result.status, result.reason) == ("completed", None)
        assert steps.times == {"a": 1, "b": 1}


async def test_a_run_that_waits_long_for_a_free_worker_is_not_given_up() -> None:
    steps = Steps()
    slow = create_flow("slow").node("a", steps.taking(300))
    flow = chain()
    async with place(slow, flow) as here:
        steps.at(here)
        for number in range(10):
            await here.client.start(slow, run_id=f"slow {number}")
        await here.client.start(flow, run_id="patient")
        async with here.working(concurrency=1, prefetch=0):
            result = await here.client.wait("patient", timeout=3 * 3600)
        assert (result.status, result.reason) == ("completed", None)


# --- stopping ---


async def test_a_worker_that_stops_ends_what_it_runs_and_releases_the_rest() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(10)).node("b", steps.taking(10)).edge("a", "b")
    async with place(flow) as here:
        steps.at(here)
        for number in range(4):
            await here.client.start(flow, run_id=f"run {number}")
        async with here.working(concurrency=2, prefetch=2, grace=30.0, reconcile=False) as (worker,):
            await here.clock.sleep(3)
            assert steps.under_way == 2
            worker.stop()
        assert steps.under_way == 0
        assert steps.times == {"a": 2}
        async with here.working(reconcile=False):
            began = here.clock.now()
            for number in range(4):
                result = await here.client.wait(f"run {number}", timeout=600)
                assert (result.status, result.steps) == ("completed", 2)
            # Nothing had to wait for a visibility to run out.
            assert here.clock.now() - began < 30
        assert steps.times == {"a": 4, "b": 4}


async def test_a_step_that_outlasts_the_grace_time_is_given_back() -> None:
    steps = Steps()
    flow = create_flow("slow").node("a", steps.taking(100))
    async with place(flow) as here:
        steps.at(here)
        await here.client.start(flow, run_id="run")

        async def stop_early() -> None:
            async with here.working(grace=5.0, reconcile=False) as (worker,):
                await here.clock.sleep(3)
                worker.stop()

        # The grace time is the loop's, not the clock's: it is the process that is in a hurry.
        await asyncio.wait_for(stop_early(), 30)
        assert steps.times == {"a": 1}
        async with here.working(reconcile=False):
            result = await here.client.wait("run", timeout=600)
        assert result.status == "completed"


async def test_an_idle_worker_asks_no_more_often_than_its_poll() -> None:
    async with place(chain()) as here:
        counting = CountingBackend(here.backend)
        async with working(counting, here.runtime, poll=20.0, reconcile=False, heartbeat=None):
            await here.clock.sleep(1000)
        assert counting.counts().keys() <= {"queue.receive.empty"}
        assert counting.counts()["queue.receive.empty"] <= 51


async def test_no_more_jobs_are_worked_on_at_once_than_the_worker_may() -> None:
    steps = Steps()
    flow = create_flow("wide").node("s", one).node("e", steps.taking(1))
    for number in range(20):
        flow.node(f"n{number}", steps.taking(1)).edge("s", f"n{number}").edge(f"n{number}", "e")
    async with place(flow) as here:
        steps.at(here)
        async with here.working(concurrency=3):
            result = await here.finished(flow)
        assert (result.status, steps.most) == ("completed", 3)


# --- what backends do ---


FLOWS = [chain, fan, loop, batch, subflow, values, retry, fallback, any_join]


@pytest.mark.parametrize("build", FLOWS)
@pytest.mark.parametrize("seed", range(3))
async def test_lost_messages_and_a_wiped_store_of_hints_delay_a_run_and_no_more(seed: int, build: Any) -> None:
    flow: FlowBuilder = build()
    chance = random.Random(seed)
    expected = await FlowRuntime([flow], clock=VirtualClock()).run(flow)
    async with place(flow, weaknesses=None, seed=seed) as here:

        async def spoil(operation: str) -> None:
            if operation != "queue.receive" and chance.random() < 0.06:
                chance.choice([here.backend.lose_messages, here.backend.lose_coordination])()

        unsafe = Watched(here.backend, before=spoil)
        async with working(unsafe, here.runtime):
            result = await here.finished(flow, timeout=DAY)
    assert (result.status, result.context) == (expected.status, expected.context)
    assert {**result.outputs, "b": 0, "c": 0} == {**expected.outputs, "b": 0, "c": 0} or flow.id != "any_join"
    assert flow.id == "any_join" or (result.outputs, result.steps) == (expected.outputs, expected.steps)


@pytest.mark.parametrize("name", CASES)
async def test_every_message_doubled_gives_one_outcome_each(name: str) -> None:
    case = CASES[name]
    flow = case.build()
    options: dict[str, Any] = {"store_limits": SMALL_STORE} if case.big else {}
    async with place(flow, weaknesses=Weaknesses(duplicates=1.0), **options) as here:
        async with here.working(number=2, queues=case.queues):
            await here.client.start(flow, run_id="run")
            for key, output in case.answers.items():
                await here.client.resume("run", key, output=output, early=True)
            await here.clock.sleep(60)
            for key, output in case.resumes.items():
                await here.client.resume("run", key, output=output)
            result = await here.client.wait("run", timeout=3600)
            await here.clock.sleep(600)
        assert messages_in(here.backend) == 0
    assert result.status == case.ends
    if not case.racing and not case.resumes and not case.answers:
        expected = await FlowRuntime([flow], clock=VirtualClock()).run(flow)
        assert (result.outputs, result.context, result.steps) == (
            expected.outputs,
            expected.context,
            expected.steps,
        )


@pytest.mark.parametrize("seed", range(10))
async def test_doubled_messages_of_twelve_diamonds_are_at_most_three_times_those_of_a_clean_run(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = create_flow("diamonds").node("n0", one)
    for number in range(12):
        flow.node(f"l{number}", one).node(f"r{number}", one).node(f"n{number + 1}", one)
        for side in (f"l{number}", f"r{number}"):
            flow.edge(f"n{number}", side).edge(side, f"n{number + 1}")
    send, sent, counts = InMemoryJobQueue.send, list[Message](), []

    async def counted(self: Any, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        sent.extend(messages)
        await send(self, messages, delay=delay)

    monkeypatch.setattr(InMemoryJobQueue, "send", counted)
    for copies in (1, 2):
        sent.clear()
        async with place(flow, weaknesses=Weaknesses(duplicates=copies - 1), seed=seed) as here:
            async with here.working(number=4, reconcile=False):
                assert (await here.finished(flow)).status == "completed"
                await here.clock.sleep(600)
            counts.append(copies * len(sent))
    assert counts[1] <= 3 * counts[0]
    assert counts[0] <= 27, "what is ready together has a job each, and the start has one"


async def test_a_doubled_job_of_a_long_chain_is_no_poison() -> None:
    steps = Steps()
    flow = create_flow("steady")
    for number in range(30):
        flow.node(f"n{number:02}", steps.taking(3))
        if number:
            flow.edge(f"n{number - 1:02}", f"n{number:02}")
    async with place(flow, weaknesses=attrs.evolve(STRONG, duplicates=1.0)) as here:
        steps.at(here)
        async with here.working(number=2):
            result = await here.finished(flow)
        assert (result.status, result.steps, result.reason) == ("completed", 30, None)


async def test_calls_that_fail_for_a_moment_are_made_again() -> None:
    flow = fan()
    chance = random.Random(1)
    async with place(flow) as here:

        async def before(operation: str) -> None:
            if chance.random() < 0.1:
                raise TransientError("throttled")

        async def after(operation: str, answer: Any) -> None:
            if chance.random() < 0.1:
                raise TransientError("the answer was lost")

        unsteady = Watched(here.backend, before=before, after=after)
        client = Client(unsteady, flows=[flow], clock=here.clock)
        async with working(unsteady, here.runtime):
            for number in range(5):
                await client.start(flow, run_id=f"run {number}")
            results = [await client.wait(f"run {number}", timeout=3600) for number in range(5)]
        assert {(result.status, result.outputs["e"], result.steps) for result in results} == {("completed", 8, 6)}


@pytest.mark.parametrize("minutes", [1, 20])
async def test_a_store_that_is_down_for_a_while_fails_nothing(minutes: int) -> None:
    flow = create_flow("reads").node("a", sets).node("b", gets).node("c", gets).node("d", total)
    flow.edge("a", "b").edge("a", "c").edge("b", "d", condition="x == 5").edge("c", "d")
    async with place(flow) as here:
        down = {"until": 0.0, "calls": 0}

        async def before(operation: str) -> None:
            if operation.startswith("context."):
                down["calls"] += 1
                if down["calls"] == 5:
                    down["until"] = here.clock.now() + 60 * minutes
                if here.clock.now() < down["until"]:
                    raise TransientError("the store is down")

        unsteady = Watched(here.backend, before=before)
        async with working(unsteady, here.runtime):
            result = await here.finished(flow, timeout=3 * 3600)
        assert (result.status, result.reason, result.outputs["d"]) == ("completed", None, 10)


async def sets(ctx: Ctx) -> int:
    await ctx.context.set("x", 5)
    return 1


async def gets(ctx: Ctx) -> int:
    return int(await ctx.context.get("x"))


@pytest.mark.parametrize("seed", range(10))
async def test_a_step_sees_the_context_of_all_that_came_before_however_stale_reads_are(seed: int) -> None:
    flow = create_flow("seen").node("a", sets).node("b", one).node("c", one).node("d", gets)
    flow.edge("a", "b").edge("b", "c").edge("c", "d")
    async with place(flow, weaknesses=None, seed=seed) as here:
        # Each step under a job of its own, on any of the workers.
        async with here.working(number=4, settings=Settings(max_steps=1)):
            result = await here.finished(flow)
        assert (result.status, result.reason, result.outputs.get("d")) == ("completed", None, 5)


@pytest.mark.parametrize("seed", range(10))
async def test_a_large_value_that_is_not_all_visible_yet_fails_no_step(seed: int) -> None:
    flow = CASES["chunked"].build()
    async with place(flow, weaknesses=None, seed=seed, store_limits=SMALL_STORE) as here:
        async with here.working(number=4, settings=Settings(max_steps=1)):
            result = await here.finished(flow)
        assert (result.status, result.reason) == ("completed", None)


# --- the reconciler ---


async def test_a_reconciler_counts_what_it_has_done() -> None:
    flow, waiting = chain(), wait()
    async with place(flow, waiting, weaknesses=None) as here:
        for number in range(30):
            await here.client.start(flow, run_id=f"run {number}")
        here.backend.lose_messages()
        reconciler = Reconciler(here.backend, clock=here.clock)
        assert (await reconciler.run_once()).scanned == 0
        await here.clock.sleep(100)
        done = await reconciler.run_once()
        assert (done.scanned, done.revived, done.failed, done.errors) == (30, 30, 0, 0)
        async with here.working(reconcile=False):
            for number in range(30):
                assert (await here.client.wait(f"run {number}", timeout=600)).status == "completed"
        await here.clock.sleep(100)
        assert (await reconciler.run_once()).scanned == 0


async def test_a_run_that_is_revived_again_and_again_without_progress_fails() -> None:
    flow = chain()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        reconciler = Reconciler(here.backend, clock=here.clock, revivals=3)
        for _ in range(4):  # the first message, and three that a reconciler has sent
            assert (await here.client.status("run")).state == "running"
            await _taken_in_vain(here)
            here.backend.lose_messages()
            await here.clock.sleep(3600)
            await reconciler.run_once()
        status = await here.client.status("run")
        assert (status.state, status.reason) == ("failed", "revived 3 times without progress at n0")


async def _taken_in_vain(here: Place) -> None:
    """A worker takes what there is, and dies before anything comes of it."""
    dead = asyncio.Event()

    async def before(operation: str) -> None:
        if operation == "context.put":
            dead.set()
            await never()

    client = here.backend.connect()
    await client.open()
    await killed(Worker(Watched(client, before=before), here.runtime, reconcile=False).run, dead.wait())


async def test_a_reconciler_applies_what_a_dead_worker_could_not() -> None:
    # The worker dies between the outcome and its context values, and its message is lost: the third step reads them.
    flow = create_flow("unapplied").node("a", sets).node("b", one).node("c", gets).edge("a", "b").edge("b", "c")
    async with place(flow) as here:
        dead = asyncio.Event()

        async def before(operation: str) -> None:
            if operation == "context.apply":
                dead.set()
                await never()

        await here.client.start(flow, run_id="run")
        client = here.backend.connect()
        await client.open()
        worker = Worker(Watched(client, before=before), here.runtime, reconcile=False)
        await killed(worker.run, dead.wait())
        here.backend.lose_messages()
        async with here.working(settings=Settings(max_steps=1)):
            result = await here.client.wait("run", timeout=3600)
        assert (result.status, result.outputs["c"]) == ("completed", 5)


async def test_a_run_that_cannot_be_read_does_not_keep_a_reconciler_from_the_others() -> None:
    flow = chain()
    async with place(flow) as here:
        for run_id in ("a", "b", "c"):
            await here.client.start(flow, run_id=run_id)
        records = here.backend._world.facts._records
        record = records["b", ":run"].newest
        assert record is not None
        records["b", ":run"].write(attrs.evolve(record, body=b"w\x07from elsewhere"), None)
        here.backend.lose_messages()
        await here.clock.sleep(100)
        done = await Reconciler(here.backend, clock=here.clock).run_once()
        assert (done.scanned, done.revived, done.errors) == (3, 2, 1)


def test_the_queue_that_these_tests_use_has_the_clouds_limits() -> None:
    assert CLOUD_QUEUE.max_delay == 900

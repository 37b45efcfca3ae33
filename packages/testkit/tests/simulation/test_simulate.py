"""Schedules under which every promise is checked; and that the checks bite, repeat, and say what happened."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from typing import Any

import attrs
import pytest
from flowcraft_core import NodeContext, StepEndedError, SyncNodeContext, create_flow
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.poison import PoisonCount
from flowcraft_core.durable.storage import Records, Stored
from flowcraft_core.graph.facts import Outcome
from flowcraft_testkit.memory import InMemoryContextStore
from flowcraft_testkit.memory.queue import MessageStore
from flowcraft_testkit.memory.status import StatusTable
from flowcraft_testkit.simulation import RUN, SCENARIOS, Faults, Report, Scenario, simulate
from flowcraft_testkit.simulation.loop import LoopClock, VirtualLoop, run_virtual
from flowcraft_testkit.simulation.threads import HandedOverThreads

Ctx = NodeContext[Any, Any]

#: Schedules of each scenario in the tests; the command tries as many as it is asked to.
SEEDS = 6


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_breaks_a_promise(name: str) -> None:
    report = simulate(SCENARIOS[name], seeds=SEEDS).check()
    assert report.schedules == SEEDS


@pytest.mark.parametrize("name", SCENARIOS)
def test_workers_that_keep_nothing_of_what_they_have_read_break_no_promise(name: str) -> None:
    """What is kept is a cache: nothing is decided by what is there, and nobody counts on it."""
    scenario = SCENARIOS[name]
    simulate(attrs.evolve(scenario, worker={**scenario.worker, "memory": 0}), seeds=2).check()


def test_each_kind_of_fault_happens() -> None:
    report = simulate(SCENARIOS["values"], seeds=150)
    assert set(report.faults) == {
        "crash before",
        "crash after",
        "crash between",
        "failed",
        "unanswered",
        "throttled",
        "slow",
        "paused",
        "dropped",
        "delayed",
        "duplicated",
        "expired early",
        "expired late",
        "wiped",
        "stale or reordered",
    }


def test_without_faults_each_step_is_executed_once() -> None:
    for scenario in SCENARIOS.values():
        report = simulate(scenario, seeds=3, faults=Faults.none()).check()
        assert not report.faults


def test_kinds_of_faults_can_be_chosen() -> None:
    report = simulate(SCENARIOS["all_join"], seeds=40, faults=Faults.only("dropped", "crash")).check()
    assert set(report.faults) <= {"dropped", "crash before", "crash after"}
    assert len(report.faults) >= 2
    with pytest.raises(ValueError, match="no kind of fault is named flood"):
        Faults.only("flood")


# --- a schedule can be repeated ---------------------------------------------------------------------------------------


def test_one_seed_gives_one_schedule_to_the_last_event_in_any_process() -> None:
    program = (
        "from flowcraft_testkit.simulation import SCENARIOS, simulate\n"
        "for name in ('all_join', 'values', 'batch_of_flow', 'threads', 'fork', 'slow'):\n"
        "    report = simulate(SCENARIOS[name], seeds=4, shrink=False)\n"
        "    print(report.digests, report.requests, sorted(report.faults.items()))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2", "77")
    ]
    assert said[0].count(b"\n") == 6
    assert said[0] == said[1] == said[2]


# --- the checks bite --------------------------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, make: Any) -> None:
    monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def _problems(report: Report) -> str:
    return "\n".join(problem for violation in report.violations for problem in violation.problems)


def test_a_message_that_is_gone_before_its_work_is_done_loses_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(take: Any) -> Any:
        def forgetful(self: MessageStore, *args: Any) -> Any:
            taken = take(self, *args)
            self.remove(taken)
            return taken

        return forgetful

    broken(monkeypatch, MessageStore, "take", make)
    # Every fourth schedule has no reconciler, which would heal it.
    report = simulate(SCENARIOS["chain"], seeds=range(0, 200, 4), shrink=False)
    assert "the run has not ended" in _problems(report)


def test_an_outcome_that_is_written_over_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(put: Any) -> Any:
        async def last_wins(self: Any, run_id: str, key: str, fact: Any) -> Any:
            if ":" not in key:
                self._facts.remove(run_id, key, None)
            return await put(self, run_id, key, fact)

        return last_wins

    broken(monkeypatch, InMemoryContextStore, "put", make)
    report = simulate(SCENARIOS["slow"], seeds=20, faults=Faults.only("duplicated"), shrink=False)
    assert "was changed after it was stored" in _problems(report)


def test_a_step_that_runs_before_what_it_needs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(apply: Any) -> Any:
        async def forgetful(self: Records, *args: Any) -> None:
            return None

        return forgetful

    broken(monkeypatch, Records, "apply", make)
    report = simulate(SCENARIOS["values"], seeds=1, faults=Faults.none(), shrink=False)
    assert "was executed before 'before' was applied, which 'a' has set" in _problems(report)


def test_a_step_that_runs_before_the_outcome_that_leads_to_it_is_stored_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(commit: Any) -> Any:
        async def late(self: Engine, instance: Any, outcome: Outcome) -> Any:
            if instance.key == "n0":
                return Stored(outcome, self.job.id, won=True)
            return await commit(self, instance, outcome)

        return late

    broken(monkeypatch, Engine, "_commit", make)
    report = simulate(SCENARIOS["chain"], seeds=1, faults=Faults.none(), shrink=False)
    assert "'n1' was executed, but by the facts that are stored it is not ready" in _problems(report)


def test_a_second_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(change: Any) -> Any:
        def reviving(self: Any, run_id: str, change: Any) -> bool:
            status = self.get(run_id)
            self._records[run_id].write(change(status), None)
            return True

        return reviving

    broken(monkeypatch, StatusTable, "change", make)
    report = simulate(SCENARIOS["cancel"], seeds=20, shrink=False)
    assert "the status was cancelled, and was changed" in _problems(report)


def test_a_result_that_depends_on_the_schedule_is_seen() -> None:
    numbers = itertools.count()

    async def impure(ctx: Ctx) -> int:
        return next(numbers)

    report = simulate(create_flow("impure").node("a", impure), seeds=1, shrink=False)
    assert "outputs: {'a': 1}; in process it was {'a': 0}" in _problems(report)


# --- a violation can be read, repeated and made shorter ---------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes a second delivery for a poisonous one."""

    def make(is_poison: Any) -> Any:
        async def hasty(self: PoisonCount, *args: Any) -> bool:
            return True

        return hasty

    broken(monkeypatch, PoisonCount, "are_too_many", make)


def test_a_violation_tells_what_happened_and_is_made_as_short_as_it_can_be(impatient: None) -> None:
    found = simulate(SCENARIOS["chain"], seeds=40, shrink=False).violations
    long = max(found, key=lambda violation: violation.faults.total())
    (short,) = simulate(SCENARIOS["chain"], seeds=[long.seed]).violations
    assert short.faults.total() < long.faults.total()
    # Nothing more can be taken out: without any one of its draws nothing goes wrong.
    number, _, kept = short.seed.partition(":")
    draws = kept.split(",")
    for left_out in draws:
        seed = f"{number}:{','.join(draw for draw in draws if draw != left_out)}"
        assert not simulate(SCENARIOS["chain"], seeds=[seed]).violations
    assert "PoisonError" in short.problems[0]
    text = str(short)
    assert "receives job" in text
    assert "worker-1" in text
    assert short.replay == f"python -m flowcraft_testkit.simulation --replay 'chain:{short.seed}'"
    assert short.replay in text


def test_a_violation_can_be_seen_again(impatient: None) -> None:
    (violation, *_) = simulate(SCENARIOS["chain"], seeds=40).violations
    (again,) = simulate(SCENARIOS["chain"], seeds=[violation.seed], shrink=False).violations
    assert (again.problems, again.trace, again.faults) == (violation.problems, violation.trace, violation.faults)


def test_a_report_with_violations_fails_by_name(impatient: None) -> None:
    with pytest.raises(AssertionError, match=r"schedules went wrong\nchain, seed '") as failed:
        simulate(SCENARIOS["chain"], seeds=40).check()
    assert "--replay" in str(failed.value)


def test_a_trace_says_what_was_believed_and_what_was_true(impatient: None) -> None:
    faults = Faults.only("unanswered", "dropped", "crash")
    text = "\n".join(
        str(violation) for violation in simulate(SCENARIOS["chain"], seeds=900, faults=faults, shrink=False).violations
    )
    assert "FAILED, though it happened" in text
    assert "is LOST" in text
    assert "ENDS, as killed; another worker comes in" in text


# --- what else may be given -------------------------------------------------------------------------------------------


async def one(ctx: Ctx) -> int:
    return 1


def test_a_flow_is_enough() -> None:
    flow = create_flow("mine").node("a", one).wait("w").node("b", one).edge("a", "w").edge("w", "b")
    report = simulate(flow, seeds=5, context={"x": 1}, answers={"w": "yes"}).check()
    assert report.schedules == 5


def test_people_may_do_whatever_a_client_can() -> None:
    async def act(client: Client) -> None:
        async for status in client.runs("running"):
            assert status.run_id == RUN

    flow = create_flow("mine").node("a", one)
    simulate(Scenario(name="listed", build=lambda: flow, act=act), seeds=10).check()


def test_a_program_that_ends_with_an_error_is_a_violation() -> None:
    async def act(client: Client) -> None:
        raise KeyError("people make mistakes")

    flow = create_flow("mine").node("a", one)
    report = simulate(Scenario(name="mistaken", build=lambda: flow, act=act), seeds=1, shrink=False)
    assert "client-1 ended with KeyError: 'people make mistakes'" in _problems(report)


def test_a_run_that_never_ends_is_a_violation() -> None:
    flow = create_flow("mine").node("a", one).wait("w").edge("a", "w")
    report = simulate(flow, seeds=[1], racing=True, shrink=False)
    assert "the run has not ended; the status is awaiting" in _problems(report)
    assert "ready are ['w']" in _problems(report)


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_time_is_virtual_and_exact() -> None:
    async def main() -> tuple[float, float, float]:
        clock, loop = LoopClock(), asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        began = clock.now()
        await asyncio.sleep(40 * 86_400)
        slept = clock.now() - began
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await clock.sleep(1)
        return began, slept, clock.now() - began - slept

    assert run_virtual(main) == (LoopClock().now(), 40 * 86_400, 0.5)


def test_a_thread_and_the_loop_never_run_side_by_side() -> None:
    order: list[str] = []

    async def main() -> list[str]:
        threads, loop = HandedOverThreads(), asyncio.get_running_loop()

        async def answer() -> int:
            order.append("the loop is asked")
            await asyncio.sleep(5)
            order.append("the loop answers")
            return 7

        def step() -> int:
            order.append("the step begins")
            found = asyncio.run_coroutine_threadsafe(answer(), loop).result()
            order.append("the step ends")
            return found

        async def other() -> None:
            await asyncio.sleep(1)
            order.append("others go on")

        beside = asyncio.ensure_future(other())
        assert await threads.run(step) == 7
        await beside
        return order

    assert run_virtual(main) == [
        "the step begins",
        "the loop is asked",
        "others go on",
        "the loop answers",
        "the step ends",
    ]


def test_a_step_in_a_thread_is_given_up_where_it_waits() -> None:
    ended: list[str] = []

    async def main() -> None:
        threads, loop = HandedOverThreads(), asyncio.get_running_loop()

        def step() -> None:
            try:
                asyncio.run_coroutine_threadsafe(asyncio.sleep(100), loop).result()
            finally:
                ended.append("the step")

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await threads.run(step)

    run_virtual(main)
    assert ended == ["the step"]


def test_what_a_step_in_a_thread_raises_is_raised() -> None:
    def fails() -> None:
        raise KeyError("no")

    def leaves() -> None:
        raise SystemExit(3)

    with pytest.raises(KeyError):
        run_virtual(lambda: HandedOverThreads().run(fails))
    with pytest.raises(StepEndedError, match="the step was ended by SystemExit"):
        run_virtual(lambda: HandedOverThreads().run(leaves))


def plain(ctx: SyncNodeContext[Any, Any]) -> int:
    ctx.context.set("seen", ctx.context.get("x"))
    return int(ctx.context.get("x"))


def test_plain_steps_are_simulated_too() -> None:
    flow = create_flow("plain").node("a", plain).node("b", plain).edge("a", "b")
    simulate(flow, seeds=20, context={"x": 3}).check()

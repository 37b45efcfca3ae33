"""The clauses of a whole backend on what people are shown: a run's inside, the workers, and lists of runs."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeResult, RetryPolicy, create_flow
from flowcraft_core.durable import Client, InstanceDescription, RunDescription
from flowcraft_core.errors import BackendError, ConfigurationError

from .interposed import Call
from .programs import Context, ProgramClauses, Programs, Steps, is_so


class DescribingClauses(ProgramClauses):
    """What a ``Backend`` promises of ``Client.describe``, and of the lists of workers and runs."""

    async def test_a_run_is_described_instance_by_instance(self) -> None:
        """Where each stands, with what it was given and gave, its error, times, worker, ways on and context values."""
        steps = Steps()

        async def choose(ctx: Context) -> NodeResult:
            await ctx.context.set("chosen", ctx.input)
            return NodeResult(ctx.input * 2, action="yes")

        flow = create_flow("described").node("a", steps.one).node("choose", choose)
        flow.node("b", steps.add).node("no", steps.one).node("broken", steps.broken).node("after", steps.one)
        flow.wait("w").edge("a", "choose").edge("choose", "b", action="yes", transform="input * 10")
        flow.edge("choose", "no", action="no").edge("b", "w").edge("w", "broken").edge("broken", "after")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")), tags={"customer": "ada"})
            told = await self._until_waiting(here, run_id)
            by_key = _by_key(told)
            assert {key: each.state for key, each in by_key.items()} == {
                "a": "done",
                "choose": "done",
                "b": "done",
                "no": "dead",
                "w": "waiting",
                "broken": "pending",
                "after": "pending",
            }
            assert (told.run.run_id, told.run.tags, told.run.blueprint_id) == (run_id, {"customer": "ada"}, "described")
            chosen = by_key["choose"]
            assert (chosen.input, chosen.output, chosen.action, chosen.sets) == (1, 2, "yes", {"chosen": 1})
            assert [(edge.target, edge.action, edge.value) for edge in chosen.taken] == [("b", "yes", 20)]
            assert (by_key["b"].input, by_key["b"].output) == (20, 21)
            assert by_key["w"].input == 21
            assert [(wait.key, wait.kind, wait.due) for wait in told.waits] == [("w", "wait", None)]
            assert {each.worker for each in told.instances if each.state == "done"} == {
                worker.name for worker in await here.client.workers() or ()
            } | {chosen.worker}
            for each in (by_key["a"], chosen, by_key["b"]):
                assert each.ready_at is not None
                assert each.started is not None
                assert each.ended is not None
                assert each.ready_at <= each.started <= each.ended
                assert each.fork_from == (each.key,)
            await here.client.resume(run_id, "w", output=5)
            await here.ended(run_id)
            told = await self._until(here, run_id, lambda told: _by_key(told)["broken"].state == "failed")
            broken = _by_key(told)["broken"]
            assert (told.run.state, broken.input) == ("failed", 5)
            assert [(error.type, error.attempts) for error in broken.errors] == [("ValueError", 1)]
            assert "broken for good" in (broken.errors[0].traceback or ""), "the traceback is kept"
            assert told.errors == broken.errors
            assert (told.waits, _by_key(told)["after"].state) == ((), "pending")

    async def test_what_is_inside_is_folded_and_opened_page_by_page(self) -> None:
        """Of a batch, a loop or a call the states are counted; opened, each instance is on one page and no other."""
        steps = Steps()

        async def item(ctx: Context) -> Any:
            if ctx.input == 4:
                raise ValueError("item 4")
            return ctx.input

        inner = create_flow("inner").node("x", steps.echo).node("y", steps.echo).edge("x", "y")
        flow = create_flow("folded").node("src", steps.gives(list(range(7))))
        flow.batch("items", item, tolerated_failure_count=1).node("body", steps.one)
        flow.loop("again", start="body", end="body", condition="context.body < 1")
        flow.subflow("call", inner).wait("w")
        flow.edge("src", "items").edge("items", "body").edge("body", "again").edge("again", "call").edge("call", "w")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            told = await self._until_waiting(here, run_id)
            by_key = _by_key(told)
            assert (by_key["items"].kind, by_key["items"].state) == ("batch", "done")
            folded = {each.key: each.inside for each in told.instances if each.inside is not None}
            assert set(folded) == {"items", "again", "call"}
            assert dict(folded["items"].counts) == {"done": 6, "failed": 1}
            assert (folded["items"].scopes, folded["items"].ended) == (7, 7)
            for key, inside in folded.items():
                for limit in (1, 3, 100):
                    found = await self._all(here, run_id, inside=key, limit=limit)
                    keys = [each.key for each in found]
                    assert len(keys) == len(set(keys)), f"inside {key!r} something is shown twice: {keys}"
                    assert Counter(each.state for each in found) == Counter(dict(inside.counts))
            items = await self._all(here, run_id, inside="items", limit=2)
            assert [each.input for each in items] == list(range(7))
            assert [each.state for each in items].index("failed") == 4
            one = await here.client.describe(run_id, inside="items[4]")
            assert [(each.key, each.state) for each in one.instances] == [("items[4].items", "failed")]
            call = await here.client.describe(run_id, inside="call", values=False)
            assert [(each.key, each.output) for each in call.instances] == [("call/x", None), ("call/y", None)]

    async def test_a_step_that_takes_long_is_seen_under_way_with_its_progress(self) -> None:
        """Since when, at which worker, in which attempt, and how far it says that it is; and not once it has ended."""
        steps = Steps()

        async def slow(ctx: Context) -> None:
            ctx.progress(0.25, "reading")
            await self._clock.sleep(12 * self.beat)

        flow = create_flow("slow").node("a", steps.one).node("slow", slow).wait("w").edge("a", "slow").edge("slow", "w")
        async with self.programs(flow) as here:
            await here.hire(told_after=self.beat / 2, heartbeat=self.beat)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            told = await self._until(here, run_id, lambda told: bool(told.under_way))
            (step,) = told.under_way
            assert (step.key, step.attempt, step.fraction, step.message) == ("slow", 1, 0.25, "reading")
            assert _by_key(told)["slow"].under_way == step
            assert _by_key(told)["slow"].standing == "under way"
            assert step.since <= step.seen <= told.at + self.beat
            await self.until(lambda: self._are_listed(here, {step.worker}), here.patience)
            told = await self._until_waiting(here, run_id)
            assert (told.under_way, _by_key(told)["slow"].state) == ((), "done")

    async def test_what_is_passed_on_is_described_with_what_is_missing(self) -> None:
        """Workers that lack a step hand its jobs on for minutes: whoever looks sees which step, and where."""

        async def step(ctx: Context) -> None: ...

        old, new = (create_flow("f").node("a", step).node(node_id, step).edge("a", node_id) for node_id in ("c", "d"))
        async with self.programs(old) as here:
            await here.hire(runtime=FlowRuntime([new], clock=self._clock))
            await here.client.start(old, run_id=(run_id := self.id("run")))
            told = await self._until(here, run_id, lambda told: bool(told.passed_on))
            (passed_on,) = told.passed_on
            assert passed_on.node_id in ("a", "c")
            assert passed_on.node_id in passed_on.reason
            assert passed_on.worker

    async def test_waits_sleeps_and_retries_are_described_by_what_they_wait_for(self) -> None:
        """With the time at which each goes on by itself, and for a retry with what has failed before."""
        steps = Steps()
        flow = create_flow("suspended").node("a", steps.one).wait("w", timeout=9_000.0).sleep("s", duration=8_000.0)
        flow.node("x", steps.broken, retries=RetryPolicy(max_attempts=2, delay=7_000.0, max_delay=7_000.0, jitter=0))
        flow.edge("a", "w").edge("a", "s").edge("a", "x")
        async with self.programs(flow) as here:
            await here.hire()
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            told = await self._until(here, run_id, lambda told: len(told.waits) == 3)
            assert [(wait.key, wait.kind) for wait in told.waits] == [("w", "wait"), ("x", "retry"), ("s", "sleep")]
            states = {each.key: each.state for each in told.instances}
            assert states == {"a": "done", "w": "waiting", "s": "sleeping", "x": "retrying"}
            assert dict(told.counts) == {"done": 1, "waiting": 1, "sleeping": 1, "retrying": 1}
            for wait, seconds in zip(told.waits, (9_000.0, 7_000.0, 8_000.0), strict=True):
                assert wait.due is not None
                assert abs(wait.due - told.at - seconds) < here.patience + seconds / 2, (
                    "it may be drawn about the delay"
                )
            (attempt,) = _by_key(told)["x"].failed_attempts
            assert (attempt.number, attempt.retry_at) == (1, _by_key(told)["x"].due)
            assert attempt.error is not None
            assert "broken for good" in (told.waits[1].reason or "")

    async def test_a_run_goes_on_and_is_described_where_no_hint_can_be_left(self) -> None:
        """The notes that workers leave for people may be lost, or refused: no run notices, nor who looks at it."""
        steps, clock = Steps(), self._clock
        refused = 0

        async def around(operation: str, call: Call) -> object:
            nonlocal refused
            if operation.startswith("coordination.") and str(call.args[0]).startswith("board:"):
                refused += 1
                raise BackendError("the board is gone")
            return await call()

        flow = create_flow("unseen").node("a", steps.takes(clock, 3 * self.beat)).node("b", steps.one).edge("a", "b")
        async with self.programs(flow) as here:
            await here.hire(around=around, told_after=self.beat / 2, heartbeat=self.beat)
            client = Client(await here.connect(around), flows=here.flows, clock=clock)
            await client.start(flow, run_id=(run_id := self.id("run")))
            await self.until(lambda: is_so(refused > 2), here.patience)
            told = await client.describe(run_id)
            assert (told.under_way, told.passed_on) == ((), ())
            assert (await here.ended(run_id)).outputs["b"] == 1
            assert steps.count("a") == 1, "what nobody could be told of was run again"

    async def test_workers_are_listed_for_as_long_as_they_live(self) -> None:
        """Each with who it is and where, what it brings and what it is at; one that has stopped is not there."""
        steps = Steps()
        flow = create_flow("listed").node("a", steps.takes(self._clock, 12 * self.beat))
        async with self.programs(flow, heartbeat=self.beat) as here:
            hands = [await here.hire(concurrency=2 + place) for place in range(3)]
            names = {hand.worker.name for hand in hands}
            await self.until(lambda: self._are_listed(here, names), here.patience)
            await here.client.start(flow)
            await self.until(lambda: self._some_are_busy(here, names), here.patience)
            found = {worker.name: worker for worker in await here.client.workers()}
            for place, hand in enumerate(hands):
                told = found[hand.worker.name]
                assert told.concurrency == 2 + place
                assert any("listed" in each for each in told.flows)
                assert told.host
                assert told.pid > 0
                assert told.version
                assert told.since <= told.seen
            hands[0].worker.stop()
            await hands[0].task
            listed = {worker.name for worker in await here.client.workers()}
            assert hands[0].worker.name not in listed, "a worker is listed that has said that it has stopped"
            assert names - {hands[0].worker.name} <= listed

    async def test_runs_are_listed_by_states_flow_tags_and_time(self) -> None:
        """All that was asked for holds for each of them, and each is on one page; a state that is none is refused."""
        steps = Steps()
        good, bad = create_flow("good").node("a", steps.one), create_flow("bad").node("a", steps.broken)
        tag = {"list": self.id("list")}
        async with self.programs(good, bad) as here:
            await here.hire()
            begun = self.now()
            ids = {"good": set[str](), "bad": set[str]()}
            for place in range(5):
                flow = bad if place % 2 else good
                result = await here.run(flow, tags={**tag, "place": str(place)})
                ids[flow.id].add(result.run_id)
            everything = ids["good"] | ids["bad"]
            await self._until_listed(here, everything, "completed", "failed", tags=tag)
            await self._until_listed(here, everything, tags=tag, created_since=begun)
            await self._until_listed(here, ids["bad"], "completed", "failed", tags=tag, flow="bad")
            await self._until_listed(here, ids["good"], "completed", tags=tag)
            await self._until_listed(here, set(), "failed", tags=tag, updated_until=begun)

            async def on_pages(limit: int) -> str:
                found, cursor = [], None
                while True:
                    page = await here.client.runs_page("completed", "failed", tags=tag, after=cursor, limit=limit)
                    assert len(page.runs) <= limit
                    found += [run.run_id for run in page.runs]
                    cursor = page.cursor
                    if cursor is None:
                        break
                same = sorted(found) == sorted(everything)
                return "" if same else f"on pages of {limit} are listed {found}, not {everything}"

            for limit in (1, 2, 100):
                await self._patiently(here, partial(on_pages, limit))
            with pytest.raises(ConfigurationError, match="completed, failed, cancelled"):
                await here.client.runs_page("fail")  # type: ignore[arg-type]

    async def test_a_fork_and_its_run_name_each_other_wherever_they_are_shown(self) -> None:
        """However often a run is forked; and tags go with it."""
        steps = Steps()
        flow = create_flow("forked").node("a", steps.one).node("b", steps.add).edge("a", "b")
        async with self.programs(flow) as here:
            await here.hire()
            old = (await here.run(flow, run_id=self.id("old"), tags={"customer": "ada"})).run_id
            await self.pass_time(here.backend.context.limits.staleness)
            new = [self.id(f"new{place}") for place in range(10)]
            for run_id in new:
                await here.client.fork(old, "b", new_run_id=run_id)
                await here.client.fork(old, "b", new_run_id=run_id)  # again: it is the same one
            await here.ended(new[-1])
            await self.pass_time(here.backend.context.limits.staleness)
            for shown in (await here.client.status(old), (await here.client.describe(old)).run):
                assert shown.forked_as == tuple(new)
            for shown in (await here.client.status(new[-1]), (await here.client.describe(new[-1])).run):
                assert (shown.redrive_of, shown.tags) == (old, {"customer": "ada"})

    # --- looking ---------------------------------------------------------------------------------------------------

    async def _until(self, here: Programs, run_id: str, wanted: Any) -> RunDescription:
        told: list[RunDescription] = []

        async def is_there() -> bool:
            told[:] = [await here.client.describe(run_id)]
            return bool(wanted(told[0]))

        async def differs() -> str:
            if await is_there():
                return ""
            shown = {each.key: each.standing for each in told[0].instances}
            return f"run {run_id!r} is {told[0].run.state}, and in it {shown}"

        await self._patiently(here, differs)
        return told[0]

    async def _patiently(self, here: Programs, differs: Any) -> None:
        end = self.now() + here.patience
        while what := await differs():
            assert self.now() < end, what
            await self.pass_time(self.beat / 4)

    async def _until_waiting(self, here: Programs, run_id: str) -> RunDescription:
        return await self._until(here, run_id, lambda told: any(wait.kind == "wait" for wait in told.waits))

    async def _all(self, here: Programs, run_id: str, *, inside: str, limit: int) -> list[InstanceDescription]:
        found: list[InstanceDescription] = []
        after = None
        while True:
            page = await here.client.describe(run_id, inside=inside, limit=limit, after=after)
            assert len(page.instances) <= limit
            assert page.total == sum(page.counts.values())
            found += page.instances
            after = page.cursor
            if after is None:
                return found

    async def _are_listed(self, here: Programs, names: set[str]) -> bool:
        return names <= {worker.name for worker in await here.client.workers()}

    async def _some_are_busy(self, here: Programs, names: set[str]) -> bool:
        return any(worker.busy for worker in await here.client.workers() if worker.name in names)

    async def _until_listed(self, here: Programs, expected: set[str], *states: Any, **filters: Any) -> None:
        async def differs() -> str:
            found = [run.run_id async for run in here.client.runs(*states, **filters)]
            same = sorted(found) == sorted(expected)
            return "" if same else f"of {states} and {filters} are listed {found}, not {expected}"

        await self._patiently(here, differs)


def _by_key(told: RunDescription) -> dict[str, InstanceDescription]:
    found = {each.key: each for each in told.instances}
    assert len(found) == len(told.instances), "an instance is shown twice"
    return found

"""The clauses of a whole backend on the lanes of batches: so many items are under way at most, whoever dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from flowcraft_core import Clock, FlowBuilder, create_flow
from flowcraft_core.jobs import decode_job, encode_job

from .interposed import Call, noting
from .programs import Context, ProgramClauses, Steps


class Gauge:
    """The worker of a batch: takes a moment, fails at some items, and says how many were under way at once.

    Two may be at one item, as a worker was taken for dead or a message came twice. It counts once, and no more once
    either has ended it: from then on its lane goes on, while the other one still is at it.

    Attributes:
        most: How many items were under way at most.
        now: How many are at each item, by key.
        executed: How often each item was begun, by key.
        broken: The items that fail.
    """

    def __init__(self, clock: Clock, seconds: float = 0.0, *broken: int) -> None:
        self.most = 0
        self.now: Counter[str] = Counter()
        self.executed: Counter[str] = Counter()
        self.broken = set(broken)
        self._ended: set[str] = set()
        self._clock, self._seconds = clock, seconds

    async def step(self, ctx: Context) -> int:
        """Give ten times the item."""
        self.executed[ctx.key] += 1
        self.now[ctx.key] += 1
        self.most = max(self.most, len(self.now.keys() - self._ended))
        try:
            await self._clock.sleep(self._seconds)
        finally:
            self.now -= Counter([ctx.key])  # which keeps none that is at zero
        self._ended.add(ctx.key)
        if ctx.input in self.broken:
            raise ValueError(f"item {ctx.input} is broken")
        return int(ctx.input) * 10


def _batch(flow_id: str, steps: Steps, gauge: Gauge, items: int, concurrency: int, **options: Any) -> FlowBuilder:
    flow = create_flow(flow_id).node("src", steps.gives(list(range(items))))
    flow.batch("b", gauge.step, concurrency=concurrency, **options).node("end", steps.echo)
    return flow.edge("src", "b").edge("b", "end")


class LaningClauses(ProgramClauses):
    """What a ``Backend`` promises of batches with lanes."""

    async def test_no_more_items_than_lanes_are_under_way(self) -> None:
        """On three workers that each have room for all; whether there are fewer items, as many, more, or none."""
        steps = Steps()
        gauges = {items: Gauge(self._clock, self.beat) for items in (0, 1, 4, 5, 6, 17)}
        flows = {items: _batch(f"of_{items}", steps, gauge, items, 5) for items, gauge in gauges.items()}
        async with self.programs(*flows.values(), reconcile=False) as here:
            await here.hire(3)
            for items, flow in flows.items():
                result = await here.run(flow)
                given = [10 * item for item in range(items)]
                assert (result.status, result.outputs["b"], result.outputs["end"]) == ("completed", given, given)
                assert gauges[items].most <= min(items, 5), f"{gauges[items].most} of {items} items were under way"
                assert set(gauges[items].executed.values()) <= {1}

    async def test_a_lane_goes_on_under_its_job_and_arrives_once(self) -> None:
        """Whoever ends an item goes on with the next: an item costs its own write, and a lane a job and an arrival."""
        steps, gauge = Steps(), Gauge(self._clock)
        flow = _batch("costs", steps, gauge, 40, 4)
        async with self.programs(flow, reconcile=False, poll=1.0) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.steps) == ("completed", 42)
            calls = here.calls
            assert calls["coordination.add_members"] <= 4, f"{calls['coordination.add_members']} arrivals of four lanes"
            # Where what leads to a lane may not be visible yet, its job is passed on.
            most = 8 if here.backend.context.limits.staleness else 4
            assert calls["queue.send"] <= most, f"{calls['queue.send']} times jobs were sent for four lanes"
            assert calls["context.put"] <= 44, f"{calls['context.put']} facts were written for 44 instances"

    async def test_a_failed_item_under_tolerance_does_not_stop_its_lane(self) -> None:
        """Its error stands in its place, and the items behind it are executed."""
        steps, gauge = Steps(), Gauge(self._clock, 0.0, 0, 3)
        flow = _batch("tolerant", steps, gauge, 9, 2, tolerated_failure_count=2)
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "completed"
            given = [item if isinstance(item, int) else item["error"]["node"] for item in result.outputs["b"]]
            assert given == ["b[0].b", 10, 20, "b[3].b", *(10 * item for item in range(4, 9))]
            assert gauge.most <= 2

    async def test_one_failure_too_many_ends_the_run_and_begins_nothing_new(self) -> None:
        """Before the gather: those that failed are a set, and whoever adds one too many looks at the facts."""
        steps, gauge = Steps(), Gauge(self._clock, self.beat, *range(60))
        # No lane has as many items as may fail: none of them can tell by itself.
        flow = _batch("intolerant", steps, gauge, 60, 10, tolerated_failure_count=8)
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert result.status == "failed"
            await self.pass_time(10 * self.beat)
            assert len(gauge.executed) <= 40, f"{len(gauge.executed)} of 60 items were begun, of which eight may fail"
            assert {error.type for error in result.errors} == {"ValueError"}

    async def test_a_contained_batch_runs_its_lanes_to_their_ends(self) -> None:
        """Too many items have failed, and an edge takes that over: after every item has ended, and not before."""
        steps, gauge = Steps(), Gauge(self._clock, 0.0, 0, 1, 2)
        flow = create_flow("contained").node("src", steps.gives(list(range(9)))).batch("b", gauge.step, concurrency=2)
        flow.node("h", steps.echo).edge("src", "b").edge("b", "h", on="failure")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs["h"]["node"]) == ("completed", "b[0].b")
            assert len(gauge.executed) == 9

    async def test_a_batch_that_has_lost_a_race_begins_no_next_item(self) -> None:
        """It is unneeded: what is under way ends, and its lanes go no further."""
        steps, gauge = Steps(), Gauge(self._clock, 4 * self.beat)
        flow = create_flow("lost").node("src", steps.gives(list(range(40)))).batch("b", gauge.step, concurrency=2)
        flow.node("quick", steps.takes(self._clock, self.beat)).node("slow", steps.takes(self._clock, 60 * self.beat))
        flow.node("first", steps.one, join="any").node("end", steps.one)
        flow.edge("src", "b").edge("src", "quick").edge("src", "slow")
        flow.edge("b", "first").edge("quick", "first").edge("first", "end").edge("slow", "end")
        async with self.programs(flow, reconcile=False) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs["first"]) == ("completed", 1)
            assert len(gauge.executed) <= 6, f"{len(gauge.executed)} items of a batch were begun that had lost at once"

    async def test_a_wait_in_an_item_holds_up_its_lane_only(self) -> None:
        """Who resumes it goes on with the lane."""
        steps = Steps()
        inner = create_flow("asks").node("a", steps.echo).wait("w").node("z", steps.echo)
        inner.edge("a", "w", condition="result.output == 0").edge("w", "z").edge(
            "a", "z", condition="result.output > 0"
        )
        flow = create_flow("waits").node("src", steps.gives(list(range(6)))).batch("b", inner, concurrency=2)
        flow.edge("src", "b")
        async with self.programs(flow, inner, reconcile=False) as here:
            await here.hire(2)
            run_id = (await here.client.start(flow)).run_id

            async def others_are_done() -> bool:
                found = await here.backend.context.get(run_id, ["b[0]/w:suspension", "b[1]/z", "b[3]/z", "b[5]/z"])
                return len(found) == 4

            await self.until(others_are_done, here.patience)
            assert (steps.count("b[2]/a"), steps.count("b[4]/a")) == (0, 0), "its lane has gone on without it"
            await here.client.resume(run_id, "b[0]/w", output="yes")
            result = await here.ended(run_id)
            assert (result.status, len(result.outputs["b"])) == ("completed", 6)
            assert [steps.count(f"b[{item}]/a") for item in range(6)] == [1] * 6

    async def test_a_lane_survives_whoever_was_at_it(self) -> None:
        """Killed before or after each call that a lane makes: others go on with it, and no more than before."""
        steps = Steps()
        for operation, number in (
            ("queue.send", 1),
            ("context.put", 3),
            ("context.put", 6),
            ("coordination.add_members", 1),
        ):
            for when in ("before", "after"):
                gauge = Gauge(self._clock)
                flow = _batch("survives", steps, gauge, 11, 2)
                async with self.programs(flow) as here:
                    run_id = (await here.client.start(flow)).run_id
                    await here.hire_until(operation, when=when, number=number)
                    await here.hire(2)
                    result = await here.ended(run_id)
                    at = f"{when} {operation} number {number}"
                    assert (result.status, result.outputs["b"]) == ("completed", [10 * item for item in range(11)]), at
                    assert gauge.most <= 2, f"{gauge.most} items were under way, {at}"
                    # Who dies between his outcome and his jobs may have sent some: these come twice, and no more.
                    assert gauge.executed.total() <= 11 + 6, f"{dict(gauge.executed)}, {at}"

    async def test_a_lost_lane_is_found_by_the_reconciler(self) -> None:
        """Its worker is dead, its message lost and every set wiped: the facts say at which item each lane stands."""
        steps, gauge = Steps(), Gauge(self._clock)
        flow = _batch("lost_lane", steps, gauge, 30, 3)
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("context.put", number=15)
            await self.lose_messages(here)
            await self.pass_time(60 * self.beat + here.backend.context.limits.staleness)
            done = await (await here.reconciler()).reconcile(run_id)
            assert (done.revived, done.finished) == (1, 0)
            await here.hire(2)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["b"]) == ("completed", [10 * item for item in range(30)])
            assert (gauge.most <= 3, max(gauge.executed.values())) == (True, 1 + (gauge.executed.total() > 30))
            assert gauge.executed.total() <= 30 + 3

    async def test_a_reconciler_finds_where_lanes_stand_without_going_along_them(self) -> None:
        """A lane of many items takes it a few reads, of a few facts, whichever item it has come to."""
        steps, gauge = Steps(), Gauge(self._clock)
        flow = _batch("long_lane", steps, gauge, 300, 1)
        reads: list[int] = []

        async def count(operation: str, call: Call) -> Any:
            if operation == "context.get":
                reads.append(len(call.args[1]))
            return await call()

        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id
            await here.hire_until("context.put", number=150)
            await self.lose_messages(here)
            await self.pass_time(60 * self.beat + here.backend.context.limits.staleness)
            done = await (await here.reconciler(around=count)).reconcile(run_id)
            assert (done.revived, len(reads) < 40, sum(reads) < 100) == (1, True, True), f"it read {reads}"
            await here.hire()
            assert (await here.ended(run_id)).outputs["b"] == [10 * item for item in range(300)]

    async def test_an_item_whose_turn_has_not_come_is_not_begun(self) -> None:
        """A job says no more than that it may be ready: the item before it in its lane has not ended."""
        steps, gauge = Steps(), Gauge(self._clock, 8 * self.beat)
        flow = _batch("early", steps, gauge, 6, 2)
        async with self.programs(flow, reconcile=False) as here:
            bodies: list[str] = []
            await here.hire(2, around=noting(bodies))
            run_id = (await here.client.start(flow)).run_id

            async def begun() -> bool:
                return len(gauge.executed) == 2

            await self.until(begun, here.patience)
            job = attrs.evolve(decode_job(bodies[0]), id=self.id("job"), key="b[4].b")  # as if somebody was mistaken
            await here.send(encode_job(job))
            await self.pass_time(4 * self.beat)
            assert gauge.executed["b[4].b"] == 0
            assert (await here.ended(run_id)).outputs["b"] == [10 * item for item in range(6)]

    async def test_a_fork_from_one_item_keeps_those_behind_it(self) -> None:
        """What it keeps of a lane is not done again, before or behind the item that it begins again."""
        steps, gauge = Steps(), Gauge(self._clock)
        flow = _batch("forked", steps, gauge, 9, 2)
        async with self.programs(flow) as here:
            await here.hire(2)
            old = (await here.run(flow)).run_id
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            gauge.executed.clear()
            new = (await here.client.fork(old, "b[3].b", "b[4].b")).run_id
            result = await here.ended(new)
            assert (result.status, result.outputs["b"]) == ("completed", [10 * item for item in range(9)])
            assert gauge.executed == {"b[3].b": 1, "b[4].b": 1}, f"executed again were {dict(gauge.executed)}"

    async def test_a_redrive_goes_on_with_each_lane_where_it_stood(self) -> None:
        """An item has failed the run: it is tried again, and its lane goes on behind it."""
        steps, gauge = Steps(), Gauge(self._clock, 0.0, 5)
        flow = _batch("redriven", steps, gauge, 12, 3)
        async with self.programs(flow) as here:
            await here.hire(2)
            old = await here.run(flow)
            assert old.status == "failed"
            await self.pass_time(2 * self.beat + here.backend.context.limits.staleness)
            gauge.broken.clear()
            result = await here.ended((await here.client.redrive(old.run_id)).run_id)
            assert (result.status, result.outputs["b"]) == ("completed", [10 * item for item in range(12)])
            assert gauge.executed["b[5].b"] == 2
            assert gauge.executed.total() <= 12 + 3, f"executed were {dict(gauge.executed)}"

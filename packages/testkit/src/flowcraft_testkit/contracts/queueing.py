"""The clauses of a whole backend on queues by name: who runs what, and what becomes of it that nobody serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, RetryPolicy, create_flow
from flowcraft_core.ports import JobQueue, Message, QueueDepth

from .clauses import needs
from .programs import Context, ProgramClauses, Programs, Steps

#: The queues that these clauses need, by name. A backend that has to be told its queues is told these for its tests.
QUEUES = ("bulk", "gpu", "urgent")

#: Of each queue so many runs are started where it is seen which are begun first.
_RUNS = 8


class QueueingClauses(ProgramClauses):
    """What a ``Backend`` promises that has queues by name; ``QUEUES`` are those that it has."""

    @needs("named_queues")
    async def test_what_is_sent_to_a_queue_is_received_from_no_other(self) -> None:
        """A queue by name is the same for every client, with the default one's limits, and shares no message."""
        async with self.programs(create_flow("apart").node("a", Steps().one)) as here:
            there = await here.connect()
            bodies = {name: f"{self.id('to')} {name}" for name in ("default", *QUEUES)}
            for name, body in bodies.items():
                queue = _queue(here.backend, name)
                assert queue.limits == here.backend.queue.limits
                await queue.send([Message(body)])
            for name, body in bodies.items():
                found = await self._all_of(_queue(there, name), body)
                assert set(bodies.values()).intersection(found) == {body}, f"{name} has {found}"

    @needs("named_queues")
    async def test_queues_that_have_messages_are_named(self) -> None:
        """Who watches a backend sees every queue in which work piles up, and how much, where the queues can tell."""
        async with self.programs(create_flow("named").node("a", Steps().one)) as here:
            queue = here.backend.queues.named("bulk")
            depth = getattr(queue, "depth", None) if self.declared.depth else None
            before = QueueDepth() if depth is None else await depth()
            await queue.send([Message(self.id("one")), Message(self.id("two"))])

            async def is_named() -> bool:
                names = await here.backend.queues.names()
                assert "default" not in names
                shown = {each.name: each for each in await here.client.queues()}
                assert next(iter(shown)) == "default"
                counted = depth is None or (shown["bulk"].visible or 0) >= (before.visible or 0) + 2
                return "bulk" in names and counted

            await self.until(is_named)
            await self._all_of(queue, "nothing")

    # --- who runs what --------------------------------------------------------------------------------------------

    @needs("named_queues")
    async def test_a_node_runs_on_its_queue_and_nowhere_else(self) -> None:
        """Its job goes there though the one under way could go on, and comes back to the default one behind it."""
        async with self.programs(_crossing(Steps())) as here:
            plain, gpu = Steps(), Steps()
            await here.hire(runtime=_runtime(here, _crossing(plain)))
            await here.hire(runtime=_runtime(here, _crossing(gpu)), queues=("gpu",))
            result = await here.run(here.flows[0])
            assert (result.status, result.outputs["b"]) == ("completed", 3)
            assert (set(plain.executed), set(gpu.executed)) == ({"a", "b"}, {"g"})

    @needs("named_queues")
    async def test_the_queue_of_a_node_comes_before_the_runs_and_that_before_the_flows(self) -> None:
        """What names no queue goes with the run, and else with the flow."""

        def flow(steps: Steps) -> FlowBuilder:
            made = create_flow("preferring", queue="bulk")
            return made.node("n", steps.one, queue="gpu").node("m", steps.add).edge("n", "m")

        async with self.programs(flow(Steps())) as here:
            by_queue = {name: Steps() for name in ("default", *QUEUES)}
            for name, steps in by_queue.items():
                await here.hire(runtime=_runtime(here, flow(steps)), queues=(name,))
            assert (await here.run(here.flows[0])).status == "completed"
            assert _executed(by_queue) == {"gpu": {"n"}, "bulk": {"m"}}
            assert (await here.run(here.flows[0], queue="urgent")).status == "completed"
            assert _executed(by_queue) == {"gpu": {"n"}, "bulk": {"m"}, "urgent": {"m"}}

    @needs("named_queues")
    async def test_what_is_inside_of_a_construct_runs_on_its_queue(self) -> None:
        """Items, passes and called flows; but for what in there names another one."""

        def flow(steps: Steps) -> FlowBuilder:
            called = create_flow("called").node("c", steps.one).node("d", steps.add, queue="gpu").edge("c", "d")
            made = create_flow("nesting").node("a", steps.gives([1, 2]))
            made.batch("items", steps.add, queue="bulk").edge("a", "items")
            made.subflow("call", called, queue="urgent").edge("items", "call")
            made.node("p", steps.add).loop("passes", start="p", end="p", condition="result.output < 4", queue="bulk")
            return made.edge("call", "p").node("z", steps.add).edge("passes", "z")

        async with self.programs(flow(Steps())) as here:
            by_queue = {name: Steps() for name in ("default", *QUEUES)}
            for name, steps in by_queue.items():
                await here.hire(runtime=_runtime(here, flow(steps)), queues=(name,))
            assert (await here.run(here.flows[0])).outputs["z"] == 5
            assert _executed(by_queue) == {
                "default": {"a", "z"},
                "bulk": {"items[0].items", "items[1].items", "passes[0].p", "passes[1].p"},
                "urgent": {"call/c"},
                "gpu": {"call/d"},
            }

    @needs("named_queues")
    async def test_a_run_stays_on_its_queue_through_waits_sleeps_retries_and_forks(self) -> None:
        """Whatever brings it on sends it there: no worker of another queue is needed for it."""
        attempts: list[int] = []

        async def flaky(ctx: Context) -> str:
            attempts.append(ctx.attempt)
            if len(attempts) == 1:
                raise ValueError("not yet")
            return "done"

        flow = create_flow("staying").node("a", Steps().one).wait("w").sleep("s", self.beat)
        flow.node("r", flaky, retries=RetryPolicy(max_attempts=2, delay=self.beat))
        flow.edge("a", "w").edge("w", "s").edge("s", "r")
        async with self.programs(flow) as here:
            await here.hire(queues=("gpu",), reconcile=False)
            run_id = (await here.client.start(flow, queue="gpu", run_id=self.id("staying"))).run_id
            await here.client.resume(run_id, "w", early=True)
            assert (await here.ended(run_id)).outputs["r"] == "done"
            assert attempts == [1, 2]
            forked = await here.client.fork(run_id, "r")
            assert (await here.ended(forked.run_id)).outputs["r"] == "done"

    @needs("named_queues")
    async def test_a_job_that_cannot_be_done_is_passed_on_within_its_queue(self) -> None:
        """A worker that lacks a step leaves it to another one of the same queue."""
        steps = Steps()
        flow = create_flow("passing").node("g", steps.one, queue="gpu")
        async with self.programs(flow) as here:
            lacking = await here.hire(runtime=FlowRuntime([], clock=here.clock), queues=("gpu",), reconcile=False)
            run_id = (await here.client.start(flow, run_id=self.id("passed"))).run_id
            sent = here.calls["queue.send"]

            async def is_passed_on() -> bool:
                return here.calls["queue.send"] > sent

            await self.until(is_passed_on, here.patience)
            await here.kill(lacking)
            await here.hire(queues=("gpu",), reconcile=False)
            assert (await here.ended(run_id)).status == "completed"
            assert steps.count("g") >= 1

    @needs("named_queues")
    async def test_a_worker_takes_from_its_first_queue_first(self) -> None:
        """Priority is a queue of its own: what lies in a later one waits, as long as there is something before it."""
        order: list[str] = []

        async def note(ctx: Context) -> None:
            order.append(await ctx.context.get("queue"))

        flow = create_flow("preferred").node("a", note)
        async with self.programs(flow) as here:
            runs = [
                (await here.client.start(flow, {"queue": name}, queue=name, run_id=self.id(f"{name} {n}"))).run_id
                for n in range(_RUNS)
                for name in ("bulk", "urgent")
            ]
            await here.hire(queues=("urgent", "bulk"), concurrency=1, prefetch=0, reconcile=False)
            for run_id in runs:
                await here.ended(run_id)
            # A queue that is only looked at may seem to be empty for a moment, so not each of them need be the first.
            assert _rank(order, "urgent") + _RUNS / 2 < _rank(order, "bulk"), order

    # --- what nobody serves ---------------------------------------------------------------------------------------

    @needs("named_queues")
    async def test_a_node_whose_queue_nobody_serves_waits_and_is_told(self) -> None:
        """However long: it is seen as that, no worker of another queue takes it, and it runs once one serves it."""
        async with self.programs(_crossing(Steps()), heartbeat=self.beat) as here:
            plain, gpu = Steps(), Steps()
            await here.hire(runtime=_runtime(here, _crossing(plain)))
            run_id = (await here.client.start(here.flows[0], run_id=self.id("unserved"))).run_id

            async def is_told() -> bool:
                found = await here.client.describe(run_id)
                standing = {each.key: each.standing for each in found.instances}
                return found.unserved == ("gpu",) and standing["g"] == "no worker"

            await self.until(is_told, here.patience)
            assert not any(each.workers for each in await here.client.queues() if each.name == "gpu")
            reconciler = await here.reconciler(revivals=1)
            await self.pass_time(here.backend.context.limits.staleness)
            for _ in range(4):  # without progress, each time
                assert (await reconciler.reconcile(run_id)).failed == 0
            assert (await here.client.status(run_id)).state == "running"
            await here.hire(runtime=_runtime(here, _crossing(gpu)), queues=("gpu",))
            assert (await here.ended(run_id)).status == "completed"
            assert (set(plain.executed), set(gpu.executed)) == ({"a", "b"}, {"g"})

            async def is_served() -> bool:
                return any(each.name == "gpu" and each.workers == 1 for each in await here.client.queues())

            await self.until(is_served, here.patience)

    @needs("named_queues")
    async def test_what_was_lost_of_a_queue_is_sent_there_again(self) -> None:
        """A queue by name holds hints like any other: a reconciler rebuilds them, in the same place."""
        steps = Steps()
        flow = create_flow("lost").node("g", steps.one, queue="gpu")
        async with self.programs(flow) as here:
            run_id = (await here.client.start(flow, run_id=self.id("lost"))).run_id
            gpu = here.backend.queues.named("gpu")

            async def is_lost() -> bool:
                return any(run_id in body for body in await self._all_of(gpu, run_id))

            await self.until(is_lost, here.patience)
            await here.hire(queues=("gpu",), reconcile=False)
            await self.pass_time(here.backend.context.limits.staleness + self.beat)
            await (await here.reconciler()).reconcile(run_id)
            assert (await here.ended(run_id)).status == "completed"

    @needs("named_queues")
    async def test_workers_that_die_on_the_way_to_another_queue_lose_no_run(self) -> None:
        """Before the job is sent there, after it, and at the acknowledgement of the one under way."""
        for operation, when in (("queue.send", "before"), ("queue.send", "after"), ("queue.acknowledge", "before")):
            async with self.programs(_crossing(Steps())) as here:
                run_id = (await here.client.start(here.flows[0], run_id=self.id("dying"))).run_id
                await here.hire_until(operation, when=when, reconcile=False, heartbeat=None)
                await here.hire(queues=("gpu", "default"))
                result = await here.ended(run_id)
                assert (result.status, result.outputs["b"]) == ("completed", 3), (operation, when)

    async def _all_of(self, queue: JobQueue, wanted: str) -> list[str]:
        """Take all that a queue has, until it seems to have nothing any more and what is wanted was there."""
        found: list[str] = []
        empty = 0
        while empty < 5:
            taken = await queue.receive(max_messages=10, wait=self.beat / 2, visibility=6 * self.beat)
            await queue.acknowledge(taken)
            found += [delivery.body for delivery in taken]
            empty = 0 if taken else empty + (5 if any(wanted in body for body in found) else 1)
        return found


def _queue(backend: Any, name: str) -> Any:
    return backend.queue if name == "default" else backend.queues.named(name)


def _crossing(steps: Steps) -> FlowBuilder:
    flow = create_flow("crossing").node("a", steps.one).node("g", steps.add, queue="gpu").node("b", steps.add)
    return flow.edge("a", "g").edge("g", "b")


def _runtime(here: Programs, flow: FlowBuilder) -> FlowRuntime:
    return FlowRuntime([flow], clock=here.clock)


def _executed(by_queue: dict[str, Steps]) -> dict[str, set[str]]:
    return {name: set(steps.executed) for name, steps in by_queue.items() if steps.executed}


def _rank(order: Sequence[str], name: str) -> float:
    places = [place for place, each in enumerate(order) if each == name]
    return sum(places) / len(places)

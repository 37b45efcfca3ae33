"""The clauses of a whole backend on messages that come twice, late, or not at all, and on calls that fail."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import attrs
from flowcraft_core import Clock, FlowBuilder, FlowRuntime, NodeResult, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.errors import TransientError

from .clauses import needs
from .heard import listening
from .interposed import Around, Call
from .programs import Context, ProgramClauses, Programs, Steps, is_so
from .starting import chain, resumable


@attrs.define
class _Ahead:
    """A clock that is ahead of another."""

    inner: Clock
    by: float = 0.0

    def now(self) -> float:
        return self.inner.now() + self.by

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)


async def doubling(operation: str, call: Call) -> Any:
    """Send every message twice, at once."""
    if operation == "queue.send":
        await call()
    return await call()


class DeliveryClauses(ProgramClauses):
    """What a ``Backend`` promises when messages are doubled and lost, hints are wiped, and calls fail for a while."""

    async def test_every_message_twice_gives_one_outcome_each(self) -> None:
        """Each instance ends once: what its successors saw is what stands, though the step may have run twice."""
        numbers = itertools.count(1)

        async def unique(ctx: Context) -> int:
            await self._clock.sleep(self.beat / 4)
            return next(numbers)

        begun: set[str] = set()

        async def second_is_faster(ctx: Context) -> Any:
            if ctx.key not in begun:
                begun.add(ctx.key)
                await self._clock.sleep(self.beat)
            return ctx.input

        async def late(ctx: Context) -> Any:
            await self._clock.sleep(2 * self.beat)
            return ctx.input

        flow = create_flow("doubled").node("s", unique).node("e", late)
        for place in range(3):
            flow.node(f"a{place}", unique).node(f"b{place}", second_is_faster)
            flow.edge("s", f"a{place}").edge(f"a{place}", f"b{place}").edge(f"b{place}", "e")
        async with self.programs(flow) as here:
            await here.hire(3, around=doubling)
            for _ in range(3):
                begun.clear()
                result = await here.run(flow)
                outputs = result.outputs
                assert outputs["e"] == {f"b{place}": outputs[f"a{place}"] for place in range(3)}
                assert all(outputs[f"b{place}"] == outputs[f"a{place}"] for place in range(3))
                await self.pass_time(3 * self.beat)
                assert (await here.client.result(result.run_id)).outputs == outputs

    async def test_doubled_messages_do_not_set_off_the_graph_again(self) -> None:
        """Twelve diamonds in a row, every message again a little later: at most three times those of the clean run."""
        steps = Steps()

        async def slowly(ctx: Context) -> Any:
            await self._clock.sleep(self.beat / 4)
            return ctx.input

        flow = create_flow("ladder").node("n0", steps.one)
        for place in range(12):
            top, left, right, end = f"n{place}", f"l{place}", f"r{place}", f"n{place + 1}"
            flow.node(left, slowly).node(right, slowly).node(end, steps.total)
            flow.edge(top, left).edge(top, right).edge(left, end).edge(right, end)
        sent: list[int] = []
        for times in (1, 2):

            async def counting(operation: str, call: Call, times: int = times) -> Any:
                if operation == "queue.send":
                    sent[-1] += times * len(call.args[0])
                    if times == 2:
                        await call.func(*call.args, delay=self.beat)
                return await call()

            sent.append(0)
            async with self.programs(flow, reconcile=False) as here:
                await here.hire(3, around=counting)
                assert (await here.run(flow)).outputs["n12"] == 2**12
        assert sent[1] <= 3 * sent[0], f"{sent[0]} messages became {sent[1]}"

    async def test_what_was_decided_stays_decided(self) -> None:
        """Conditions, transforms and items are read once: a redelivery after they changed takes the same."""
        steps = Steps()

        async def change(ctx: Context) -> int:
            await ctx.context.set("mode", "late")
            await ctx.context.set("items", [7])
            return 1

        flow = create_flow("decided").node("a", steps.one).node("early", steps.echo).node("late", steps.echo)
        flow.node("list", steps.one).batch("pages", steps.echo, items="items").edge("a", "list").edge("list", "pages")
        flow.edge("a", "early", condition="mode == 'early'", transform="mode").edge(
            "a", "late", condition="mode == 'late'"
        )
        flow.node("change", change).edge("early", "change").edge("pages", "change").wait("w").edge("change", "w")
        async with self.programs(flow) as here:
            await here.hire()
            run_id = self.id("run")
            await here.client.start(flow, {"mode": "early", "items": [1, 2, 3]}, run_id=run_id)
            await resumable(here, run_id)
            executed = Counter(steps.executed)
            for key in ("", *executed, *executed):
                job = {"v": 1, "id": f"again {key}", "run": run_id, "key": key, "seen": self.now() - 5 * self.beat}
                await here.send(json.dumps(job))
            await (await here.reconciler()).reconcile(run_id)
            await self.pass_time(10 * self.beat)
            await here.client.resume(run_id, "w")
            result = await here.ended(run_id)
            assert (result.outputs["early"], result.outputs["pages"]) == ("early", [1, 2, 3])
            assert "late" not in result.outputs
            assert Counter(steps.executed).keys() == executed.keys()

    async def test_lost_messages_delay_a_run_and_no_more(self) -> None:
        """Whatever was lost, the facts say what is due, and a reconciler sends it."""
        steps = Steps()
        flow = _joined(steps)
        async with self.programs(flow) as here:
            run_id = self.id("run")
            numbers = itertools.count()

            async def losing(operation: str, call: Call) -> Any:
                return None if operation == "queue.send" and next(numbers) % 2 == 0 else await call()

            await here.client.start(flow, run_id=run_id)
            await here.hire(2, around=losing)
            assert _is_whole(await here.ended(run_id))

    async def test_a_wiped_coordination_store_delays_a_run_and_no_more(self) -> None:
        """Sets, counters and leases are hints: each arrival finds them gone, and the facts tell all that they said."""
        steps = Steps()
        flow = _joined(steps)
        async with self.programs(flow) as here:
            keys: set[str] = set()

            async def forgetting(operation: str, call: Call) -> Any:
                if operation.startswith("coordination."):
                    keys.add(call.args[0])
                answer = await call()
                if operation == "coordination.add_members":
                    for key in list(keys):
                        await here.backend.coordination.delete(key)
                return answer

            await here.hire(2, around=forgetting)
            for _ in range(3):
                assert _is_whole(await here.run(flow))

    async def test_a_join_whose_set_was_lost_is_healed_by_the_next_arrival(self) -> None:
        """Who finds a set empty looks at the facts, and fills it again: no reconciler is needed."""
        steps = Steps()
        flow = create_flow("healed").node("s", steps.one).node("a", steps.echo).node("e", steps.total)
        flow.wait("w").edge("s", "a").edge("s", "w").edge("a", "e").edge("w", "e")
        async with self.programs(flow, reconcile=False) as here:
            keys: set[str] = set()

            async def noting(operation: str, call: Call) -> Any:
                if operation == "coordination.add_members":
                    keys.add(call.args[0])
                return await call()

            await here.hire(around=noting)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.until(lambda: _has_both(here, run_id, "a", "w:suspension"), here.patience)
            await self.pass_time(20.0)  # what ended just now is left to whoever is about to arrive with it
            for key in keys:
                await here.backend.coordination.delete(key)
            await here.client.resume(run_id, "w", output=2)
            assert keys
            await self.pass_time(here.backend.context.limits.staleness)  # so that a second job cannot miss the resume
            await here.send(json.dumps({"v": 1, "id": "again", "run": run_id, "key": "w", "seen": self.now()}))
            assert (await here.ended(run_id)).outputs["e"] == 3

    async def test_calls_that_fail_for_a_moment_are_made_again(self) -> None:
        """Before they were applied, or after: nothing is done twice, and no step before a join is run again for it."""
        for lost in (False, True):
            # A queue may deliver twice by itself, now and then: what the engine makes it do comes each time.
            assert await self._takes_one_delivery(lost) or await self._takes_one_delivery(lost)

    async def _takes_one_delivery(self, lost: bool) -> bool:
        steps = Steps()
        flow = _joined(steps)
        async with self.programs(flow) as here:
            counts: list[int] = []
            await here.hire(around=_failing(lost, counts))
            run_id = self.id("run")
            assert (await here.client.start(flow, run_id=run_id)).created
            assert _is_whole(await here.ended(run_id))
            await here.leave()
        executed = Counter(steps.executed)
        joined = executed.pop("e")
        # Who has lost the answer to its arrival asks again, and finds the set full, as the last to arrive does: then
        # both go on with the join, of which one outcome stands, and the other looks again.
        assert joined == 1 or (lost and joined == 2)
        # The long poll of a worker that has left may take the next one's first message, and gives it back: that counts.
        return joined == 2 or (set(executed.values()) == {1} and set(counts[1:]) == {1})

    async def test_a_store_that_is_down_for_a_while_fails_nothing(self) -> None:
        """Jobs are delivered again and again meanwhile, and none is taken for one that kills its workers."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False) as here:
            down = True

            async def unreachable(operation: str, call: Call) -> Any:
                if down and operation.startswith("context."):
                    raise TransientError("the store does not answer")
                return await call()

            await here.hire(around=unreachable, visibility=max(1.0, 2 * self.beat))
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self.pass_time(45 * self.beat)
            down = False
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_store_that_is_away_while_a_step_reads_is_no_failure_of_the_step(self) -> None:
        """No fallback takes its place, and it is told of no failure: it is executed again."""
        steps, down = Steps(), True

        async def reads(ctx: Context) -> Any:
            return await ctx.context.get("given")

        async def unreachable(operation: str, call: Call) -> Any:
            if down and operation == "context.values":
                raise TransientError("the store does not answer")
            return await call()

        flow = create_flow("reads").node("a", reads, fallback="b").node("b", steps.one)
        async with self.programs(flow) as here:
            with listening() as heard:
                await here.hire(around=unreachable, visibility=max(1.0, 2 * self.beat))
                await here.client.start(flow, {"given": 7}, run_id=(run_id := self.id("run")))
                await self.until(lambda: is_so(heard.of("unavailable")), here.patience)
                down = False
                assert (await here.ended(run_id)).outputs == {"a": 7}
                await here.leave()
            assert steps.executed == []
            assert not heard.of("fallback_taken", "node_failed", "attempt_failed", run_id=run_id)

    async def test_an_end_whose_answer_was_lost_is_told(self) -> None:
        """By whoever has brought it about: nobody else does; and a client learns that it was it."""
        steps = Steps()
        lost: set[str] = set()

        async def unanswered(operation: str, call: Call) -> Any:
            answer = await call()
            if operation == "status.finish" and call.args[0] not in lost:
                lost.add(call.args[0])
                raise TransientError("the answer is lost")
            return answer

        flow, waits = create_flow("ends").node("a", steps.one), create_flow("waits").wait("w")
        async with self.programs(flow, waits) as here:
            with listening() as heard:
                await here.hire(around=unanswered)
                await here.run(flow, run_id=(ended := self.id("ended")))
                await self.until(lambda: is_so(heard.of("run_completed", run_id=ended)), here.patience)
                client = Client(await here.connect(unanswered), flows=[waits], clock=here.clock)
                await client.start(waits, run_id=(cancelled := self.id("cancelled")))
                assert await client.cancel(cancelled)
                assert not await client.cancel(cancelled)
            assert lost == {ended, cancelled}
            assert len(heard.of("run_cancelled", run_id=cancelled)) == 1

    @needs("outages")
    async def test_workers_outlive_an_outage_of_the_backend(self) -> None:
        """A server restarts under workers that are at work, and idle ones: none ends by it, and the run goes on."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow) as here:
            hands = [await here.hire() for _ in range(2)]
            assert (await here.run(flow)).status == "completed"
            run_id = self.id("run")
            await here.client.start(flow, run_id=run_id)
            await self.trouble_maker.take_down()
            try:
                await self.pass_time(4 * self.beat)
            finally:
                await self.trouble_maker.bring_up()
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}
            for hand in hands:
                assert not hand.task.done(), f"a worker has ended when the backend was out of reach: {hand.task!a}"

    async def test_a_predecessor_that_is_not_visible_yet_is_waited_for(self) -> None:
        """A stale read says "try again shortly", and never "there is none": also of the run itself."""
        steps = Steps()
        flow = create_flow("stale").node("a", steps.one).node("b", steps.echo).node("c", steps.echo)
        flow.node("d", steps.total).edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("queue.send", runtime=here.runtime)
            await here.hire(2, around=self._stale(2 * self.beat))
            result = await here.ended(run_id)
            assert (result.status, result.outputs["d"]) == ("completed", 2)

    def _stale(self, seconds: float) -> Around:
        """Reads see what others wrote only so long after it was first asked for."""
        asked: dict[tuple[str, str], float] = {}

        async def around(operation: str, call: Call) -> Any:
            answer = await call()
            run_id, now = call.args[0] if call.args else "", self.now()
            if operation == "context.put":
                asked[run_id, call.args[1]] = 0.0
            if operation != "context.get":
                return answer
            return {key: fact for key, fact in answer.items() if now - asked.setdefault((run_id, key), now) >= seconds}

        return around

    # --- passing on -----------------------------------------------------------------------------------------------

    async def test_a_job_is_passed_on_to_a_worker_that_has_its_step(self) -> None:
        """By a new message: making the old one visible again would count, and end as a job that kills workers."""
        steps = Steps()
        flow, other = chain(steps), chain(steps, flow_id="other")
        async with self.programs(flow, other, reconcile=False) as here:
            counts: list[int] = []

            async def counting(operation: str, call: Call) -> Any:
                answer = await call()
                if operation == "queue.receive":
                    counts.extend(delivery.count for delivery in answer)
                return answer

            await here.hire(around=counting, runtime=FlowRuntime([other], clock=here.clock))
            await here.client.start(flow, run_id=(run_id := self.id("run")))

            async def was_passed_on() -> bool:
                return len(counts) >= 6

            await self.until(was_passed_on, here.patience)  # by pauses that grow to half a minute
            assert max(counts) == 1
            assert (await here.client.status(run_id)).state == "running"
            await here.leave()
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_job_is_not_given_up_for_a_clock_that_is_ahead(self) -> None:
        """For how long it has been passed on is counted by its delays: the next worker's clock may be an hour ahead."""
        steps = Steps()
        flow, other = chain(steps), chain(steps, flow_id="other")
        async with self.programs(flow, other, reconcile=False) as here:
            clock, receipts = _Ahead(here.clock), 0

            async def counting(operation: str, call: Call) -> Any:
                nonlocal receipts
                answer = await call()
                if operation == "queue.receive" and answer:
                    receipts += 1
                    clock.by = 3_600.0 * (receipts // 2)
                return answer

            await here.hire(around=counting, runtime=FlowRuntime([other], clock=clock))
            await here.client.start(flow, run_id=(run_id := self.id("run")))

            async def was_passed_on() -> bool:
                return receipts >= 6

            await self.until(was_passed_on, here.patience)
            assert (await here.client.status(run_id)).state == "running"
            await here.leave()
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_job_that_nobody_can_do_fails_its_run_by_name_in_the_end(self) -> None:
        """After a bounded time, with the name of the step that no worker brings."""
        steps = Steps()
        flow, other = chain(steps), chain(steps, flow_id="other")
        async with self.programs(flow, other) as here:
            run_id = self.id("run")
            await here.client.start(flow, run_id=run_id)
            (delivery,) = await here.backend.queue.receive(
                max_messages=1, wait=here.patience, visibility=max(1.0, 6 * self.beat)
            )
            job = json.loads(delivery.body)
            await here.backend.queue.acknowledge([delivery])
            await self.pass_time(here.backend.context.limits.staleness)
            await here.send(json.dumps({**job, "passed": 3_600, "hops": 30}))
            await here.hire(runtime=FlowRuntime([other], clock=here.clock))
            result = await here.ended(run_id)
            assert result.status == "failed"
            assert "n0" in str(result.reason)
            assert not steps.executed


def _joined(steps: Steps) -> FlowBuilder:
    """Branches with an action, a join, and a context value on the way."""

    async def choose(ctx: Context) -> NodeResult[int]:
        steps.executed.append(ctx.key)
        await ctx.context.set("seen", 5)
        return NodeResult(1, action="go")

    flow = create_flow("joined").node("s", choose).node("dead", steps.broken).node("e", steps.total)
    flow.edge("s", "dead", action="stop").edge("dead", "e")
    for place in range(2):
        flow.node(f"a{place}", steps.echo).node(f"b{place}", steps.add)
        flow.edge("s", f"a{place}", action="go").edge(f"a{place}", f"b{place}").edge(f"b{place}", "e")
    return flow


def _is_whole(result: Any) -> bool:
    expected = {"s": 1, "a0": 1, "a1": 1, "b0": 2, "b1": 2, "e": 4}
    assert (result.status, result.outputs, result.context) == ("completed", expected, {"seen": 5})
    return True


def _failing(lost: bool, counts: list[int]) -> Around:
    """Each operation fails the second time that it is called, and each seventh time after; notes delivery counts."""
    calls: Counter[str] = Counter()

    async def around(operation: str, call: Call) -> Any:
        calls[operation] += 1
        fails = calls[operation] % 7 == 2 and operation != "queue.receive"
        if lost and operation == "queue.send":
            fails = False  # it would be sent twice, and steps may run twice then
        if fails and not lost:
            raise TransientError("throttled")
        answer = await call()
        if operation == "queue.receive":
            counts.extend(delivery.count for delivery in answer)
        if fails:
            raise TransientError("the answer was lost")
        return answer

    return around


async def _has_both(here: Programs, run_id: str, *keys: str) -> bool:
    return len(await here.backend.context.get(run_id, keys)) == len(keys)

"""The clauses of a whole backend on workers that die, are slow, are many, or are told to stop."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import create_flow
from flowcraft_core.durable import Client, Settings

from .deliveries import doubling
from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so
from .starting import chain


class DyingClauses(ProgramClauses):
    """What a ``Backend`` promises when workers are killed, outlive their time, or end."""

    async def test_a_killed_workers_job_is_done_by_another(self) -> None:
        """Without a reconciler: a message is acknowledged only when all that it caused is durable."""
        steps = Steps()
        flow = create_flow("killed").node("s", steps.one).node("a", steps.echo).node("b", steps.echo)
        flow.node("e", steps.total).edge("s", "a").edge("s", "b").edge("a", "e").edge("b", "e")
        moments = (
            ("context.put", "before", 1),  # with the step done and nothing written
            ("context.put", "after", 1),  # between an outcome and its successors' jobs
            ("queue.send", "before", 1),
            ("queue.send", "after", 1),
            ("coordination.add_members", "after", 1),  # after the first arrival
            ("coordination.add_members", "after", 2),  # after the last one, with nobody told
            ("status.finish", "before", 1),
            ("queue.acknowledge", "before", 1),
        )
        async with self.programs(flow, reconcile=False) as here:
            for operation, when, number in moments:
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await here.hire_until(operation, when=when, number=number, concurrency=1, prefetch=0)
                other = await here.hire()
                result = await here.ended(run_id)
                assert (result.status, result.outputs["e"], result.steps) == ("completed", 2, 4), (operation, when)
                await here.kill(other)

    async def test_values_reach_the_successor_also_when_their_setter_died(self) -> None:
        """Between its outcome and the value: whoever starts the successor applies it first."""
        steps = Steps()

        async def put(ctx: Context) -> int:
            await ctx.context.set("total", 41)
            return 1

        async def get(ctx: Context) -> Any:
            return await ctx.context.get("total")

        flow = create_flow("applied").node("a", put).node("m", steps.one).node("b", get).node("c", steps.one)
        flow.edge("a", "m").edge("m", "b").edge("m", "c")
        async with self.programs(flow, reconcile=False) as here:
            for operation, when in (("context.put", "after"), ("context.apply", "before"), ("context.apply", "after")):
                await here.client.start(flow, run_id=(run_id := self.id("run")))
                await here.hire_until(operation, when=when)
                other = await here.hire()
                result = await here.ended(run_id)
                assert (result.outputs["b"], result.context) == (41, {"total": 41}), (operation, when)
                await here.kill(other)

    async def test_values_reach_the_successor_that_a_reconciler_starts(self) -> None:
        """The setter died before it had applied them, and its message is lost: the outcome tells what it has set."""
        steps = Steps()

        async def put(ctx: Context) -> int:
            await ctx.context.set("total", 41)
            return 1

        async def get(ctx: Context) -> Any:
            return await ctx.context.get("total")

        flow = create_flow("revived").node("a", put).node("m", steps.one).node("b", get).node("c", steps.one)
        flow.edge("a", "m").edge("m", "b").edge("m", "c")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.apply", when="before")
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            assert (await (await here.reconciler()).reconcile(run_id)).revived == 1
            await here.hire()
            assert (await here.ended(run_id)).outputs == {"a": 1, "m": 1, "b": 41, "c": 1}

    async def test_who_loses_a_commit_looks_again(self) -> None:
        """The winner may die before it tells anyone: an acknowledgement by the loser would lose the run."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False) as here:
            won = asyncio.Event()

            async def losing(operation: str, call: Call) -> Any:
                if operation == "context.put":
                    await won.wait()
                return await call()

            async def winning(operation: str, call: Call) -> Any:
                answer = await call()
                if operation == "queue.receive":  # what the winner holds is lost with it
                    await here.backend.queue.acknowledge(answer)
                if operation == "context.put":
                    won.set()
                    await asyncio.Event().wait()
                return answer

            client = Client(await here.connect(doubling, starts=False), flows=[flow], clock=here.clock)
            await client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire(around=losing, concurrency=1, prefetch=0)
            await self.until(lambda: _contains(steps, "n0"), here.patience)
            winner = await here.hire(around=winning, concurrency=1, prefetch=0)
            await self.until(lambda: is_so(won.is_set()), here.patience)
            await here.kill(winner)
            assert (await here.ended(run_id)).outputs == {"n0": 1, "n1": 2, "n2": 3}

    async def test_a_step_longer_than_the_visibility_runs_once(self) -> None:
        """Three workers and a reconciler beside: the heartbeat of the one that works keeps the others away."""
        steps = Steps()
        visibility = max(1.0, 6 * self.beat)
        flow = create_flow("slow").node("a", steps.takes(self._clock, 5 * visibility)).node("b", steps.echo)
        flow.edge("a", "b")
        async with self.programs(flow, visibility=visibility) as here:
            await here.hire(3)
            run_id = (await here.client.start(flow)).run_id
            reconciler = await here.reconciler()
            await self.until(lambda: _contains(steps, "a"), here.patience)
            await self.pass_time(2 * visibility)
            for _ in range(3):
                await reconciler.reconcile(run_id)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["b"]) == ("completed", 1)
            assert steps.count("a") == 1

    async def test_a_run_longer_than_the_longest_visibility_is_handed_over(self) -> None:
        """Of short steps by the next job in time, of one long step by a job that waits for it."""
        steps = Steps()
        visibility = max(1.0, 4 * self.beat)
        long = create_flow("long").node("a", steps.takes(self._clock, 8 * visibility)).node("b", steps.echo)
        long.edge("a", "b")
        short = create_flow("short").node("n0", steps.takes(self._clock, self.beat))
        for place in range(1, 24):
            short.node(f"n{place}", steps.takes(self._clock, self.beat)).edge(f"n{place - 1}", f"n{place}")
        async with self.programs(long, short, visibility=visibility) as here:
            held: dict[Any, float] = {}
            longest: list[float] = [0.0]

            async def noting(operation: str, call: Call) -> Any:
                answer = await call()
                if operation == "queue.receive":
                    held.update((delivery.body, self.now()) for delivery in answer)
                if operation == "queue.acknowledge":
                    for delivery in call.args[0]:
                        longest[0] = max(longest[0], self.now() - held.pop(delivery.body, self.now()))
                return answer

            await here.hire(2, around=noting, limits={"max_visibility": 4 * visibility})
            assert (await here.run(long)).outputs["b"] == 1
            assert (await here.run(short)).status == "completed"
            assert all(steps.count(key) == 1 for key in ("a", *(f"n{place}" for place in range(24))))
            assert longest[0] <= 4 * visibility

    async def test_a_chain_goes_on_under_another_message_after_so_many_steps(self) -> None:
        """What is held, and what a redelivery walks through again, is bounded however long the chain."""
        steps = Steps()
        flow = chain(steps, 10)
        async with self.programs(flow) as here:
            await here.hire(settings=Settings(max_steps=3))
            assert (await here.run(flow)).outputs["n9"] == 10
            assert here.calls["queue.send"] >= 3
            assert all(steps.count(f"n{place}") == 1 for place in range(10))

    async def test_a_step_that_kills_its_process_fails_its_run_in_the_end(self) -> None:
        """Deliveries of a job that nobody came back from are counted; other runs are untouched."""
        steps = Steps()
        killed = asyncio.Event()

        async def deadly(ctx: Context) -> None:
            steps.executed.append(ctx.key)
            killed.set()
            await asyncio.Event().wait()

        bad = create_flow("deadly").node("a", deadly).node("b", steps.one).edge("a", "b")
        good = chain(steps)
        async with self.programs(bad, good, reconcile=False) as here:
            run_id = (await here.client.start(bad)).run_id
            for _ in range(10):
                worker = await here.hire(settings=Settings(delivery_limit=3))
                killed.clear()

                async def dead_or_done() -> bool:
                    return killed.is_set() or (await here.client.status(run_id)).state == "failed"

                await self.until(dead_or_done, here.patience)
                if not killed.is_set():
                    break
                await here.kill(worker)
            result = await here.client.result(run_id)
            assert (result.status, [error.node_id for error in result.errors]) == ("failed", ["a"])
            assert "delivered" in str(result.reason)
            assert 2 <= steps.count("a") <= 5
            assert (await here.run(good)).status == "completed"

    async def test_what_is_under_way_beside_a_step_that_kills_its_process_is_done(self) -> None:
        """It comes again as often as that step, and is not taken for another one."""
        steps, killed = Steps(), asyncio.Event()

        async def deadly(ctx: Context) -> None:
            await self._clock.sleep(self.beat)  # whatever came with it has begun by then
            killed.set()
            await asyncio.Event().wait()

        bad = create_flow("deadly").node("a", deadly)
        good = create_flow("slow").node("z", steps.takes(self._clock, 3 * self.beat))
        async with self.programs(bad, good, reconcile=False) as here:
            runs = [(await here.client.start(good)).run_id for _ in range(3)]
            run_id = (await here.client.start(bad)).run_id

            async def dead_or_done() -> bool:
                return killed.is_set() or (await here.client.status(run_id)).state == "failed"

            for _ in range(8):
                killed.clear()
                worker = await here.hire(settings=Settings(delivery_limit=4))
                await self.until(dead_or_done, here.patience)
                if not killed.is_set():
                    break
                await here.kill(worker)
            assert (await here.client.result(run_id)).status == "failed"
            assert [(await here.ended(each)).status for each in runs] == ["completed"] * 3

    async def test_an_undo_that_kills_its_process_is_given_up_in_the_end(self) -> None:
        """The others go on, and the run ends; what was not undone is named."""
        steps, killed = Steps(), asyncio.Event()

        async def deadly(ctx: Context) -> None:
            steps.executed.append("undo")
            killed.set()
            await asyncio.Event().wait()

        async def fail(ctx: Context) -> None:
            raise ValueError("it is sold out")

        flow = create_flow("trip").node("a", steps.one, undo=steps.one).node("b", steps.one, undo=deadly)
        flow.node("c", fail).edge("a", "b").edge("b", "c")
        async with self.programs(flow, reconcile=False) as here:
            run_id = (await here.client.start(flow)).run_id

            async def dead_or_done() -> bool:
                return killed.is_set() or (await here.client.status(run_id)).state == "failed"

            for _ in range(8):
                killed.clear()
                worker = await here.hire(settings=Settings(delivery_limit=3))
                await self.until(dead_or_done, here.patience)
                if not killed.is_set():
                    break
                await here.kill(worker)
            result = await here.client.result(run_id)
            told = {undone.key: undone.error for undone in result.undone}
            assert (result.status, set(told), told["a"]) == ("failed", {"a", "b"}, None)
            assert "delivered" in str(told["b"])
            assert 2 <= steps.count("undo") <= 5

    async def test_what_is_cut_off_by_stops_is_begun_anew_however_often(self) -> None:
        """A worker that is told to stop has not died of its steps, nor of its undos."""
        began: list[str] = []

        def takes_long(name: str) -> Any:
            async def take(ctx: Context) -> int:
                began.append(name)
                if began.count(name) < 5:
                    await asyncio.Event().wait()
                return 1

            return take

        async def fail(ctx: Context) -> None:
            raise ValueError("it is sold out")

        flow = create_flow("trip").node("a", takes_long("step"), undo=takes_long("undo")).node("b", fail)
        flow.edge("a", "b")
        async with self.programs(flow, reconcile=False, grace=self.beat) as here:
            run_id = (await here.client.start(flow)).run_id
            for count in range(1, 10):
                await here.hire(settings=Settings(delivery_limit=2))
                await self.until(lambda count=count: is_so(len(began) >= count), here.patience)  # type: ignore[misc]
                await here.leave()
            await here.hire(settings=Settings(delivery_limit=2))
            result = await here.ended(run_id)
            assert (result.status, [error.key for error in result.errors]) == ("failed", ["b"])
            assert [(undone.key, undone.error) for undone in result.undone] == [("a", None)]
            assert began == ["step"] * 5 + ["undo"] * 5

    async def test_a_worker_that_stops_ends_what_it_runs_and_gives_the_rest_back(self) -> None:
        """Within the grace time, and to be had at once: nobody waits for a visibility to end."""
        steps = Steps()
        slow = create_flow("slow").node("a", steps.takes(self._clock, 2 * self.beat)).node("b", steps.echo)
        slow.edge("a", "b")
        endless = create_flow("endless").node("z", steps.takes(self._clock, 60 * self.beat))
        async with self.programs(slow, endless, visibility=100 * self.beat, grace=3 * self.beat) as here:
            await here.hire(concurrency=2, prefetch=0)
            runs = [(await here.client.start(flow)).run_id for flow in (slow, endless)]
            await self.until(lambda: is_so(steps.count("a") + steps.count("z") == 2), here.patience)
            began = self.now()
            await here.leave()
            assert self.now() - began < 20 * self.beat
            assert (steps.count("a"), steps.count("z")) == (1, 1)
            await here.hire()
            assert (await here.ended(runs[0])).outputs == {"a": 1, "b": 1}
            await self.until(lambda: is_so(steps.count("z") == 2), 20 * self.beat)

    async def test_a_worker_that_is_cancelled_gives_back_what_it_held(self) -> None:
        """As by Ctrl-C: a polite end is no worse than a kill, and no message stays hidden for its whole visibility."""
        steps = Steps()
        flow = create_flow("slow").node("z", steps.takes(self._clock, 2 * self.beat))
        async with self.programs(flow, visibility=100 * self.beat, reconcile=False) as here:
            hand = await here.hire()
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(steps.executed), here.patience)
            hand.task.cancel()
            await asyncio.wait([hand.task])
            await here.hire()
            await self.until(lambda: is_so(steps.count("z") == 2), 20 * self.beat)
            assert (await here.ended(run_id)).status == "completed"

    async def test_an_idle_worker_stops_at_once(self) -> None:
        """However long it waits for messages at a time."""
        async with self.programs(chain(Steps())) as here:
            await here.hire(poll=60 * self.beat)
            await self.pass_time(self.beat)
            began = self.now()
            await here.leave()
            assert self.now() - began < 10 * self.beat

    async def test_an_idle_worker_asks_once_per_poll(self) -> None:
        """Receives are priced, and most workers are idle most of the time."""
        steps = Steps()
        flow = chain(steps)
        async with self.programs(flow, reconcile=False) as here:
            receives = 0

            async def counting(operation: str, call: Call) -> Any:
                nonlocal receives
                receives += operation == "queue.receive"
                return await call()

            await here.hire(around=counting)
            await self.pass_time(20 * self.beat)
            assert receives <= 20 / 5 + 2


async def _contains(steps: Steps, key: str) -> bool:
    return steps.count(key) > 0

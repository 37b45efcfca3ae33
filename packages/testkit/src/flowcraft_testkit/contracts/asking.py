"""The clauses of a whole backend on what a worker finds out about a run of which it knows nothing but a job's key."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from flowcraft_core import FlowBuilder, NodeResult, create_flow
from flowcraft_core.durable import Client, Settings

from .interposed import Around, Call
from .lagging import Lag
from .programs import Context, ProgramClauses, Programs, Steps

# How often a worker looks for another's outcome before it sees it, where reads lag behind.
_LOOKS_IN_VAIN = 3

# Each step is begun by a worker that knows nothing of the run.
_HANDED_ON = Settings(max_steps=1)


class AskingClauses(ProgramClauses):
    """What a ``Backend`` promises of runs whose steps are each begun by somebody else than those before."""

    async def test_a_join_that_was_reached_and_never_claimed_is_claimed_by_a_reconciler(self) -> None:
        """Whoever reached it died before the claim, and its message is lost: the facts show that it was reached."""
        steps = Steps()
        flow = create_flow("unclaimed").node("s", steps.one).node("j", steps.echo, join="any").node("z", steps.add)
        flow.wait("w").edge("s", "j").edge("s", "w").edge("w", "j").edge("j", "z")
        async with self.programs(flow, reconcile=False) as here:
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await here.hire_until("context.put", when="after")
            await self.lose_messages(here)
            await self.pass_time(here.backend.context.limits.staleness)
            await (await here.reconciler()).reconcile(run_id)
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"s": 1, "j": 1, "z": 2})

    async def test_a_node_with_one_way_into_an_open_race_is_no_loser(self) -> None:
        """It leads into a join that has fired and into one that has not, and so it still has to run."""
        steps = Steps()
        flow = create_flow("open way").node("s", steps.one).node("b", steps.add)
        flow.node("j", steps.echo, join="any").node("k", steps.echo, join="any")
        flow.edge("s", "j").edge("s", "b").edge("b", "j").edge("b", "k").edge("s", "k", condition="false")
        async with self.programs(flow) as here:
            await here.hire(2)
            result = await here.run(flow)
            assert (result.status, result.outputs) == ("completed", {"s": 1, "j": 1, "b": 2, "k": 2})

    async def test_a_pass_begins_only_with_what_the_pass_before_has_handed_on(self) -> None:
        """The verdict was written by another worker, and is not visible to the next one yet: that is no failure."""
        steps = Steps()
        flow = create_flow("passes").node("zero", steps.gives(0)).node("n", steps.add).edge("zero", "n")
        flow.loop("l", start="n", end="n", condition="result.output < 5")
        async with self.programs(flow, settings=_HANDED_ON) as here:
            for _ in range(3):
                await here.hire(around=_late())
            result = await here.run(flow)
            assert (result.status, result.outputs["l"], result.errors) == ("completed", 5, ())

    async def test_a_node_in_a_loop_can_be_named_from_elsewhere(self) -> None:
        """By inputs, by a condition and by a transform: its output of the last pass, also if that led nowhere."""
        steps = Steps()
        flow = create_flow("names").node("zero", steps.gives(0)).node("a", steps.add).node("e", steps.echo)
        flow.edge("zero", "a").edge("a", "e").loop("l", start="a", end="e", condition="a < 3")
        flow.node("o", steps.echo, inputs={"a": "a"}).node("p", steps.echo).node("q", steps.echo)
        flow.edge("l", "o").edge("o", "p", condition="a == 3").edge("l", "q", transform="[a, input]")
        outputs = await self._handed_on(flow)
        assert (outputs["o"], outputs["p"], outputs["q"]) == ({"a": 3}, {"a": 3}, [3, 3])
        dead = create_flow("led nowhere").node("s", steps.gives(5)).node("a", steps.add).node("e", steps.echo)
        dead.edge("s", "a").loop("i", start="a", end="a", condition="false").edge("i", "e", condition="false")
        dead.loop("l", start="s", end="e", condition="true").node("t", steps.echo).edge("l", "t")
        dead.node("r", steps.one).node("o", steps.echo, inputs="a").edge("r", "o").edge("t", "o")
        assert (await self._handed_on(dead))["o"] == 6

    async def test_a_call_hands_out_what_its_outputs_name(self) -> None:
        """Also of a node that is not its last, whoever executed that one."""
        steps = Steps()
        inner = create_flow("inner").node("a", steps.gives(7)).node("b", steps.one).node("c", steps.one)
        inner.edge("a", "b").edge("b", "c")
        flow = create_flow("outer").node("s", steps.one).subflow("call", inner, outputs={"seven": "a"})
        flow.node("z", steps.echo).edge("s", "call").edge("call", "z")
        assert (await self._handed_on(flow, inner, steps=2))["z"] == {"seven": 7}

    async def test_the_edges_of_a_wait_see_the_context_values_of_what_came_before(self) -> None:
        """A sleep that is over and a wait that nobody ended choose their edges like any step."""
        steps = Steps()
        flow = create_flow("due").node("a", _sets_limit).node("b", steps.echo).edge("a", "b")
        flow.sleep("nap", self.beat).wait("w", timeout=self.beat).edge("b", "nap").edge("b", "w")
        flow.node("z", steps.echo)
        flow.edge("nap", "z", transform="[limit, input]").edge("w", "z", condition="limit == 3", transform="limit")
        assert (await self._handed_on(flow))["z"] == {"nap": [3, 1], "w": 3}

    async def test_who_answers_before_a_wait_is_reached_sees_what_came_before_it(self) -> None:
        """Whoever has asked since before that was set waits for as long as the reads may lag behind it."""
        looked, steps = asyncio.Event(), Steps()
        flow = create_flow("eager").node("a", _sets_limit).wait("w").node("z", steps.echo)
        flow.edge("a", "w").edge("w", "z", transform="[limit, input]")
        async with self.programs(flow, reconcile=False) as here:
            staleness = here.backend.context.limits.staleness
            lag = Lag(self._clock, staleness + 4 * self.beat, at_once=["w:suspension"])

            async def writing(operation: str, call: Call) -> Any:
                if operation == "context.apply":
                    await looked.wait()
                    await self._clock.sleep(self.beat)
                return await lag.writing(operation, call)

            async def reading(operation: str, call: Call) -> Any:
                if operation == "context.get" and "w:suspension" in call.args[1]:
                    looked.set()
                return await lag.reading(operation, call)

            await here.hire(around=writing)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            connection = await here.connect(reading, staleness=lag.seconds)
            await Client(connection, clock=self._clock).resume(run_id, "w", output=7)
            assert (await here.ended(run_id)).outputs["z"] == [3, 7]

    async def test_what_goes_on_from_a_wait_is_not_lost_where_it_cannot_be_seen_yet(self) -> None:
        """Whoever gets the job sees neither that the wait was reached nor what resumed it, and reaches it once more."""
        steps = Steps()
        flow = create_flow("soon").wait("w").node("z", steps.echo).edge("w", "z")
        async with self.programs(flow, reconcile=False) as here:
            lag = Lag(self._clock, here.backend.context.limits.staleness + 2 * self.beat)
            run_id = await self._resumed(here, flow, lag)
            await here.hire(around=lag.reading, staleness=lag.seconds)
            assert (await here.ended(run_id)).outputs["z"] == 7

    async def test_an_answer_that_takes_long_shows_what_stood_when_it_was_asked_for(self) -> None:
        """What resumes a wait may have become visible while nobody looked: who has only old answers looks again."""
        steps = Steps()
        flow = create_flow("old news").wait("w").node("z", steps.echo).edge("w", "z")
        async with self.programs(flow, reconcile=False) as here:
            lag = Lag(self._clock, here.backend.context.limits.staleness + 2 * self.beat)

            async def slowly(operation: str, call: Call) -> Any:
                answer = await lag.reading(operation, call)
                if operation == "context.get" and "w" in call.args[1] and "w" not in answer:
                    await self._clock.sleep(lag.seconds)
                return answer

            run_id = await self._resumed(here, flow, lag)
            await here.hire(around=slowly, staleness=lag.seconds)
            assert (await here.ended(run_id)).outputs["z"] == 7

    async def test_a_client_that_is_answered_late_asks_again(self) -> None:
        """What was not there when it asked may be there when it is answered: that is no answer to go by."""
        flow = create_flow("late").wait("w")
        async with self.programs(flow, reconcile=False) as here:
            lag = Lag(self._clock, here.backend.context.limits.staleness + 2 * self.beat)

            async def slowly(operation: str, call: Call) -> Any:
                answer = await lag.reading(operation, call)
                if operation == "context.get" and ":run" in call.args[1] and not answer:
                    await self._clock.sleep(lag.seconds)
                return answer

            client = Client(await here.connect(lag.writing), flows=[flow], clock=self._clock)
            await client.start(flow, run_id=(run_id := self.id("run")))
            asking = Client(await here.connect(slowly, staleness=lag.seconds), clock=self._clock)
            assert (await asking.result(run_id)).status == "running"

    async def test_what_cannot_be_seen_yet_is_read_again_and_not_sent_again(self) -> None:
        """Where reads lag, a message more for each look is three requests, and each of its copies is one job more."""
        steps = Steps()
        flow = create_flow("lately").node("a", steps.one)
        async with self.programs(flow, reconcile=False) as here:
            lag = Lag(self._clock, here.backend.context.limits.staleness + 2 * self.beat)
            client = Client(await here.connect(lag.writing), flows=[flow], clock=self._clock)
            run_id = (await client.start(flow, run_id=self.id("run"))).run_id
            await here.hire(around=lag.reading, staleness=lag.seconds)
            assert (await here.ended(run_id)).outputs == {"a": 1}
            assert here.calls["queue.send"] == 0

    async def test_a_wait_inside_a_construct_is_found_by_its_node_as_soon_as_it_is_reached(self) -> None:
        """Where not all that leads to it can be seen yet, whoever answers looks again before he is refused."""
        steps = Steps()
        inner = create_flow("page").wait("w").node("y", steps.add).edge("w", "y")
        flow = create_flow("pages").node("src", steps.gives([1])).batch("pages", inner).edge("src", "pages")
        async with self.programs(flow, reconcile=False) as here:
            lag = Lag(self._clock, here.backend.context.limits.staleness + 2 * self.beat)
            await here.hire(around=lag.writing)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self._visible(here, run_id, "pages[0]/w:suspension")
            connection = await here.connect(lag.reading, staleness=lag.seconds)
            await Client(connection, clock=self._clock).resume(run_id, "w", output=7)
            assert (await here.ended(run_id)).outputs["pages"] == [8]

    async def test_who_learns_of_news_on_the_way_sees_what_came_before_it(self) -> None:
        """A job that has gone on for long looks up what another has done since, and so finds a join complete."""
        begun, closed, written, steps = asyncio.Event(), asyncio.Event(), asyncio.Event(), Steps()
        flow = create_flow("news").node("s", steps.one).wait("go").node("p", _sets_limit).node("y", steps.echo)

        async def late(ctx: Context) -> int:
            begun.set()
            await written.wait()
            await self._clock.sleep(staleness)
            return 5

        async def reads(ctx: Context) -> Any:
            return await ctx.context.get("limit")

        flow.node("a", late).node("x", reads).edge("s", "go").edge("go", "p").edge("p", "y").edge("y", "x")
        flow.edge("s", "a").edge("a", "x", condition="y == 1")
        async with self.programs(flow, reconcile=False) as here:
            staleness = here.backend.context.limits.staleness
            lag = Lag(self._clock, staleness + 4 * self.beat, at_once=["y"])

            async def busy(operation: str, call: Call) -> Any:
                answer = await lag.reading(operation, call)
                if operation == "queue.receive" and closed.is_set():
                    await asyncio.Event().wait()  # what comes now is for somebody else
                return answer

            async def dying(operation: str, call: Call) -> Any:
                answer = await lag.writing(operation, call)
                if operation == "context.put" and call.args[1] == "y":
                    written.set()
                    await asyncio.Event().wait()  # and tells nobody
                return answer

            await here.hire(around=busy, staleness=lag.seconds)
            await here.client.start(flow, run_id=(run_id := self.id("run")))
            await self._visible(here, run_id, "go:suspension")
            await begun.wait()
            closed.set()
            await self.pass_time(lag.seconds)
            await here.hire(around=dying)
            await here.client.resume(run_id, "go", output=2)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["x"]) == ("completed", 3)

    async def _resumed(self, here: Programs, flow: FlowBuilder, lag: Lag) -> str:
        """A run whose wait was reached and resumed a moment ago, by programs that are seen late; its id."""
        await here.hire(around=lag.writing)
        await here.client.start(flow, run_id=(run_id := self.id("run")))
        await self._visible(here, run_id, "w:suspension")
        await here.leave()
        connection = await here.connect(lag.writing)
        await Client(connection, clock=self._clock).resume(run_id, "w", output=7)
        return run_id

    async def _visible(self, here: Programs, run_id: str, key: str) -> None:
        """Wait until a fact can be seen."""

        async def is_there() -> bool:
            return bool(await here.backend.context.get(run_id, [key]))

        await self.until(is_there, here.patience)

    async def _handed_on(self, *flows: FlowBuilder, steps: int = 1) -> dict[str, Any]:
        """The outputs of a run of the first flow, in which every so many steps another job goes on."""
        async with self.programs(*flows, settings=Settings(max_steps=steps)) as here:
            await here.hire(2)
            return await _completed(here, flows[0])


async def _sets_limit(ctx: Context) -> NodeResult[int]:
    await ctx.context.set("limit", 3)
    return NodeResult(1)


def _late() -> Around:
    """Let a worker miss each outcome of another the first few times that it looks for it."""
    looks: Counter[str] = Counter()

    async def around(operation: str, call: Call) -> Any:
        answer = await call()
        if operation == "context.put":
            looks[call.args[1]] = _LOOKS_IN_VAIN
        elif operation == "context.get" and not call.args[0].startswith(":"):
            late = {key for key in answer if ":" not in key and looks[key] < _LOOKS_IN_VAIN}
            looks.update(late)
            answer = {key: fact for key, fact in answer.items() if key not in late}
        return answer

    return around


async def _completed(here: Programs, flow: FlowBuilder) -> dict[str, Any]:
    result = await here.run(flow)
    assert (result.status, result.errors) == ("completed", ())
    return result.outputs

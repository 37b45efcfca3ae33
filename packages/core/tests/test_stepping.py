"""A run gone through one node at a time: what is seen of it, what can be chosen, and that it is the run it would be."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

import pytest
from flowcraft_core import (
    Flow,
    FlowRuntime,
    Limit,
    NodeContext,
    ResumeError,
    RetryPolicy,
    RunFailedError,
    SyncNodeContext,
    create_flow,
)
from flowcraft_testkit.oracle.growing import CONTEXT
from hypothesis import given

from .graph.strategies import flows, seeds
from .graph.test_save_and_resume import runtime_for, said

HOUR = 3600.0


async def one(ctx: NodeContext[Any, Any]) -> int:
    return 1


async def doubled(ctx: NodeContext[int, Any]) -> int:
    return 2 * ctx.input


class TestWhatIsSeen:
    async def test_of_a_node_what_it_got_gave_and_left_in_the_context(self) -> None:
        async def remember(ctx: NodeContext[int, Any]) -> int:
            await ctx.context.set("seen", ctx.input)
            await ctx.context.delete("start")
            return ctx.input + 1

        flow = create_flow("f").node("a", one).node("b", remember).node("c", doubled).edge("a", "b").edge("b", "c")
        async with FlowRuntime([flow]).stepping(flow, {"start": "x"}, run_id="r") as run:
            first, second, third = [step async for step in run]
            assert (run.run_id, run.status, run.ready) == ("r", "completed", [])
        assert (first.key, first.input, first.output, first.context, first.led_to) == (
            "a", None, 1, {"start": "x"}, ("b",),
        )  # fmt: skip
        assert (second.input, second.output, second.sets) == (1, 2, {"seen": 1, "start": None})
        assert second.context == third.context == {"seen": 1}
        assert str(third) == "c completed: 2 -> 4"

    async def test_nothing_runs_before_it_is_asked_for(self) -> None:
        ran: list[str] = []

        def note(ctx: SyncNodeContext[Any, Any]) -> None:
            ran.append(ctx.key)

        flow = create_flow("f").node("a", note).node("b", note).node("c", note).edge("a", "c").edge("b", "c")
        async with FlowRuntime([flow]).stepping(flow) as run:
            await asyncio.sleep(0)
            assert [each.key for each in run.ready] == ["a", "b"]
            assert ran == []
            await run.step("b")
            await asyncio.sleep(0)
            assert ran == ["b"]
            assert [each.key for each in run.ready] == ["a"]
            await run.step()
            assert [(each.key, each.input) for each in run.ready] == [("c", {"a": None, "b": None})]
            assert ran == ["b", "a"]
        await asyncio.sleep(0)
        assert ran == ["b", "a"]  # who leaves, leaves the rest

    async def test_loops_batches_and_calls_are_entered_gone_through_and_left(self) -> None:
        inner = create_flow("inner").node("v", doubled, inputs="n")
        flow = (
            create_flow("f")
            .node("pages", lambda ctx: [1, 2])
            .batch("ocr", doubled)
            .subflow("call", inner, inputs={"n": "ocr.0"})
            .node("again", doubled)
            .loop("l", start="again", end="again", condition="result.output < 5")
            .edge("pages", "ocr")
            .edge("ocr", "call")
        )
        flow.node("n", one).edge("n", "again")
        async with FlowRuntime([flow]).stepping(flow) as run:
            seen = {step.key: step.kind async for step in run}
        assert {key: kind for key, kind in seen.items() if kind != "step"} == {
            "ocr:entry": "enter", "ocr": "leave", "call:entry": "enter", "call": "leave",
            "l:entry": "enter", "l[0]": "pass", "l[1]": "pass", "l[2]": "pass", "l": "leave",
        }  # fmt: skip
        assert {"ocr[0].ocr", "ocr[1].ocr", "call/v", "l[2].again"} <= seen.keys()

    async def test_a_failure_with_its_error_and_the_end_of_the_run(self) -> None:
        def fail(ctx: SyncNodeContext[Any, Any]) -> None:
            raise ValueError("no")

        flow = create_flow("f").node("a", fail).node("b", one).node("c", one, undo=one).edge("a", "b")
        async with FlowRuntime([flow]).stepping(flow) as run:
            await run.step("c")
            failed = await run.step("a")
            assert failed is not None
            assert (failed.state, str(failed.error), run.status) == ("failed", "a: ValueError: no", "failed")
            assert await run.step() is None
            with pytest.raises(RunFailedError):
                (await run.result()).raise_for_status()
            assert [each.key for each in run.standing.undone] == ["c"]

    async def test_each_attempt_is_a_turn_that_needs_not_be_waited_for(self) -> None:
        def second(ctx: SyncNodeContext[Any, Any]) -> int:
            if ctx.attempt == 1:
                raise ValueError("not yet")
            return ctx.attempt

        flow = create_flow("f").node("a", second, retries=RetryPolicy(max_attempts=2, delay=HOUR))
        async with FlowRuntime([flow]).stepping(flow) as run:
            first = await run.step()
            assert first is not None
            assert (first.state, first.attempt, str(first.error)) == ("suspended", 1, "a: ValueError: not yet")
            (ready,) = run.ready
            assert (ready.key, ready.attempt, ready.due) == ("a", 2, first.due)
            again = await run.step("a")
            assert again is not None
            assert (again.state, again.attempt, again.output) == ("completed", 2, 2)

    async def test_sleeps_end_when_they_are_chosen_and_waits_time_out(self) -> None:
        flow = create_flow("f").node("a", one).sleep("nap", HOUR).wait("w", timeout=HOUR).node("b", doubled)
        flow.edge("a", "nap").edge("nap", "b").edge("a", "w")
        async with FlowRuntime([flow]).stepping(flow) as run:
            steps = {step.key: step for step in [await run.step(), await run.step(), await run.step()] if step}
            assert {key: step.state for key, step in steps.items()} == {
                "a": "completed",
                "nap": "suspended",
                "w": "suspended",
            }
            assert [each.key for each in run.ready] == ["nap", "w"]
            assert run.waiting == ["w"]
            timed_out = await run.step("w")
            assert timed_out is not None
            assert timed_out.action == "timeout"
            slept = await run.step("nap")
            assert slept is not None
            assert slept.output == 1
            assert [step.key async for step in run] == ["b"]

    async def test_a_short_sleep_is_waited_for(self) -> None:
        flow = create_flow("f").node("a", one).sleep("nap", 0.01).edge("a", "nap")
        async with FlowRuntime([flow]).stepping(flow) as run:
            assert [(step.key, step.state) async for step in run] == [
                ("a", "completed"), ("nap", "suspended"), ("nap", "completed"),
            ]  # fmt: skip


class TestWhatCanBeDone:
    async def test_a_wait_is_resumed_and_the_run_goes_on(self) -> None:
        flow = create_flow("f").wait("w").node("b", doubled).edge("w", "b")
        async with FlowRuntime([flow]).stepping(flow) as run:
            assert [step.key async for step in run] == ["w"]
            assert (run.status, run.waiting, await run.step()) == ("awaiting", ["w"], None)
            run.resume("w", output=4)
            assert [step.output async for step in run] == [8]
            assert run.status == "completed"

    async def test_the_rest_runs_without_stopping_up_to_a_wait_and_beyond(self) -> None:
        flow = create_flow("f").node("a", one).node("b", doubled).wait("w").node("c", doubled)
        flow.edge("a", "b").edge("b", "w").edge("w", "c")
        async with FlowRuntime([flow]).stepping(flow) as run:
            await run.step()
            result = await run.result()
            assert (result.status, result.outputs) == ("awaiting", {"a": 1, "b": 2})
            run.resume("w", output=3)
            assert [each.key for each in run.ready] == ["c"]  # it stands still again
            assert (await run.result()).outputs["c"] == 6

    async def test_what_was_left_is_gone_on_with_from_its_state(self) -> None:
        flow = create_flow("f").node("a", one).node("b", doubled).edge("a", "b")
        runtime = FlowRuntime([flow])
        async with runtime.stepping(flow) as run:
            await run.step()
            state = run.standing.state
        assert (await runtime.resume(state)).outputs == {"a": 1, "b": 2}

    async def test_what_is_not_ready_is_refused_by_name_and_changes_nothing(self) -> None:
        flow = create_flow("f").node("a", lambda ctx: [1, 2]).batch("b", doubled).edge("a", "b")
        async with FlowRuntime([flow]).stepping(flow, run_id="r") as run:
            with pytest.raises(ResumeError, match=r"run 'r': node 'b' cannot be the next one; ready are: a"):
                await run.step("b")
            await asyncio.sleep(0)
            await run.step()
            await run.step()
            with pytest.raises(ResumeError, match=r"name one of them by its key: b\[0\]\.b, b\[1\]\.b"):
                await run.step("b")
            last = await run.step("b[1].b")
            assert last is not None
            assert last.key == "b[1].b"

    async def test_limits_are_kept_to(self) -> None:
        flow = create_flow("f").node("a", one, limit="l").node("b", one, limit="l")
        runtime = FlowRuntime([flow], limits=[Limit("l", concurrency=1)])
        async with runtime.stepping(flow) as run:
            assert [step.key async for step in run] == ["a", "b"]

    async def test_plain_steps_run_in_this_very_thread_and_timeouts_do_not_count(self) -> None:
        threads: list[threading.Thread] = []

        def look(ctx: SyncNodeContext[Any, Any]) -> int:
            threads.append(threading.current_thread())
            threading.Event().wait(0.02)
            inside = create_flow("inside").node("x", one)
            return int(FlowRuntime([inside]).run_sync(inside).outputs["x"])  # its own event loop, as in a thread

        flow = create_flow("f").node("a", look, timeout=0.001)
        async with FlowRuntime([flow]).stepping(flow) as run:
            step = await run.step()
        assert step is not None
        assert (step.state, step.output) == ("completed", 1)
        assert threads == [threading.current_thread()]

    async def test_a_decorated_flow_with_its_input(self) -> None:
        flow = Flow[int, str]("f")

        @flow.step
        def twice(n: int = flow.input) -> int:
            return 2 * n

        @flow.step
        async def say(n: int = twice.output) -> str:
            return f"it is {n}"

        flow.returns(say.output)
        async with FlowRuntime([flow]).stepping(flow, 4) as run:
            assert [step.output async for step in run] == [8, "it is 8"]
            assert run.standing.output == "it is 8"


@given(flows())
def test_it_is_the_run_that_it_would_be(flow: Any) -> None:
    async def stepped() -> tuple[Any, ...]:
        async with runtime_for(flow).stepping(flow.id, CONTEXT, run_id="r") as run:
            keys = [step.key async for step in run if step.state != "suspended"]
            result = await run.result()
            assert keys == [entry.key for entry in result.trace]
            return said(result)

    whole = asyncio.run(runtime_for(flow).run(flow.id, CONTEXT, run_id="r", concurrency=1))
    assert asyncio.run(stepped()) == said(whole)


@given(flows(any_joins=False, failures=False), seeds())
def test_whatever_is_chosen_next_it_ends_the_same(flow: Any, seed: int) -> None:
    async def stepped() -> tuple[Any, ...]:
        chance = random.Random(seed)
        async with runtime_for(flow).stepping(flow.id, CONTEXT, run_id="r") as run:
            while ready := run.ready:
                chosen = chance.choice(ready)
                step = await run.step(chosen.key)
                assert step is not None
                assert (step.key, step.input) == (chosen.key, chosen.input)
            return said(await run.result())

    assert asyncio.run(stepped()) == said(asyncio.run(runtime_for(flow).run(flow.id, CONTEXT, run_id="r")))

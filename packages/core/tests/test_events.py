"""What a run tells while it goes on, in process; workers tell the same, see the testkit's tests."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import Event, EventSink, FlowRuntime, NodeContext, NodeResult, RetryPolicy, create_flow
from flowcraft_core.events import (
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeHandled,
    NodeRetried,
    NodeSuspended,
    NodeUndone,
    RunBegun,
    RunEnded,
)

from .on_workers import on_a_worker


async def go(ctx: NodeContext[Any, Any]) -> NodeResult[str]:
    return NodeResult("x", action="go")


async def listed(ctx: NodeContext[Any, Any]) -> list[int]:
    return [1, 2]


async def fail(ctx: NodeContext[Any, Any]) -> None:
    raise ValueError(f"no, {ctx.attempt}")


def told(seen: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


async def test_the_edges_that_were_taken_and_the_errors_are_told_typed() -> None:
    seen: list[Event] = []
    flow = create_flow("f").node("a", go).node("b", fail, retries=RetryPolicy(max_attempts=2, delay=0)).node("c", fail)
    flow.node("never", go).edge("a", "b", action="go").edge("a", "never", action="stop").edge("b", "c", on="failure")
    await FlowRuntime([flow]).run(flow, run_id="r", events=seen.append)
    (completed,), (retried,) = told(seen, NodeCompleted), told(seen, NodeRetried)
    (handled,), (failed,) = told(seen, NodeHandled), told(seen, NodeFailed)
    assert (completed.key, completed.action, completed.led_to) == ("a", "go", ("b",))
    assert (retried.key, retried.attempt, str(retried.error)) == ("b", 1, "b: ValueError: no, 1")
    assert (handled.key, handled.attempt, handled.led_to) == ("b", 2, ("c",))
    assert (failed.key, str(failed.error)) == ("c", "c: ValueError: no, 1")
    assert seen[0].kind == "begun"
    assert [event.status for event in told(seen, RunEnded)] == ["failed"]


async def test_waits_and_what_goes_on_after_them() -> None:
    seen: list[Event] = []
    both_wait = asyncio.Event()

    def sink(event: Event) -> None:
        seen.append(event)
        if len(told(seen, NodeSuspended)) == 2:
            both_wait.set()

    flow = create_flow("f").wait("w", timeout=3600).wait("v").sleep("nap", 0.01).edge("w", "nap")
    runtime = FlowRuntime([flow])
    handle = runtime.start(flow, events=sink)
    await both_wait.wait()
    handle.resume("w")
    assert (await handle.result()).status == "awaiting"
    handle.resume("v")
    assert (await handle.result()).status == "completed"
    assert [(event.key, event.waits_for, event.due is None) for event in told(seen, NodeSuspended)] == [
        ("w", "wait", False), ("v", "wait", True), ("nap", "sleep", False),
    ]  # fmt: skip
    assert [(event.flow, event.again) for event in told(seen, RunBegun)] == [("f", False), ("f", True)]
    assert [event.status for event in told(seen, RunEnded)] == ["awaiting", "completed"]


async def test_undos_are_told_with_what_became_of_them() -> None:
    seen: list[Event] = []
    flow = (
        create_flow("f").node("a", go, undo=go).node("b", go, undo=fail).node("c", fail).edge("a", "b").edge("b", "c")
    )
    await FlowRuntime([flow]).run(flow, events=seen.append)
    assert [(event.key, event.error and event.error.message) for event in told(seen, NodeUndone)] == [
        ("b", "no, 1"), ("a", None),
    ]  # fmt: skip


async def test_a_run_is_listened_to_beside_what_listens_to_all_even_if_one_raises() -> None:
    every: list[Event] = []
    one: list[Event] = []

    def broken(event: Event) -> None:
        every.append(event)
        raise ValueError("a bug")

    flow = create_flow("f").node("a", go)
    runtime = FlowRuntime([flow], events=broken)
    await runtime.run(flow, events=one.append)
    await runtime.run(flow)
    assert every[: len(one)] == one
    assert len(every) == 2 * len(one) == 8


async def test_workers_tell_the_same_of_a_flow_without_races() -> None:
    def shape(event: Event) -> tuple[Any, ...]:
        node = (event.attempt, event.is_step, event.node_id) if isinstance(event, NodeEvent) else ()
        return event.kind, event.key, node, getattr(event, "led_to", None), str(getattr(event, "error", ""))

    async def second(ctx: NodeContext[Any, Any]) -> int:
        if ctx.attempt == 1:
            raise ValueError("no")
        return len(ctx.input)

    flow = create_flow("f").node("a", listed).batch("each", go, concurrency=1).sleep("nap", 1)
    flow.node("b", second, retries=RetryPolicy(max_attempts=2, delay=0)).edge("a", "each").edge("each", "nap")
    flow.edge("nap", "b")
    here: list[Event] = []
    there: list[Event] = []
    sink: EventSink = here.append
    await FlowRuntime([flow]).run(flow, events=sink)
    await on_a_worker(flow, events=there.append)
    assert list(map(shape, there)) == list(map(shape, here))

"""What a step says of its progress: an event of the runtime, now and then, and never a failure of the run."""

from __future__ import annotations

import asyncio
import threading

import pytest
from flowcraft_core import Event, FlowRuntime, NodeContext, SyncNodeContext, create_flow
from flowcraft_core.runtime import RunResult


def run(step: object, seen: list[Event]) -> RunResult:
    flow = create_flow("told").node("x", step)  # type: ignore[arg-type]
    result: RunResult = FlowRuntime([flow], events=seen.append).run_sync(flow)
    return result


def progress(seen: list[Event]) -> list[tuple[str, float | None, str | None]]:
    return [(event.key, event.fraction, event.detail) for event in seen if event.kind == "progress"]


def test_an_async_step_tells_at_once_and_then_now_and_then() -> None:
    async def step(ctx: NodeContext) -> None:
        for place in range(1_000):
            ctx.progress(place / 1_000, f"part {place}")
        ctx.progress(1.0)

    seen: list[Event] = []
    assert run(step, seen).status == "completed"
    told = progress(seen)
    assert told[0] == ("x", 0.0, "part 0")
    assert told[-1] == ("x", 1.0, None)
    assert len(told) < 20, "a step that says much is told of rarely"


def test_a_plain_step_tells_from_its_thread_in_the_event_loop() -> None:
    threads: list[str] = []
    seen: list[Event] = []
    waiting = threading.Event()

    def sink(event: Event) -> None:
        seen.append(event)
        if event.kind == "progress":
            threads.append(threading.current_thread().name)
            waiting.set()

    def step(ctx: SyncNodeContext) -> str:
        ctx.progress(message="reading")
        assert waiting.wait(10)
        return threading.current_thread().name

    flow = create_flow("told").node("x", step)
    result = FlowRuntime([flow], events=sink).run_sync(flow)
    assert progress(seen) == [("x", None, "reading")]
    assert threads != [result.outputs["x"]], "sinks are called in the event loop's thread"


def test_fractions_are_cut_and_long_messages_too() -> None:
    async def step(ctx: NodeContext) -> None:
        ctx.progress(-1.0)
        await asyncio.sleep(0.11)
        ctx.progress(7, "x" * 1_000)

    seen: list[Event] = []
    run(step, seen)
    (_, least, _), (_, most, message) = progress(seen)
    assert (least, most) == (0.0, 1.0)
    assert message is not None
    assert len(message) < 250


@pytest.mark.parametrize(("fraction", "message"), [("half", None), (float("nan"), None), (True, None), (None, 5)])
def test_what_is_no_progress_is_refused(fraction: object, message: object) -> None:
    async def step(ctx: NodeContext) -> None:
        ctx.progress(fraction, message)  # type: ignore[arg-type]

    (error,) = run(step, []).errors
    assert error.type == "TypeError"
    assert "ctx.progress" in error.message

"""What a step says of its progress: an event of the runtime, now and then, and never a failure of the run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from flowcraft_core import Event, FlowRuntime, NodeContext, SyncNodeContext, create_flow
from flowcraft_core.events import NodeProgressed
from flowcraft_core.runtime import RunResult


def run(step: object, seen: list[Event]) -> RunResult:
    flow = create_flow("told").node("x", step)  # type: ignore[arg-type]
    result: RunResult = FlowRuntime([flow], events=seen.append).run_sync(flow)
    return result


def progress(seen: list[Event]) -> list[tuple[str, float | None, str | None]]:
    return [(event.key, event.fraction, event.message) for event in seen if isinstance(event, NodeProgressed)]


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


# --- run(progress=True) ---


def watched(capsys: pytest.CaptureFixture[str], events: list[Event] | None = None) -> tuple[RunResult, list[str]]:
    async def item(ctx: NodeContext) -> None:
        if ctx.input == 2:
            raise ValueError("not two")

    async def items(ctx: NodeContext) -> list[int]:
        return [1, 2]

    flow = create_flow("seen").node("items", items).batch("each", item, tolerated_failure_count=1).edge("items", "each")
    sink = None if events is None else events.append
    result: RunResult = FlowRuntime([flow], events=sink).run_sync(flow, run_id="r", progress=True)
    return result, capsys.readouterr().err.splitlines()


def test_without_a_terminal_there_is_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Event] = []
    result, lines = watched(capsys, seen)
    assert result.status == "completed"
    told = [line.split(maxsplit=2)[2] for line in lines if "  completed  " in line or "  failed  " in line]
    assert told == [
        "completed  items",
        "completed  each[0].each",
        "failed     each[1].each  each[1].each: ValueError: not two",
    ]
    assert seen[-1].kind == "ended"  # whoever else listens hears all of it


def test_in_a_terminal_there_is_a_tree(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, lines = watched(capsys)
    assert any("seen  r" in line for line in lines)
    assert any("items" in line and "\u2713" in line for line in lines)  # a check mark


def test_without_rich_there_are_lines_in_a_terminal_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "flowcraft_core.runtime.progress.tree", raising=False)
    assert any("completed  items" in line for line in watched(capsys)[1])


def test_what_cannot_be_shown_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the terminal is gone")

    for name in ("begin", "end", "__call__"):
        monkeypatch.setattr(f"flowcraft_core.runtime.progress.lines.LinesDisplay.{name}", broken)
    flow = create_flow("seen").node("x", lambda ctx: 7)
    assert FlowRuntime([flow]).run_sync(flow, progress=True).outputs == {"x": 7}


def test_nothing_is_loaded_where_nobody_looks_on() -> None:
    code = (
        "import sys, flowcraft_core\n"
        "flow = flowcraft_core.create_flow('f').node('a', lambda ctx: 1)\n"
        "flowcraft_core.FlowRuntime([flow]).run_sync(flow)\n"
        "print([name for name in sys.modules if 'progress' in name or name.split('.')[0] in ('rich', 'IPython')])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

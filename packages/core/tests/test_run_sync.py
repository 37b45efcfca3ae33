"""``run_sync`` where it is least expected: inside steps, after a fork, in a cell that is interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import Future
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime, create_flow
from flowcraft_core.runtime import synchronously

place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


def quick(ctx: Any) -> str:
    return f"{ctx.input or 0} at {place.get()}"


INNER = create_flow("inner").node("x", quick)


@pytest.mark.parametrize("threads", [1, 3])
def test_plain_steps_may_wait_for_runs_of_their_own_runtime(threads: int) -> None:
    """As many at once as there are threads: each gives its place to the steps that it waits for."""
    together = threading.Barrier(threads)

    def outer(ctx: Any) -> Any:
        together.wait(30)
        return runtime.run_sync("inner").outputs["x"]

    flow = create_flow("outer").node("items", lambda ctx: list(range(threads))).batch("w", outer).edge("items", "w")
    runtime = FlowRuntime([flow, INNER], max_threads=threads)
    result = runtime.run_sync(flow, timeout=30)
    assert (result.status, result.outputs["w"]) == ("completed", ["0 at nowhere"] * threads)


def test_runs_in_steps_of_runs_in_steps_end_too() -> None:
    def deeper(ctx: Any) -> int:
        level = ctx.context.get("level")
        return 0 if level == 5 else 1 + runtime.run_sync("deep", {"level": level + 1}).outputs["a"]

    flow = create_flow("deep").node("a", deeper)
    runtime = FlowRuntime([flow], max_threads=1)
    assert runtime.run_sync(flow, {"level": 0}, timeout=30).outputs == {"a": 5}
    assert runtime.run_sync(flow, {"level": 4}, timeout=30).outputs == {"a": 1}


def test_no_more_run_at_once_than_before_once_the_runs_inside_have_ended() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def counted(ctx: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        runtime.run_sync("inner")
        with lock:
            running[0] -= 1

    flow = create_flow("outer").node("items", lambda ctx: list(range(40))).batch("w", counted).edge("items", "w")
    runtime = FlowRuntime([flow, INNER], max_threads=2)
    assert runtime.run_sync(flow, timeout=60).status == "completed"
    threads = runtime._threads
    assert (threads._busy, threads.waiting, threads.abandoned) == (0, 0, 0)
    assert threads._idle <= 2


def test_an_async_step_that_blocks_for_a_run_waits_for_no_thread_that_waits_for_it() -> None:
    release = threading.Event()

    def hold(ctx: Any) -> bool:
        return release.wait(30)

    async def block(ctx: Any) -> Any:
        answer = runtime.run_sync("inner").outputs["x"]
        release.set()
        return answer

    flow = create_flow("outer").node("hold", hold).node("block", block)
    runtime = FlowRuntime([flow, INNER], max_threads=1)
    assert runtime.run_sync(flow).outputs == {"hold": True, "block": "0 at nowhere"}


async def test_in_a_running_loop_the_callers_context_is_seen() -> None:
    token = place.set("home")
    try:
        assert FlowRuntime([INNER]).run_sync(INNER).outputs == {"x": "0 at home"}
    finally:
        place.reset(token)


def test_an_error_has_no_cause_but_its_own() -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlowRuntime([INNER]).run_sync("typo")
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert "no running event loop" not in "".join(traceback.format_exception(raised.value))


def test_an_interrupt_as_a_run_ends_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop is closed by then, and there is nothing left in it to be cancelled."""
    ended, goes_on = threading.Event(), threading.Event()

    class Ending(Future[Any]):
        def set_result(self, result: Any) -> None:
            ended.set()
            goes_on.wait(30)
            super().set_result(result)

        def done(self) -> bool:
            goes_on.set()
            return False

    def interrupted(*args: Any, **options: Any) -> Any:
        ended.wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(synchronously, "Future", Ending)
    monkeypatch.setattr(synchronously, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        synchronously.run_beside(asyncio.sleep(0))
    assert raised.value.__context__ is None


def _printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def test_an_interrupted_cell_cancels_its_run() -> None:
    code = """
import asyncio, os, signal, sys
from flowcraft_core import FlowRuntime, create_flow
told = []
async def a(ctx):
    os.kill(os.getpid(), signal.SIGINT)
    try: await asyncio.Event().wait()
    finally: told.append("cancelled")
flow = create_flow("f").node("a", a).node("b", lambda ctx: told.append("mail")).edge("a", "b")
async def cell():
    try: FlowRuntime([flow]).run_sync(flow)
    except KeyboardInterrupt: told.append("interrupted")
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.new_event_loop().run_until_complete(cell())
print(*told)
"""
    assert _printed(code) == ["cancelled", "interrupted"]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="threads have no masks of signals here")
def test_an_interrupt_that_ends_no_wait_is_seen_all_the_same() -> None:
    """As one is that comes just before a wait begins: here another thread is told of it."""
    code = """
import asyncio, os, signal
from flowcraft_core import FlowRuntime, create_flow
told = []
async def a(ctx):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)
    try: await asyncio.Event().wait()
    finally: told.append("cancelled")
flow = create_flow("f").node("a", a)
async def cell():
    try: FlowRuntime([flow]).run_sync(flow)
    except KeyboardInterrupt: told.append("interrupted")
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
asyncio.new_event_loop().run_until_complete(cell())
print(*told)
"""
    assert _printed(code) == ["cancelled", "interrupted"]


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there are no forks here")
def test_a_runtime_that_was_used_before_a_fork_works_in_the_child() -> None:
    """Its threads are its parent's: one that is idle there, one that is at work, and a step that waits."""
    code = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
from flowcraft_core import FlowRuntime, create_flow
release, began = threading.Event(), threading.Event()
quick = create_flow("quick").node("a", lambda ctx: 1)
def hold(ctx): began.set(); release.wait(30)
slow = create_flow("slow").node("a", hold)
runtime = FlowRuntime([quick, slow], max_threads=1)
runtime.run_sync(quick)
at_work = threading.Thread(target=runtime.run_sync, args=(slow,)); at_work.start(); began.wait(30)
waits = threading.Thread(target=runtime.run_sync, args=(quick,)); waits.start()
while not runtime._threads.waiting: pass
if (child := os.fork()) == 0:
    print(runtime.run_sync(quick, timeout=20).status, flush=True)
    os._exit(0)
os.waitpid(child, 0)
release.set(); at_work.join(); waits.join()
"""
    assert _printed(code) == ["completed"]

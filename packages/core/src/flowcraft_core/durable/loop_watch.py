"""Notices from outside that an event loop stands still, and in which function it does."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Protocol

# The first part of the names of the engine's modules.
_OURS = ("flowcraft_core",)

# Before a loop that still stands is told of again, this many times as long must have passed.
_AGAIN_AFTER = 10.0


class Told(Protocol):
    """Is told that the loop stands still; called in the watch's thread, while it does."""

    def __call__(self, seconds: float, place: str, task: asyncio.Task[object] | None, /) -> None:
        """Hear of it.

        Args:
            seconds: For how long so far.
            place: The function and line that it stands in.
            task: The task that holds it up.
        """


class LoopWatch:
    """Asks an event loop for a sign of life, from a thread of its own.

    A watch inside the loop would learn of a step that never returns too late: never. And from outside it can be seen
    where the loop stands. It costs the loop one wake-up per question.
    """

    def __init__(self, seconds: float, told: Told, answered: Callable[[float], None] | None = None) -> None:
        """Watch nothing yet.

        Args:
            seconds: How long the loop may take to answer.
            told: Hears of it if it takes longer.
            answered: Hears of each answer, after how many seconds it came; called in the watch's thread.
        """
        self._seconds = seconds
        self._told = told
        self._answered = answered
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the running event loop, from its own thread."""
        loop, thread_id = asyncio.get_running_loop(), threading.get_ident()
        watch = threading.Thread(target=self._watch, args=(loop, thread_id), name="flowcraft-loop-watch", daemon=True)
        watch.start()

    def stop(self) -> None:
        """Watch no longer; does not wait for the thread."""
        self._stopped.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        while not self._stopped.wait(self._seconds / 2):
            answered, asked, patience = threading.Event(), time.monotonic(), self._seconds
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # it is closed
                return
            while not answered.wait(patience) and not self._stopped.is_set():
                waited = time.monotonic() - asked
                self._told(waited, _place(thread_id), _current_task(loop))
                patience = waited * (_AGAIN_AFTER - 1)
            if self._answered is not None and answered.is_set():
                self._answered(time.monotonic() - asked)


def _current_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None


def _place(thread_id: int) -> str:
    """Where a thread is: in the step that it is in, if it is in one, else in the innermost function."""
    frame = sys._current_frames().get(thread_id)
    stack = [] if frame is None else list(traceback.walk_stack(frame))[::-1]
    if not stack:
        return "an unknown place"
    in_step = len(stack)
    while in_step and not _is_ours(str(stack[in_step - 1][0].f_globals.get("__name__", ""))):
        in_step -= 1
    frame, line = stack[in_step if 0 < in_step < len(stack) else -1]
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{line})"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _OURS

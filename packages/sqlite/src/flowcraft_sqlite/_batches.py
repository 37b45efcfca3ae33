"""A thread that answers calls from an event loop, all that are waiting at once.

The thread has something that one at a time may use (a connection) and is told on the loop what to do with it. What is
asked for in one pass of the loop reaches the thread as one batch, and so does all that came while it was busy; a batch
is answered by one call back into the loop.

Whoever is alone does not wait for that: to wake a thread and to be woken by it costs about as much as a short commit.
So a single call, while the thread has nothing to do, is carried out by the loop itself if it is sure to take little
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

#: Work on a connection. It runs inside a transaction and must leave it open.
Operation: TypeAlias = Callable[[sqlite3.Connection], T]


class Call(Generic[T]):
    """An operation and who waits for it.

    Attributes:
        operation: What to do.
        synced: Whether it must be on the disk before it is answered.
        size: How much it reads and writes, about, bytes; None if nobody knows.
        future: Where the loop waits.
        result: What came of it, if there is no error.
        error: Why nothing came of it.
    """

    __slots__ = ("error", "future", "operation", "result", "size", "synced")

    def __init__(self, operation: Operation[T], synced: bool, size: int | None, future: asyncio.Future[T]) -> None:
        self.operation = operation
        self.synced = synced
        self.size = size
        self.future = future
        self.result: T | None = None
        self.error: Exception | None = None


class Session(Protocol):
    """What calls are carried out with, by the thread or by the loop, never by both at once.

    Created and closed in the thread.
    """

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Give each call its result or its error; raises nothing."""

    def run_at_once(self, call: Call[Any]) -> bool:
        """Do so with a call if it is sure to take little time, else nothing; whether it was done."""

    @property
    def is_tired(self) -> bool:
        """Whether there is something to do for ``rest``."""

    def rest(self) -> None:
        """Do what may wait until the calls have been answered; raises nothing."""

    def close(self) -> None:
        """Let go of everything."""


class BatchThread:
    """Runs a session in a thread of its own, for the event loop in which it was started."""

    def __init__(self, name: str, open_session: Callable[[], Session]) -> None:
        """Start nothing yet.

        Args:
            name: The thread's.
            open_session: Opens the session, in the thread.
        """
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._open_session = open_session
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Call[Any]] = []
        self._handed_over = 0  # calls
        self._inbox: queue.SimpleQueue[list[Call[Any]] | None] = queue.SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._session: Callable[[], Session | None] = lambda: None
        self._in_use = threading.Lock()  # the session

    async def start(self) -> None:
        """Open the session; raises what opening it raised."""
        self._thread.start()
        await asyncio.shield(self._opened)

    def submit(self, operation: Operation[T], *, synced: bool = False, size: int | None = None) -> asyncio.Future[T]:
        """Ask for an operation. It is carried out even if nobody waits for it any more."""
        call = Call(operation, synced, size, self._loop.create_future())
        if not self._gathered:
            # Not at once: whoever else is ready to run in this pass of the loop shares the batch.
            self._loop.call_soon(self._hand_over)
        self._gathered.append(call)
        return call.future

    async def stop(self) -> None:
        """Finish what was asked for, close the session and end the thread."""
        self._hand_over()
        self._inbox.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()  # it has nothing left to do but to end

    def _hand_over(self) -> None:
        calls, self._gathered = self._gathered, []
        if not calls or (len(calls) == 1 and not self._handed_over and self._run_at_once(calls[0])):
            return
        self._handed_over += len(calls)
        self._inbox.put(calls)

    def _run_at_once(self, call: Call[Any]) -> bool:
        if (session := self._session()) is None or not self._in_use.acquire(blocking=False):
            return False
        try:
            if not session.run_at_once(call):
                return False
        finally:
            self._in_use.release()
        _settle(call)
        return True

    def _take_back(self, calls: Sequence[Call[Any]]) -> None:
        self._handed_over -= len(calls)
        for call in calls:
            _settle(call)

    # In the thread. The session is known to its frames only: after a fork the child has no thread, and so nothing in it
    # ever closes the parent's connection, which would delete a log that is in use. The loop has it for a moment.

    def _main(self) -> None:
        try:
            session = self._open_session()
        except Exception as error:
            self._post(_fail, self._opened, error)
        else:
            self._session = weakref.ref(session)
            self._post(_succeed, self._opened)
            with contextlib.closing(session):
                self._serve(session)
        finally:
            self._post(_succeed, self._ended)

    def _serve(self, session: Session) -> None:
        while (calls := self._next_batch()) is not None:
            with self._in_use:
                session.run(calls)
                is_tired = session.is_tired
            # Whoever is answered may ask again before this thread goes on, and is to find the session free.
            if not self._post(self._take_back, calls):
                return
            del calls  # results may be large, and the next batch may be long in coming
            if is_tired:
                with self._in_use:
                    session.rest()

    def _next_batch(self) -> list[Call[Any]] | None:
        calls = self._inbox.get()
        while calls is not None and not self._inbox.empty():
            more = self._inbox.get()
            if more is None:
                self._inbox.put(None)  # the end comes after what came before it
                break
            calls += more
        return calls

    def _post(self, callback: Callable[..., None], *arguments: Any) -> bool:
        """Call back in the loop; False if it was closed meanwhile, and nobody waits for anything any more."""
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            return False
        return True


def _settle(call: Call[Any]) -> None:
    if call.future.done():
        return  # cancelled
    if call.error is None:
        call.future.set_result(call.result)
    else:
        call.future.set_exception(call.error)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)

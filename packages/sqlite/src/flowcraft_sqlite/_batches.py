"""A thread that answers calls from an event loop, all that are waiting at once.

The thread has something that only it may use (a connection) and is told on the loop what to do with it. What is asked
for in one pass of the loop reaches the thread as one batch, and so does all that came while it was busy; a batch is
answered by one call back into the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
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
        future: Where the loop waits.
        result: What came of it, if there is no error.
        error: Why nothing came of it.
    """

    __slots__ = ("error", "future", "operation", "result", "synced")

    def __init__(self, operation: Operation[T], synced: bool, future: asyncio.Future[T]) -> None:
        self.operation = operation
        self.synced = synced
        self.future = future
        self.result: T | None = None
        self.error: Exception | None = None


class Session(Protocol):
    """What a thread does between its start and its end. Created, used and closed in the thread."""

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Give each call its result or its error; raises nothing."""

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
        self._inbox: queue.SimpleQueue[list[Call[Any]] | None] = queue.SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def start(self) -> None:
        """Open the session; raises what opening it raised."""
        self._thread.start()
        await asyncio.shield(self._opened)

    def submit(self, operation: Operation[T], *, synced: bool = False) -> asyncio.Future[T]:
        """Ask for an operation. It is carried out even if nobody waits for it any more."""
        call = Call(operation, synced, self._loop.create_future())
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
        if self._gathered:
            self._inbox.put(self._gathered)
            self._gathered = []

    # In the thread. The session is known to its frames only: after a fork the child has no thread, and so nothing in it
    # ever closes the parent's connection, which would delete a log that is in use.

    def _main(self) -> None:
        try:
            session = self._open_session()
        except Exception as error:
            self._post(_fail, self._opened, error)
        else:
            self._post(_succeed, self._opened)
            with contextlib.closing(session):
                self._serve(session)
        finally:
            self._post(_succeed, self._ended)

    def _serve(self, session: Session) -> None:
        while (calls := self._next_batch()) is not None:
            session.run(calls)
            if not self._post(_settle, calls):
                return
            del calls  # results may be large, and the next batch may be long in coming
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


def _settle(calls: Sequence[Call[Any]]) -> None:
    for call in calls:
        if call.future.done():
            continue  # cancelled
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

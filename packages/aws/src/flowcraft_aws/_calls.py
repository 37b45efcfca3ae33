"""Calls to the SDK, which blocks: each in a thread of the adapter's own, never in the event loop's."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

from flowcraft_core.errors import BackendError, ConfigurationError, FlowcraftError
from flowcraft_core.threads import StepThreads

from ._errors import translate
from .metrics import Metrics, counted

T = TypeVar("T")

#: More threads make fewer calls per second: they share one interpreter, and a core makes a thousand.
THREADS = 16
_NOT_OPEN = "not open: await backend.open() first"


class Home:
    """The event loop in which a backend was opened; anywhere else its use is refused by name."""

    def __init__(self, name: str) -> None:
        """Nowhere yet.

        Args:
            name: The backend, for messages.
        """
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    @property
    def is_open(self) -> bool:
        """Whether it was opened, here or elsewhere."""
        return self._loop is not None

    def enter(self) -> None:
        """Make the running loop the home.

        Raises:
            BackendError: There is a home already.
        """
        if self._loop is not None:
            raise BackendError(f"{self._name} is open already: open each backend once")
        self._loop, self._process = asyncio.get_running_loop(), os.getpid()

    def leave(self) -> None:
        """Have no home any more."""
        self._loop = None

    def require(self) -> None:
        """Go on only in the home.

        Raises:
            BackendError: It is elsewhere, or nowhere; the message says which.
        """
        why = None
        if self._loop is None:
            why = _NOT_OPEN
        elif self._process != os.getpid():
            why = "open in another process: after a fork, open a new one in the child"
        elif self._loop is not asyncio.get_running_loop():
            why = "open in another event loop: open one in each loop, and use it there"
        if why is not None:
            raise BackendError(f"{self._name} is {why}")


class Calls:
    """Makes calls in a bounded number of daemon threads, one of them kept for what must not wait for the others."""

    def __init__(self, threads: int = THREADS, *, metrics: Metrics | None = None, home: Home | None = None) -> None:
        """Start no thread yet; threads start with the calls, and end when there are none for a while.

        Args:
            threads: How many calls are made at once, that of a heartbeat included; at least 2.
            metrics: What counts the requests.
            home: Where calls may be made; None for everywhere.

        Raises:
            ConfigurationError: There are too few threads.
        """
        if threads < 2:
            raise ConfigurationError(f"threads={threads}: give at least 2, one of which is kept for heartbeats")
        self._threads = StepThreads(threads - 1)
        self._reserved = StepThreads(1)
        self._home = home
        self.metrics = metrics or Metrics()

    async def make(self, call: Callable[[], T], place: str, *, run_id: str = "", urgent: bool = False) -> T:
        """Make one SDK call in a thread, and give what it returns.

        Args:
            call: What makes it.
            place: The table or queue, for messages.
            run_id: The run for which it is made, if it is one.
            urgent: Whether it is a heartbeat, which must not wait for other calls.

        Raises:
            TransientError: The same call may succeed in a moment; it may have been applied.
            BackendError: The service refused it, or calls may not be made here.
        """
        if self._home is not None:
            self._home.require()
        ended = 0.0

        def make() -> T:
            nonlocal ended
            with counted(self.metrics, run_id):
                try:
                    return call()
                finally:
                    ended = time.perf_counter()

        try:
            answer = await (self._reserved if urgent else self._threads).run(make)
        except FlowcraftError:
            raise
        except Exception as error:  # whatever an SDK raises over an answer: no caller knows its classes
            raise translate(error, place) from error
        finally:
            if ended:
                self.metrics.note_lag(time.perf_counter() - ended)
        return answer

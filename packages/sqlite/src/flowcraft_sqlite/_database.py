"""One SQLite file, for one event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TypeVar

from flowcraft_core.errors import BackendError
from flowcraft_core.receiving import Receives

from ._batches import BatchThread, Operation
from ._others import Others
from ._sessions import ReadSession, Settings, WriteSession

T = TypeVar("T")

_NOT_OPEN = "not open: await backend.open() first"


class Database:
    """Carries out operations on a file, in threads, for the event loop in which it was opened.

    Attributes:
        settings: How the file is opened.
        others: Whether others have written to it lately.
        receives: What queues take from it.
    """

    def __init__(self, settings: Settings) -> None:
        """Touch nothing yet."""
        self.settings = settings
        self.others = Others()
        self.receives = Receives()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._writer: BatchThread | None = None
        self._reader: BatchThread | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was opened, here or elsewhere."""
        return self._loop is not None

    async def open(self) -> None:
        """Open the file, and create what is missing.

        Raises:
            BackendError: It is open already, or cannot be opened.
            TransientError: Others hold it for too long.
        """
        if self._loop is not None:
            raise BackendError(f"SqliteBackend({self.settings.path!r}) is open already: open each backend once")
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self.others = others = Others()
        writer = BatchThread("flowcraft-sqlite-writer", lambda: WriteSession(self.settings, others))
        reader = BatchThread("flowcraft-sqlite-reader", lambda: ReadSession(self.settings))
        started: list[BatchThread] = []
        try:
            for thread in (writer, reader):  # in this order: the writer makes the tables
                started.insert(0, thread)
                await thread.start()
        except BaseException:
            await _stop(started)
            self._loop = None
            raise
        self._writer, self._reader = writer, reader

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file; closing what is not open does nothing."""
        if self._loop is None:
            return
        self._require_home()
        await self.receives.end()
        # The writer last: whoever is the last to close the file copies the log back.
        threads = [thread for thread in (self._reader, self._writer) if thread is not None]
        self._writer = self._reader = None
        await asyncio.shield(asyncio.ensure_future(_stop(threads)))
        self._loop = None

    def write(self, operation: Operation[T], *, synced: bool, size: int | None = None) -> asyncio.Future[T]:
        """Carry out an operation that writes, in a transaction that others may share.

        Args:
            operation: What to do.
            synced: Whether it must survive a power cut once the future is done; hints need not.
            size: How much it reads and writes, about, bytes; None if nobody knows.

        Raises:
            BackendError: The file is not open, or not open here.
        """
        self._require_home()
        if self._writer is None:
            raise self._unusable(_NOT_OPEN)
        return self._writer.submit(operation, synced=synced, size=size)

    def read(self, operation: Operation[T], *, size: int | None = None) -> asyncio.Future[T]:
        """Carry out an operation that only reads; it sees every write that was answered before.

        Args:
            operation: What to do.
            size: How much it reads, about, bytes; None if nobody knows.

        Raises:
            BackendError: The file is not open, or not open here.
        """
        self._require_home()
        if self._reader is None:
            raise self._unusable(_NOT_OPEN)
        return self._reader.submit(operation, size=size)

    def _require_home(self) -> None:
        if self._loop is None:
            raise self._unusable(_NOT_OPEN)
        if self._process != os.getpid():
            raise self._unusable("open in another process: after a fork, open a new one in the child")
        if self._loop is not asyncio.get_running_loop():
            raise self._unusable("open in another event loop: open one in each loop, and use it there")

    def _unusable(self, why: str) -> BackendError:
        return BackendError(f"SqliteBackend({self.settings.path!r}) is {why}")


async def _stop(threads: Sequence[BatchThread]) -> None:
    for thread in threads:
        await thread.stop()

"""The embedded backend: the four ports on one SQLite file."""

from __future__ import annotations

import os
import typing
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.errors import BackendError, BackendGoneError, ConfigurationError
from flowcraft_core.ports import (
    ContextStore,
    CoordinationStore,
    Finding,
    HandWrittenRuns,
    JobQueue,
    NamedQueues,
    Starts,
    StatusStore,
)
from flowcraft_core.threads import StepThreads
from flowcraft_core.urls import BackendUrl

from ._database import Database
from ._lives import Lives
from ._machine import orphaned_log
from ._sessions import Settings, Synchronous
from .by_hand import SqliteHandWrittenRuns
from .context import SqliteContextStore
from .coordination import SqliteCoordinationStore
from .queue import SqliteJobQueue
from .queues import SqliteNamedQueues
from .starts import SqliteStarts
from .status import SqliteStatusStore


class SqliteBackend:
    """A ``flowcraft_core.ports.Backend`` on one file, which many processes of one machine may use at once.

    Also an async context manager, which opens and closes it.

    Attributes:
        queue: The messages.
        queues: Further queues, by name: any will do.
        context: The facts and context values.
        status: The statuses.
        coordination: The counters, leases and sets.
        by_hand: The runs that were begun by writing to the tables.
        starts: All that a run begins with, by one request.
        name: What logs call it: the file.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore
    by_hand: HandWrittenRuns
    queues: NamedQueues
    starts: Starts

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "full",
        busy_timeout: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Touch nothing yet.

        Args:
            path: The file, on a local disk; created by ``open`` if it is missing. Beside it lie ``-wal`` and ``-shm``,
                and ``-workers``, a folder by which a dead worker is known.
            synchronous: What survives a power cut: ``full`` all facts, statuses and messages; ``normal`` all but the
                last moments; ``off`` perhaps nothing. A crash of any process loses nothing under each of them.
            busy_timeout: How long a call waits for other processes before it raises ``TransientError``, seconds.
            clock: What delays, visibility and times to live go by; by default the machine's clock. It is asked for the
                time in other threads too.

        Raises:
            ConfigurationError: An argument is out of range, or the path names a database in memory.
        """
        location = os.fspath(path)
        if location == "" or location == ":memory:" or location.startswith("file:"):
            raise ConfigurationError(
                f"SqliteBackend needs the path of a file, not {location!r}: a database in memory belongs to one"
                " connection; for tests, use flowcraft_testkit's InMemoryBackend or a temporary file"
            )
        if synchronous not in typing.get_args(Synchronous):
            raise ConfigurationError(f"synchronous={synchronous!r}: SqliteBackend knows 'full', 'normal' and 'off'")
        if not 0 <= busy_timeout <= 3_600:
            raise ConfigurationError(f"busy_timeout={busy_timeout}: give seconds, from 0 to 3600")
        clock = clock or SystemClock()
        self.name = f"sqlite {os.path.realpath(location)}"
        self._database = Database(Settings(os.path.realpath(location), synchronous, busy_timeout))
        self._lives = Lives(self._database.settings.path)
        queue = self.queue = SqliteJobQueue(self._database, clock, self._lives)
        queues = self.queues = SqliteNamedQueues(self._database, clock, self._lives)
        self.starts = SqliteStarts(self._database, clock, queue, queues)
        self.context = SqliteContextStore(self._database)
        self.status = SqliteStatusStore(self._database)
        self.coordination = SqliteCoordinationStore(self._database, clock)
        self.by_hand = SqliteHandWrittenRuns(self._database)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A backend on the file of ``sqlite:///runs.db``, or ``sqlite:////absolute/path/runs.db``.

        Args:
            url: The URL; with ``?synchronous=normal`` and ``&busy_timeout=5`` as in the constructor.

        Raises:
            ConfigurationError: It cannot be read, or says something else.
        """
        parts = BackendUrl.parse(url, ("busy_timeout", "synchronous"))
        if parts.host:
            raise ConfigurationError(f"{parts}: a file is on this machine: write sqlite:///{parts.host}{parts.path}")
        synchronous = typing.cast(Synchronous, parts.options.get("synchronous", "full"))  # looked at below
        return cls(parts.path[1:], synchronous=synchronous, busy_timeout=parts.number("busy_timeout", 10.0))

    def missing(self) -> str | None:
        """Why there is no file, and what to do; see ``flowcraft_core.ports.Embedded``."""
        path = self._database.settings.path
        if os.path.exists(path):
            return None
        return (
            f"there is no SQLite file {path!r}: if there are to be runs in it, mend the path, where a relative one "
            "begins at the working directory; else the first worker or start creates it"
        )

    async def open(self) -> None:
        """Open the file; create it and its tables if they are missing.

        Raises:
            BackendError: It is open already, or the file cannot be used: the message says why.
            TransientError: Others hold the file for longer than ``busy_timeout``.
        """
        path = self._database.settings.path
        if orphan := orphaned_log(path):  # SQLite would take it for rubbish, and remove it
            raise BackendError(
                f"SqliteBackend({path!r}): the file is not there, and its log {orphan!r} is, with what was written "
                "last: put the file back beside it; only if nothing of it is wanted, remove the log"
            )
        await self._database.open()

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file and the threads; it can be opened again."""
        await self._database.close()
        self._lives.end()

    async def diagnose(self) -> Sequence[Finding]:
        """Look at the file, its folder, its disk, its tables and its lock; see ``flowcraft_core.ports.Diagnosable``.

        A long file is read for 20 seconds at most.
        """
        from .diagnosis import examine  # noqa: PLC0415 # for the doctor
        from .symptoms import REPLACED  # noqa: PLC0415 # for the doctor

        if self._database.is_open:
            try:
                await self._database.read(lambda connection: None)
            except BackendGoneError as error:
                return [REPLACED.found(why=error)]
            except BackendError:  # it is open elsewhere, or the file's content is why: that is found out next
                pass
        settings = self._database.settings
        return await StepThreads(1).run(lambda: examine(settings.path, settings.busy_timeout))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

"""The four ports on one PostgreSQL database."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
from flowcraft_core.clock import Clock
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import (
    ContextStore,
    CoordinationStore,
    Finding,
    HandWrittenRuns,
    JobQueue,
    NamedQueues,
    Starts,
    StatusStore,
    Transactional,
)
from flowcraft_core.urls import BackendUrl
from psycopg.conninfo import conninfo_to_dict

from ._connections import Settings
from ._database import Database
from ._listener import Listener
from ._schema import require_schema
from .by_hand import PostgresHandWrittenRuns
from .context import PostgresContextStore
from .coordination import PostgresCoordinationStore
from .diagnosis import examine
from .queue import PostgresJobQueue
from .queues import PostgresNamedQueues
from .starts import PostgresStarts
from .status import PostgresStatusStore
from .transactions import PostgresTransactions

#: What a commit waits for, as the server's setting of that name has it.
SynchronousCommit: TypeAlias = Literal["off", "local", "remote_write", "on", "remote_apply"]


class PostgresBackend:
    """A ``flowcraft_core.ports.Backend`` in one schema of a PostgreSQL database, for any number of processes.

    Also an async context manager, which opens and closes it.

    Attributes:
        queue: The messages.
        queues: Further queues, by name: any will do.
        context: The facts and context values.
        status: The statuses.
        coordination: The counters, leases and sets.
        by_hand: The runs that were begun in SQL.
        starts: All that a run begins with, by one request.
        transactional: Runs and outcomes in transactions with a program's own rows.
        name: What logs call it: the server, the database and the schema.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore
    by_hand: HandWrittenRuns
    queues: NamedQueues
    starts: Starts
    transactional: Transactional

    def __init__(
        self,
        conninfo: str = "",
        *,
        schema: str = "flowcraft",
        connections: int = 8,
        timeout: float = 30.0,
        synchronous_commit: SynchronousCommit | None = None,
        prepares: bool = True,
        listens: bool = True,
        poll: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            conninfo: Where the database is, as a ``postgresql://`` address or as libpq's ``name=value`` pairs; what it
                does not say comes from libpq's environment variables (``PGHOST``, ``PGPASSWORD``, ``PGSERVICE``).
            schema: Where its tables are; ``open`` makes it if it is missing.
            connections: How many connections there are at most, besides one that listens for notifications, and as
                many for steps that ask for ``ctx.connection()``.
            timeout: How long a call waits for a connection, and then for its answer, before it raises
                ``TransientError``, seconds.
            synchronous_commit: What a commit of facts, statuses and sent messages waits for; by default what the server
                or the role says. With ``off`` a crash of the server, and of nothing else, may lose the last moments.
            prepares: Whether statements are prepared on the server; say False behind a pooler that cannot do that.
            listens: Whether idle receivers are woken by the server's notifications; say False where that cannot work,
                to save a connection.
            poll: How often an idle receiver looks for messages where no notification reaches it, seconds.
            clock: What delays, visibility and times to live go by, for tests; the server's clock by default.

        Raises:
            ConfigurationError: An argument is out of range, or the address cannot be read.
        """
        try:
            said = conninfo_to_dict(conninfo)
        except psycopg.Error as error:
            # Not what was given: it may have a password.
            raise ConfigurationError(
                "PostgresBackend: this is no address of a database: give one such as postgresql://user@host:5432/name"
                f" ({type(error).__name__})"
            ) from None
        require_schema(schema)
        if synchronous_commit is not None and synchronous_commit not in typing.get_args(SynchronousCommit):
            known = ", ".join(map(repr, typing.get_args(SynchronousCommit)))
            raise ConfigurationError(f"synchronous_commit={synchronous_commit!r}: PostgresBackend knows {known}")
        if not 1 <= connections <= 1_000:
            raise ConfigurationError(f"connections={connections}: give 1 to 1000")
        for setting, value, least in (("timeout", timeout, 0.1), ("poll", poll, 0.01)):
            if not least <= value <= 3_600:
                raise ConfigurationError(f"{setting}={value}: give seconds, from {least:g} to 3600")
        self.name = f"postgres {_place(said)} {schema}"
        self._database = Database(
            Settings(
                conninfo=conninfo,
                name=self.name,
                schema=schema,
                connections=connections,
                timeout=timeout,
                synchronous_commit=synchronous_commit,
                prepares=prepares,
                listens=listens,
                poll=poll,
            ),
            clock,
        )
        self._listener = Listener(self._database)
        self.queue = PostgresJobQueue(self._database, self._listener)
        self.queues = PostgresNamedQueues(self._database, self._listener)
        self.context = PostgresContextStore(self._database)
        self.status = PostgresStatusStore(self._database)
        self.coordination = PostgresCoordinationStore(self._database)
        self.by_hand = PostgresHandWrittenRuns(self._database)
        self.starts = PostgresStarts(self._database, self._listener)
        self.transactional = PostgresTransactions(self._database)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A backend by its address alone: ``postgresql://user@host:5432/name``, and ``?schema=`` if it is another one.

        Args:
            url: The address, with libpq's own options. A password is better given by ``PGPASSWORD`` or ``~/.pgpass``.

        Raises:
            ConfigurationError: It cannot be read, or says something else.
        """
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
        parts = BackendUrl.parse(url, known | {"schema"})
        rest = urlencode([(name, value) for name, value in parts.options.items() if name != "schema"])
        schema = parts.options.get("schema", "flowcraft")
        return cls(urlunsplit(urlsplit(url)._replace(query=rest)), schema=schema)

    async def open(self) -> None:
        """Connect; make the schema and its tables if they are missing.

        Raises:
            BackendError: It is open already, or the database cannot be used: the message says why.
            TransientError: It cannot be reached.
        """
        await self._database.open()

    async def diagnose(self) -> Sequence[Finding]:
        """Look at the server, the schema and the role's rights; see ``flowcraft_core.ports.Diagnosable``."""
        return await examine(self._database.settings, has_own_clock=self._database.clock is not None)

    async def close(self) -> None:
        """Finish what was asked for, and let go of all connections; it can be opened again."""
        if self._database.is_open:
            self._database.require_home()
            await self._listener.close()
        await self._database.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _place(said: dict[str, typing.Any]) -> str:
    """Where a database is, without credentials."""
    host = said.get("host") or said.get("hostaddr") or said.get("service") or "local"
    port = f":{said['port']}" if said.get("port") else ""
    return f"{host}{port}/{said.get('dbname') or ''}"

"""One database, for one event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import psycopg
from flowcraft_core.clock import Clock
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.receiving import Receives

from ._connections import Connections, Settings
from ._errors import translate
from ._gathering import Gathering
from ._schema import placed, prepare
from ._statements import Statement
from ._wire import Row
from ._wires import Wires

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# The server's clock, or the one that a test has given.
_NOW = "coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)"

# Before opening is tried again, seconds.
_PAUSES = (0.1, 0.4, 1.0)

_NOT_OPEN = "not open: await backend.open() first"


class Statements(Protocol):
    """What carries out statements: a database, or one connection to it."""

    def require_home(self) -> None:
        """See ``Database``."""

    def gathering(
        self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, most: int
    ) -> Gathering[Item, Answer]:
        """See ``Database``."""

    async def run(self, statement: str, **parameters: Any) -> list[Row]:
        """See ``Database``."""


class Database:
    """Carries out statements, for the event loop in which it was opened.

    Statements are written for the schema ``flowcraft``, with ``:now`` for the time, and with parameters by name.
    """

    def __init__(self, settings: Settings, clock: Clock | None) -> None:
        """Connect to nothing yet.

        Args:
            settings: Where the database is.
            clock: What ``:now`` is; the server's own clock by default.
        """
        self.settings = settings
        self.clock = clock
        self.receives = Receives()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._wires: Wires | None = None
        self._placed: dict[str, str] = {}
        self._statements: dict[str, Statement] = {}
        self._transactions: Connections | None = None
        self._gatherings: list[Gathering[Any, Any]] = []

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed since."""
        return self._loop is not None

    async def open(self) -> None:
        """Connect, and make the tables if they are missing.

        Raises:
            BackendError: It is open already, or refused.
            TransientError: It cannot be reached.
        """
        if self._loop is not None:
            raise BackendError(f"PostgresBackend({self.settings.name!r}) is open already: open each backend once")
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        try:
            self._wires = await self._prepared()
            self._transactions = Connections(self.settings)
        except BaseException:
            self._loop = None
            raise

    async def close(self) -> None:
        """Finish what was asked for, and let go of all connections; closing what is not open does nothing."""
        if self._loop is None:
            return
        self.require_home()
        for gathering in self._gatherings:
            await gathering.settle()
        await self.receives.end()
        wires, transactions = self._wires, self._transactions
        self._wires = self._transactions = None
        for connections in (wires, transactions):
            if connections is not None:
                await connections.close()
        self._loop = None

    @property
    def transactions(self) -> Connections:
        """Connections for what takes as long as its user likes: as many as there are for all else, apart from those.

        Raises:
            BackendError: The database is not open, or not open here.
        """
        self.require_home()
        if self._transactions is None:
            raise self._unusable(_NOT_OPEN)
        return self._transactions

    def gathering(
        self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, most: int
    ) -> Gathering[Item, Answer]:
        """See ``Gathering``; what it was asked for is finished before this closes."""
        made = Gathering(flush, most=most)
        self._gatherings.append(made)
        return made

    async def run(self, statement: str, **parameters: Any) -> list[Row]:
        """Carry out one statement, which is a transaction of its own, and give its rows.

        It is carried out even if nobody waits for it any more.

        Raises:
            BackendError: The database is not open, or not open here; or it refuses the statement.
            TransientError: Worth another try; whether it was carried out cannot be told.
        """
        self.require_home()
        if self._wires is None:
            raise self._unusable(_NOT_OPEN)
        bound = self._statements.get(statement)
        if bound is None:
            bound = self._statements[statement] = Statement(self.placed(statement))
        return await self._wires.run(bound.bind(self.with_time(statement, parameters)))

    def require_home(self) -> None:
        """See to it that it is open, here.

        Raises:
            BackendError: It is not.
        """
        if self._loop is None:
            raise self._unusable(_NOT_OPEN)
        if self._process != os.getpid():
            raise self._unusable("open in another process: after a fork, open a new one in the child")
        if self._loop is not asyncio.get_running_loop():
            raise self._unusable("open in another event loop: open one in each loop, and use it there")

    def placed(self, statement: str) -> str:
        """A statement as this database's server takes it."""
        found = self._placed.get(statement)
        if found is None:
            schema = self.settings.schema.replace("%", "%%")
            found = self._placed[statement] = placed(statement, schema).replace(":now", _NOW)
        return found

    def with_time(self, statement: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """A statement's parameters, with the time if it asks for it."""
        if ":now" in statement:
            parameters["now"] = None if self.clock is None else self.clock.now()
        return parameters

    async def _prepared(self) -> Wires:
        """Connections to a database that has its tables; a server that is just starting is waited for a moment."""
        for pause in (*_PAUSES, None):
            try:
                connection = await self.settings.connect()
                try:
                    await prepare(connection, self.settings.schema, self.settings.name)
                except BaseException:
                    await connection.close()
                    raise
            except psycopg.Error as error:
                translated = translate(error, self.settings.name)
                if pause is None or not isinstance(translated, TransientError):
                    raise translated from error
                await asyncio.sleep(pause)
            else:
                wires = Wires(self.settings)
                wires.add(connection)
                return wires
        raise AssertionError("unreachable")

    def _unusable(self, why: str) -> BackendError:
        return BackendError(f"PostgresBackend({self.settings.name!r}) is {why}")

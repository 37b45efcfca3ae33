"""Calls that are part of a transaction with a program's own rows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import psycopg
import psycopg.rows
from flowcraft_core.errors import ConfigurationError, TransientError
from flowcraft_core.ports import ContextStore, Message, StatusStore
from flowcraft_core.queues import DEFAULT_QUEUE
from psycopg.pq import TransactionStatus

from ._connections import Connection
from ._database import Database
from ._errors import translate
from ._gathering import Gathering
from ._wire import Row
from .context import PostgresContextStore
from .queue import Sender
from .status import PostgresStatusStore

T = TypeVar("T")
Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: A connection of a program's: async, or one that is used in a thread meanwhile.
Theirs: TypeAlias = "psycopg.AsyncConnection[Any] | psycopg.Connection[Any]"


class PostgresTransactions:
    """A ``flowcraft_core.ports.Transactional`` in PostgreSQL, for connections of psycopg 3.

    Of other libraries that stand on it, give theirs: of SQLAlchemy, ``connection.connection.driver_connection``.
    """

    def __init__(self, database: Database) -> None:
        """Use a database that may not be open yet."""
        self._database = database

    def joined(self, connection: Theirs) -> Joined:
        """The stores and the queue on a connection that is in a transaction."""
        if not isinstance(connection, (psycopg.AsyncConnection, psycopg.Connection)):
            raise ConfigurationError(
                "PostgresBackend needs a connection of psycopg 3, an AsyncConnection or a Connection, not "
                f"{connection!r:.100}"
            )
        if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
            raise ConfigurationError(
                "the connection is in no transaction: begin one with connection.transaction(), and commit by its end"
            )
        return Joined(self._database, connection)

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """A connection of its own, in a transaction that the block is."""
        self._database.require_home()
        name = self._database.settings.name
        try:
            async with self._database.transactions.connection() as connection:
                try:
                    # Inside of the block psycopg refuses a commit that is not the block's end.
                    async with connection.transaction():
                        yield connection
                except psycopg.Error:
                    raise
                except BaseException as error:
                    if connection.broken:
                        raise TransientError(f"{name}: the connection was lost before the step had ended") from error
                    raise
        except psycopg.Error as error:
            raise translate(error, name) from error


class Joined:
    """The ports that store, on somebody's connection; see ``Transactional.joined``."""

    context: ContextStore
    status: StatusStore

    def __init__(self, database: Database, connection: Theirs) -> None:
        """Take a connection."""
        there = _OnConnection(database, connection)
        self.context = PostgresContextStore(there)
        self.status = PostgresStatusStore(there)
        self._there = there

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0, queue: str = DEFAULT_QUEUE) -> None:
        """Store messages, which are received once the transaction has committed."""
        await Sender(self._there, self._there.tell, queue).send(messages, delay=delay)


class _OnConnection:
    """Carries out statements on one connection, in the order in which they are asked for."""

    def __init__(self, database: Database, connection: Theirs) -> None:
        self._database, self._connection = database, connection

    def require_home(self) -> None:
        self._database.require_home()

    def gathering(
        self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, most: int
    ) -> Gathering[Item, Answer]:
        return Gathering(flush, most=most)

    async def run(self, statement: str, **parameters: Any) -> list[Row]:
        self._database.require_home()
        placed = self._database.placed(statement).encode()
        given = self._database.with_time(statement, parameters)
        try:
            if isinstance(self._connection, psycopg.AsyncConnection):
                cursor = self._connection.cursor(binary=True, row_factory=psycopg.rows.tuple_row)
                await cursor.execute(placed, given)
                return await cursor.fetchall() if cursor.description is not None else []
            return await asyncio.to_thread(self._run_in_thread, self._connection, placed, given)
        except psycopg.Error as error:
            raise translate(error, self._database.settings.name) from error

    @staticmethod
    def _run_in_thread(connection: psycopg.Connection[Any], placed: bytes, given: dict[str, Any]) -> list[Row]:
        cursor = connection.cursor(binary=True, row_factory=psycopg.rows.tuple_row)
        cursor.execute(placed, given)
        return cursor.fetchall() if cursor.description is not None else []

    async def tell(self) -> None:
        """Wake those who wait for messages; they hear it once the transaction commits."""
        if self._database.settings.listens:
            await self.run("SELECT pg_notify(%(channel)s, '')", channel=self._database.settings.schema)

"""Connections that are kept, for one event loop.

Not psycopg's own pool: that hides why it cannot connect, waits ever longer before it tries again, and finds out that a
connection is dead by a request. Here a call that needs a connection makes one, and raises what became of that; and an
idle connection on which the server has said something, as it does when it ends, is not used any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

import attrs
import psycopg
from flowcraft_core.errors import TransientError

from ._errors import spoils

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]


@attrs.frozen(kw_only=True)
class Settings:
    """How a database is reached.

    Attributes:
        conninfo: Address and credentials, as libpq takes them.
        name: What it is called in logs and errors; without credentials.
        schema: Where the tables are.
        connections: How many connections there are at most, the one that listens aside.
        timeout: How long a call waits for a connection, and then for its answer, seconds.
        synchronous_commit: What the server is told, if anything.
        prepares: Whether statements are prepared on the server.
        listens: Whether the server's notifications are listened to.
        poll: How often a receiver looks for messages where no notification comes, seconds.
    """

    conninfo: str
    name: str
    schema: str
    connections: int
    timeout: float
    synchronous_commit: str | None
    prepares: bool
    listens: bool
    poll: float

    async def connect(self) -> Connection:
        """A new connection.

        Raises:
            psycopg.Error: As the server or the network says.
        """
        connection = await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, prepare_threshold=None, **self._usual()
        )
        if self.synchronous_commit is not None:
            try:
                await connection.execute(
                    "SELECT set_config('synchronous_commit', %s, false)", [self.synchronous_commit]
                )
            except BaseException:
                await connection.close()
                raise
        return connection

    def _usual(self) -> Mapping[str, Any]:
        """What is said to libpq where the address says nothing of it."""
        seconds = max(2, round(self.timeout))
        usual = {
            "application_name": "flowcraft",
            "client_encoding": "UTF8",
            "connect_timeout": seconds,
            # A server that is gone without a word is noticed all the same.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": seconds * 1_000,
        }
        said = psycopg.conninfo.conninfo_to_dict(self.conninfo)
        return {name: value for name, value in usual.items() if name not in said}


class Connections:
    """Up to so many connections, made when they are needed."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._free = asyncio.Semaphore(settings.connections)
        self._idle: list[Connection] = []

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a ``with`` block, in no transaction.

        Raises:
            TransientError: All are busy for too long.
            psycopg.Error: There is none, and none can be made.
        """
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._free.acquire()
        except TimeoutError:
            raise TransientError(
                f"{self._settings.name}: all {self._settings.connections} connections have been busy for "
                f"{self._settings.timeout:g} s; raise connections, or find out what the server is busy with"
            ) from None
        try:
            connection = self._take() or await self._settings.connect()
            try:
                yield connection
            except psycopg.Error as error:
                if spoils(error):
                    await connection.close()
                raise
            finally:
                await self._keep(connection)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Let go of those that are idle."""
        while self._idle:
            await self._idle.pop().close()

    def _take(self) -> Connection | None:
        """An idle one that seems to live, the one that was used last."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and not _has_something_to_say(connection):
                return connection
            connection.pgconn.finish()
        return None

    async def _keep(self, connection: Connection) -> None:
        if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)


def _has_something_to_say(connection: Connection) -> bool:
    """Whether an idle connection can be read from: its end, or why it has ended."""
    descriptor = connection.fileno()
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])  # Windows, where any number will do

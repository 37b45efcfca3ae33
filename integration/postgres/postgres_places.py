"""Places on a server: a schema each, and ways to it on which things go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import psycopg
from flowcraft_core.ports import Fact, PositionedValue, RunStatus
from flowcraft_postgres import PostgresBackend
from flowcraft_postgres._texts import escaped, unescaped
from proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_numbers = itertools.count(1)


@attrs.frozen
class Place:
    """A schema in a database; the first backend that is opened makes it.

    Attributes:
        url: The database.
        schema: The schema.
    """

    url: str
    schema: str

    @classmethod
    def create(cls, url: str) -> Place:
        """One that nobody else has."""
        return cls(url, f"flow {os.getpid()}-{next(_numbers)} %s")

    def backend(self, **options: Any) -> PostgresBackend:
        """A backend, not yet open."""
        return PostgresBackend(self.url, schema=self.schema, **options)

    def beside(self) -> Place:
        """Another one in the same database, of almost the same name."""
        return attrs.evolve(self, schema=self.schema + "_")

    def behind(self, proxy: Proxy) -> Place:
        """The same one by way of a proxy."""
        return attrs.evolve(self, url=make_conninfo(self.url, host=proxy.host, port=proxy.port))

    async def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the server itself says, on a connection that is none of a backend's."""
        quoted = '"' + self.schema.replace('"', '""') + '"'
        if parameters:
            quoted = quoted.replace("%", "%%")
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            cursor = await connection.execute(
                statement.replace("flowcraft.", f"{quoted}.").replace("{schema}", quoted).encode(), parameters or None
            )
            return await cursor.fetchall() if cursor.description is not None else []


class TcpProxy(Proxy):
    """Between clients and a server of whatever protocol: a piece on the wire is taken for a request."""

    kinds: ClassVar[Sequence[str]] = ("cut_before", "cut_after", "cut_body", "delay")

    @classmethod
    def to(cls, url: str, *, seed: int = 7) -> TcpProxy:
        """A proxy to a database's server."""
        said = conninfo_to_dict(url)
        return cls(str(said["host"]), int(str(said["port"])), seed=seed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection(*self._upstream)
        self._open.add(below)
        fault: str | None = None

        async def answer() -> None:
            while piece := await above.read(1 << 20):
                if fault == "cut_body":
                    writer.write(piece[: len(piece) // 2])
                    await writer.drain()
                    await asyncio.sleep(0.01)
                if fault in ("cut_after", "cut_body"):
                    writer.transport.abort()
                    return
                writer.write(piece)
                await writer.drain()
            writer.close()

        answering = asyncio.ensure_future(answer())
        try:
            while piece := await reader.read(1 << 20):
                fault = self._throw("request")
                if fault == "cut_before" or self._plan.is_down:
                    writer.transport.abort()
                    return
                if fault == "delay":
                    await asyncio.sleep(self._plan.delay)
                below.write(piece)
                await below.drain()
        finally:
            self._open.discard(below)
            answering.cancel()
            below.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await answering
            with contextlib.suppress(OSError):
                await below.wait_closed()


class PostgresTrouble:
    """A ``flowcraft_testkit.contracts.Trouble``: a proxy's switches, and tables that are dropped."""

    def __init__(self, proxy: TcpProxy, place: Place) -> None:
        """Take what all clients of a test go through, and where it leads."""
        self._proxy, self._place = proxy, place

    async def cut(self) -> None:
        """See ``Trouble``."""
        self._proxy.cut()

    async def take_down(self) -> None:
        """See ``Trouble``."""
        self._proxy.take_down()

    async def bring_up(self) -> None:
        """See ``Trouble``."""
        self._proxy.bring_up()

    async def refuse(self) -> None:
        """See ``Trouble``; the tables are dropped."""
        for table in ("jobs", "facts", "context_values", "statuses", "coordination", "initial_contexts"):
            await self._place.ask(f"DROP TABLE flowcraft.{table}")


class PostgresRows:
    """A ``ProgramRows``: a table of a program's in the same database."""

    def __init__(self, place: Place) -> None:
        """Take a place."""
        self._url = place.url
        self._table = f'"rows of {place.schema}"'
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {self._table} (row text)".encode())

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """See ``ProgramRows``."""
        async with await psycopg.AsyncConnection.connect(self._url) as connection, connection.transaction():
            yield connection

    async def write(self, connection: psycopg.AsyncConnection[Any], row: str) -> None:
        """See ``ProgramRows``."""
        table = self._table.replace("%", "%%")
        await connection.execute(f"INSERT INTO {table} VALUES (%s)".encode(), [row])  # noqa: S608

    async def read(self) -> Collection[str]:
        """See ``ProgramRows``."""
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            cursor = await connection.execute(f"SELECT row FROM {self._table} ORDER BY row".encode())  # noqa: S608
            return [row for (row,) in await cursor.fetchall()]


class PostgresSideDoor:
    """A ``SideDoor``: what the tables hold, in plain SQL."""

    def __init__(self, place: Place) -> None:
        """Look at a place."""
        self._place = place

    async def messages(self) -> Sequence[str]:
        """See ``SideDoor``."""
        return [unescaped(body) for (body,) in await self._place.ask("SELECT body FROM flowcraft.jobs")]

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        """See ``SideDoor``."""
        found = await self._place.ask(
            "SELECT coalesce(long_key, key), body, writer, job FROM flowcraft.facts WHERE run_id = %s", escaped(run_id)
        )
        return {unescaped(key): Fact(body, unescaped(writer), unescaped(job)) for key, body, writer, job in found}

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        """See ``SideDoor``."""
        found = await self._place.ask(
            "SELECT coalesce(long_name, name), position, body FROM flowcraft.context_values WHERE run_id = %s",
            escaped(run_id),
        )
        return {unescaped(name): PositionedValue(position.decode(), body) for name, position, body in found}

    async def status(self, run_id: str) -> RunStatus | None:
        """See ``SideDoor``."""
        names = ("state", "blueprint_id", "created", "updated", "next_check", "tags", "reason", "body")
        found = await self._place.ask(
            f"SELECT {', '.join(names)} FROM flowcraft.statuses WHERE run_id = %s",  # noqa: S608
            escaped(run_id),
        )
        for row in found:
            fields: dict[str, Any] = {
                k: unescaped(v) if isinstance(v, str) else v for k, v in zip(names, row, strict=True)
            }
            return RunStatus(run_id=run_id, **fields)
        return None

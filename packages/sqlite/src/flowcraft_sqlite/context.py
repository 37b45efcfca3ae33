"""Facts and context values, in two tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from flowcraft_core.ports import Fact, PositionedValue, StoreLimits

from ._database import Database
from ._rows import blob, text

T = TypeVar("T")

_MAX_VALUE_BYTES = 8 * 2**20
_MAX_KEYS_READ = 500

# So few bodies, if they are short, are read without anybody's knowing how much there is to read: SQLite knows how long
# one is before it reads it.
_FEW, _SHORT_BYTES = 8, 4_096
_SHORT = f"length(body) > {_SHORT_BYTES}, CASE WHEN length(body) > {_SHORT_BYTES} THEN NULL ELSE body END"


class SqliteContextStore:
    """A ``flowcraft_core.ports.ContextStore`` in an SQLite file; reads are never stale."""

    limits = StoreLimits(max_value_bytes=_MAX_VALUE_BYTES, max_keys_read=_MAX_KEYS_READ)

    def __init__(self, database: Database) -> None:
        """Use a file that may not be open yet."""
        self._database = database

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; else return the one that stands."""
        require_room(fact.body, f"the fact {key!r} of run {run_id!r}")
        return await self._database.write(
            lambda connection: insert_fact(connection, run_id, key, fact), synced=True, size=len(fact.body)
        )

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys."""
        return await self._find("facts", "key", "writer, job", run_id, keys, _fact)

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands."""
        for name, value in values.items():
            require_room(value.body or b"", f"the context value {name!r} of run {run_id!r}")
        rows = [(run_id, name, value.position, value.body) for name, value in values.items()]

        def upsert(connection: sqlite3.Connection) -> None:
            # SQLite compares text by its bytes, and the order of UTF-8 is the order of code points.
            connection.executemany(
                "INSERT INTO context_values (run_id, name, position, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (run_id, name) DO UPDATE SET position = excluded.position, body = excluded.body"
                " WHERE excluded.position > position",
                rows,
            )

        if rows:
            size = sum(len(value.body or b"") for value in values.values())
            await self._database.write(upsert, synced=True, size=size)

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names."""
        return await self._find("context_values", "name", "position", run_id, names, _value)

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values."""

        def remove(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM facts WHERE run_id = ? AND key = ?", ((run_id, key) for key in keys))
            connection.executemany(
                "DELETE FROM context_values WHERE run_id = ? AND name = ?", ((run_id, name) for name in names)
            )

        await self._database.write(remove, synced=True)

    async def _find(
        self, table: str, name: str, others: str, run_id: str, names: Sequence[str], make: Callable[..., T]
    ) -> dict[str, T]:
        def look(connection: sqlite3.Connection, columns: str = "0, body") -> list[Any]:
            rows: list[Any] = []
            for part in _parts(names, _MAX_KEYS_READ):
                marks = ", ".join("?" * len(part))
                query = f"SELECT {name}, {columns}, {others} FROM {table} WHERE run_id = ? AND {name} IN ({marks})"  # noqa: S608
                rows += connection.execute(query, (run_id, *part))
            return rows

        if not names:
            return {}
        rows = None
        if len(names) <= _FEW:  # as nearly always, so that nearly always nobody has to know how much is read
            rows = await self._database.read(lambda connection: look(connection, _SHORT), size=_FEW * _SHORT_BYTES)
        if rows is None or any(is_long for _, is_long, *_ in rows):
            rows = await self._database.read(look)
        return {name: make(*row) for name, _, *row in rows}


def _fact(body: Any, writer: Any, job: Any) -> Fact:
    return Fact(blob(body), text(writer), text(job))


def _value(body: Any, position: Any) -> PositionedValue:
    return PositionedValue(text(position), None if body is None else blob(body))


def insert_fact(connection: sqlite3.Connection, run_id: str, key: str, fact: Fact) -> Fact | None:
    """Store a fact if there is none under the key; else return the one that stands."""
    inserted = connection.execute(
        "INSERT INTO facts (run_id, key, writer, job, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (run_id, key, fact.writer, fact.job, fact.body),
    )
    if inserted.rowcount:
        return None
    standing = connection.execute("SELECT body, writer, job FROM facts WHERE run_id = ? AND key = ?", (run_id, key))
    return _fact(*standing.fetchone())


def require_room(body: bytes, what: str) -> None:
    """See to it that a body can be stored.

    Raises:
        ValueError: It is too long.
    """
    if len(body) > _MAX_VALUE_BYTES:
        raise ValueError(f"{what} has {len(body)} bytes, and SqliteContextStore takes {_MAX_VALUE_BYTES} at most")


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))

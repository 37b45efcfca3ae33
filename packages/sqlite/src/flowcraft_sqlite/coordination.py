"""Counters, leases and sets, each a row that says when it expires."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from flowcraft_core.clock import Clock
from flowcraft_core.errors import BackendError

from ._database import Database

T = TypeVar("T")

#: A value is text, a counter an integer, a set bytes of JSON, and None is nothing.
Standing: TypeAlias = str | int | bytes | None

_MOST = 2**63 - 1  # what a column holds
_LONGEST_TTL = 10 * 365 * 86_400.0

_SWEEP_EVERY = 1.0
_SWEEP_AT_MOST = 500


class SqliteCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore`` in an SQLite file.

    A row that has expired counts as none; writes remove such rows in passing. So does one whose time is none that
    anybody may give, and a set that cannot be read: another program has written it, and all here are hints.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use a file that may not be open yet."""
        self._database = database
        self._clock = clock
        self._sweep_at = 0.0  # only the writing thread uses it

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum."""

        def add(connection: sqlite3.Connection, now: float) -> int:
            standing = _standing(connection, key, now)
            if standing is None:
                _store(connection, key, 1, now + ttl)
                return 1
            if not isinstance(standing, int):
                raise _of_another_kind(key, "counter")
            total = min(standing + 1, _MOST)
            connection.execute("UPDATE coordination SET value = ? WHERE key = ?", (total, key))
            return total

        return await self._write(add)

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none."""

        def store(connection: sqlite3.Connection, now: float) -> bool:
            if _standing(connection, key, now) is not None:
                return False
            _store(connection, key, value, now + ttl)
            return True

        return await self._write(store)

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, and return how many members it has."""

        def add(connection: sqlite3.Connection, now: float) -> int:
            union = _members(_standing(connection, key, now), key).union(members)
            _store(connection, key, json.dumps(sorted(union), ensure_ascii=False).encode(), now + ttl)
            return len(union)

        return await self._write(add)

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set."""
        return _members(await self._read(key), key)

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value."""

        def renew(connection: sqlite3.Connection, now: float) -> bool:
            if _standing(connection, key, now) != value:
                return False
            _store(connection, key, value, now + ttl)
            return True

        return await self._write(renew)

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has."""

        def remove(connection: sqlite3.Connection, now: float) -> None:
            if value is None or _standing(connection, key, now) == value:
                connection.execute("DELETE FROM coordination WHERE key = ?", (key,))

        await self._write(remove)

    async def get(self, key: str) -> str | None:
        """The value of a key, or a counter's sum as text."""
        standing = await self._read(key)
        return None if standing is None or isinstance(standing, bytes) else str(standing)

    async def _read(self, key: str) -> Standing:
        return await self._database.read(lambda connection: _standing(connection, key, self._clock.now()))

    async def _write(self, operation: Callable[[sqlite3.Connection, float], T]) -> T:
        def write(connection: sqlite3.Connection) -> T:
            now = self._clock.now()
            if now >= self._sweep_at:
                self._sweep(connection, now)
            return operation(connection, now)

        return await self._database.write(write, synced=False)  # hints, all of it

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        swept = connection.execute(
            "DELETE FROM coordination WHERE key IN (SELECT key FROM coordination WHERE expires_at <= ? LIMIT ?)",
            (now, _SWEEP_AT_MOST),
        )
        if swept.rowcount < _SWEEP_AT_MOST:  # else go on at the next write
            self._sweep_at = now + _SWEEP_EVERY


def _standing(connection: sqlite3.Connection, key: str, now: float) -> Standing:
    row = connection.execute(
        "SELECT value FROM coordination WHERE key = ? AND expires_at > ? AND expires_at <= ?",
        (key, now, now + _LONGEST_TTL),
    ).fetchone()
    standing: Standing = None if row is None or isinstance(row[0], float) else row[0]
    return standing


def _store(connection: sqlite3.Connection, key: str, value: Standing, expires_at: float) -> None:
    connection.execute(
        "INSERT INTO coordination (key, value, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
        " SET value = excluded.value, expires_at = excluded.expires_at",
        (key, value, expires_at),
    )


def _members(standing: Standing, key: str) -> frozenset[str]:
    if standing is None:
        return frozenset()
    if not isinstance(standing, bytes):
        raise _of_another_kind(key, "set")
    try:
        members = json.loads(standing)
    except (ValueError, RecursionError):
        return frozenset()
    return (
        frozenset(member for member in members if isinstance(member, str)) if isinstance(members, list) else frozenset()
    )


def _of_another_kind(key: str, kind: str) -> BackendError:
    return BackendError(f"the key {key!r} of SqliteCoordinationStore holds something else than a {kind}: use another")

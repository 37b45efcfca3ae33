"""Counters, leases and sets, each a row that says when it expires, in a table without a log."""

from __future__ import annotations

import time
from typing import Any

from ._database import Database
from ._texts import escaped, indexed, unescaped

_MOST = 2**63 - 1  # what a column holds
_LONGEST_TTL = 10 * 365 * 86_400.0

_SWEEP_EVERY = 5.0
_SWEEP_AT_MOST = 1_000

# A row whose time has run out counts as none, and so does one whose time is none that anybody may give.
_LIVES = f"standing.expires_at > :now AND standing.expires_at <= :now + {_LONGEST_TTL}"

_INCREMENT = f"""
INSERT INTO flowcraft.coordination AS standing (key, counter, expires_at) VALUES (%(key)s, 1, :now + %(ttl)s)
ON CONFLICT (key) DO UPDATE SET
    counter = CASE WHEN {_LIVES} THEN least(coalesce(standing.counter, 0), {_MOST} - 1) + 1 ELSE 1 END,
    expires_at = CASE WHEN {_LIVES} THEN standing.expires_at ELSE excluded.expires_at END,
    value = NULL, members = NULL
RETURNING counter
"""

_SET_IF_ABSENT = f"""
INSERT INTO flowcraft.coordination AS standing (key, value, expires_at) VALUES (%(key)s, %(value)s, :now + %(ttl)s)
ON CONFLICT (key) DO UPDATE SET
    value = excluded.value, expires_at = excluded.expires_at, counter = NULL, members = NULL
WHERE NOT ({_LIVES})
RETURNING true
"""

_ADD_MEMBERS = f"""
INSERT INTO flowcraft.coordination AS standing (key, members, expires_at)
VALUES (%(key)s, %(members)b::text[], :now + %(ttl)s)
ON CONFLICT (key) DO UPDATE SET
    members = CASE WHEN {_LIVES} AND standing.members IS NOT NULL
        THEN ARRAY(SELECT DISTINCT unnest(standing.members || excluded.members)) ELSE excluded.members END,
    expires_at = excluded.expires_at, value = NULL, counter = NULL
RETURNING cardinality(members)
"""

_EXTEND = f"""
UPDATE flowcraft.coordination AS standing SET expires_at = :now + %(ttl)s
WHERE key = %(key)s AND value = %(value)s AND {_LIVES} RETURNING true
"""

_READ = f"""
SELECT coalesce(value, counter::text), members FROM flowcraft.coordination AS standing
WHERE key = %(key)s AND {_LIVES}
"""

_SWEEP = f"""
DELETE FROM flowcraft.coordination WHERE key IN (
    SELECT key FROM flowcraft.coordination WHERE expires_at <= :now LIMIT {_SWEEP_AT_MOST} FOR UPDATE SKIP LOCKED
)
"""


class PostgresCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore`` in PostgreSQL.

    Its table has no log, so that its writes do not wait for the disk; it is empty after a crash or a failover of the
    server. Writes remove what has expired in passing.
    """

    def __init__(self, database: Database) -> None:
        """Use a database that may not be open yet."""
        self._database = database
        self._sweep_at = 0.0

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum."""
        ((count,),) = await self._write(_INCREMENT, key, ttl=ttl)
        return int(count)

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none."""
        return bool(await self._write(_SET_IF_ABSENT, key, value=escaped(value), ttl=ttl))

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, and return how many members it has."""
        distinct = sorted({escaped(member) for member in members})
        ((size,),) = await self._write(_ADD_MEMBERS, key, members=distinct, ttl=ttl)
        return int(size)

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set."""
        rows = await self._database.run(_READ, key=indexed(key))
        return frozenset(unescaped(member) for _, members in rows for member in members or () if member is not None)

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value."""
        return bool(await self._write(_EXTEND, key, value=escaped(value), ttl=ttl))

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has."""
        statement = "DELETE FROM flowcraft.coordination AS standing WHERE key = %(key)s"
        if value is None:
            await self._write(statement, key)
        else:
            await self._write(f"{statement} AND value = %(value)s AND {_LIVES}", key, value=escaped(value))

    async def get(self, key: str) -> str | None:
        """The value of a key, or a counter's sum as text."""
        rows = await self._database.run(_READ, key=indexed(key))
        return None if not rows or rows[0][0] is None else unescaped(rows[0][0])

    async def _write(self, statement: str, key: str, **parameters: Any) -> list[tuple[Any, ...]]:
        stored = indexed(key)
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_EVERY
            await self._database.run(_SWEEP)
        return await self._database.run(statement, key=stored, **parameters)

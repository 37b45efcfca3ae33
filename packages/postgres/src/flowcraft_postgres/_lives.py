"""Who receives from a database, and whether they live still: each holds a lock that ends with its session.

The session is the one that listens for notifications. It holds a shared advisory lock on a number of the receiver's
own, and the number is in the table ``receivers`` for as long. Whoever could have such a lock for itself alone, and
could have had it a second before, knows that no session of the other's is left: its process is dead, however it died.
One that is stopped, or slow, or waits for a debugger, has its session.

A session can also end while its process lives. So the other is given that second to come back, which it does at once
where it finds the server; a number that was written before the server began counts for nobody (and after a crash or a
failover there are none: the table has no log); and who has lost a session itself believes in no death for a while. The
lock is shared, since a session that the server has not missed yet may have it still. Who is taken for dead nevertheless
finds that it holds its messages no more, as if their visibility had ended, and steps may be executed twice, as then.

Behind a pooler that gives each transaction another connection nobody has a session, nor is a number written.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

import psycopg

from ._connections import Connection
from ._database import Database

#: A token is its holder's number and what is drawn anew at each receipt: so many bits.
DRAWN = 38

# Holders are numbered from 1 to below this. Two of one number are known to be dead once both are.
_MOST_HOLDERS = 2**24

#: Seconds between two looks at the others; who has no session in two looks, one after the other, is dead.
LOOK_EVERY = 1.0

# For how long who has lost a session believes in no death, seconds: others that have lost theirs take this long at most
# to come back (see the pauses of ``Listener``).
_SETTLES = 15.0

_LOCK = "hashtextextended('flowcraft receiver ' || %(schema)s::text || ' ' || number::text, 0)"

_BEGIN = f"SELECT pg_advisory_lock_shared({_LOCK}) FROM (VALUES (%(own)s::int8)) AS given (number)"

_WRITE = """
INSERT INTO flowcraft.receivers AS standing (number) VALUES (%(own)s)
ON CONFLICT (number) DO UPDATE SET server_began = excluded.server_began
"""

_HAS_NO_SESSION = f"server_began = pg_postmaster_start_time() AND pg_try_advisory_xact_lock({_LOCK})"

_LOOK = f"SELECT number FROM flowcraft.receivers WHERE number <> %(own)s AND {_HAS_NO_SESSION}"

# The locks are kept until it is committed: who comes back meanwhile waits, and writes its number again.
_BURY = f"""
WITH buried AS (
    DELETE FROM flowcraft.receivers WHERE number = ANY(%(numbers)s::int8[]) AND {_HAS_NO_SESSION} RETURNING number
)
UPDATE flowcraft.jobs AS jobs SET visible_at = :now, token = NULL FROM buried
WHERE jobs.token >> {DRAWN} = buried.number
RETURNING set_config('synchronous_commit', 'off', true)
"""


class Lives:
    """The life of one who receives, and a look at those of the others.

    Attributes:
        holder: Its number, for its tokens; 0 for one who cannot be known to live just now.
    """

    def __init__(self, database: Database) -> None:
        """Be nobody yet."""
        self._database = database
        self.holder, self._number = 0, _drawn_number()
        self._had_a_session, self._believes_from = False, 0.0
        self._missing: set[int] = set()

    async def begin(self, connection: Connection) -> None:
        """Be known to live from now on, by a session; also by another one in the place of one that was lost.

        Where the server refuses it, because a right is missing, say, nobody is known to live, or to be dead.

        Raises:
            psycopg.Error: The connection was lost.
        """
        self._missing = set()
        if self._had_a_session:
            self._believes_from = time.monotonic() + _SETTLES
        try:
            await self._run(connection, _BEGIN)
            await self._run(connection, _WRITE)
        except psycopg.Error:
            if connection.broken:
                raise
        else:
            self.holder, self._had_a_session = self._number, True

    def interrupt(self) -> None:
        """The session was lost: what is taken now is nobody's, until there is another one."""
        self.holder = 0

    async def look(self, connection: Connection) -> bool:
        """Make visible what the dead hold; whether there was anything. To be called every ``LOOK_EVERY`` seconds.

        Raises:
            psycopg.Error: As the server or the network says.
        """
        if not self.holder or time.monotonic() < self._believes_from:
            return False
        missing = {number for (number,) in await self._run(connection, _LOOK)}
        dead, self._missing = missing & self._missing, missing - self._missing
        return bool(dead and await self._run(connection, _BURY, numbers=list(dead)))

    async def end(self) -> None:
        """Be nobody any more.

        Raises:
            BackendError: As for ``Database.run``.
        """
        held, number = self.holder, self._number
        self.holder, self._number, self._had_a_session, self._believes_from = 0, _drawn_number(), False, 0.0
        if held:
            await self._database.run("DELETE FROM flowcraft.receivers WHERE number = %(own)s", own=number)

    async def _run(self, connection: Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        given = {"own": self._number, "schema": self._database.settings.schema, **parameters}
        placed = self._database.placed(statement).encode()
        cursor = await connection.execute(placed, self._database.with_time(statement, given))
        return await cursor.fetchall() if cursor.description is not None else []


def _drawn_number() -> int:
    return 1 + secrets.randbelow(_MOST_HOLDERS - 1)

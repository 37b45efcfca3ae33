"""Queues by name: rows of one table, told apart by a column."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from flowcraft_core.clock import Clock
from flowcraft_core.errors import UnknownQueueError
from flowcraft_core.queues import DEFAULT_QUEUE, is_queue_name, not_a_queue

from ._database import Database
from ._lives import Lives
from .queue import SqliteJobQueue

# From one name to the next by the index, however many rows each has.
_NAMES = """
WITH RECURSIVE found (name) AS (
    SELECT min(queue) FROM jobs
    UNION ALL SELECT (SELECT min(queue) FROM jobs WHERE queue > name) FROM found WHERE name IS NOT NULL
) SELECT name FROM found WHERE name IS NOT NULL
"""


class SqliteNamedQueues:
    """A ``flowcraft_core.ports.NamedQueues`` in an SQLite file. Any name will do."""

    def __init__(self, database: Database, clock: Clock, lives: Lives) -> None:
        """Use a file that may not be open yet."""
        self._database = database
        self._clock = clock
        self._lives = lives
        self._made: dict[str, SqliteJobQueue] = {}

    def named(self, name: str) -> SqliteJobQueue:
        """The queue of a name."""
        if not is_queue_name(name):
            raise UnknownQueueError(not_a_queue("what names a queue of SqliteBackend", name))
        if name not in self._made:
            self._made[name] = SqliteJobQueue(self._database, self._clock, self._lives, name)
        return self._made[name]

    async def names(self) -> Sequence[str]:
        """Those that have messages."""

        def select(connection: sqlite3.Connection) -> list[str]:
            return [name for (name,) in connection.execute(_NAMES) if is_queue_name(name) and name != DEFAULT_QUEUE]

        return await self._database.read(select)

"""Queues by name: rows of one table, told apart by a column."""

from __future__ import annotations

from collections.abc import Sequence

from flowcraft_core.errors import UnknownQueueError
from flowcraft_core.queues import DEFAULT_QUEUE, is_queue_name, not_a_queue

from ._database import Database
from ._listener import Listener
from .queue import PostgresJobQueue

# From one name to the next by the index, however many rows each has.
_NAMES = """
WITH RECURSIVE found (name) AS (
    SELECT min(queue) FROM flowcraft.jobs
    UNION ALL SELECT (SELECT min(queue) FROM flowcraft.jobs WHERE queue > name) FROM found WHERE name IS NOT NULL
) SELECT name FROM found WHERE name IS NOT NULL
"""


class PostgresNamedQueues:
    """A ``flowcraft_core.ports.NamedQueues`` in PostgreSQL. Any name will do."""

    def __init__(self, database: Database, listener: Listener) -> None:
        """Use a database that may not be open yet."""
        self._database = database
        self._listener = listener
        self._made: dict[str, PostgresJobQueue] = {}

    def named(self, name: str) -> PostgresJobQueue:
        """The queue of a name."""
        if not is_queue_name(name):
            raise UnknownQueueError(not_a_queue("what names a queue of PostgresBackend", name))
        if name not in self._made:
            self._made[name] = PostgresJobQueue(self._database, self._listener, name)
        return self._made[name]

    async def names(self) -> Sequence[str]:
        """Those that have messages."""
        found = await self._database.run(_NAMES)
        return [name for (name,) in found if is_queue_name(name) and name != DEFAULT_QUEUE]

"""Runs that begin by one operation: their record, their status and their first message, in one commit."""

from __future__ import annotations

import sqlite3

from flowcraft_core.clock import Clock
from flowcraft_core.ports import Fact, Message, RunStatus
from flowcraft_core.queues import DEFAULT_QUEUE

from ._database import Database
from .context import insert_fact, require_room
from .queue import SqliteJobQueue, insert_messages, require_messages
from .queues import SqliteNamedQueues
from .status import insert_status, size_of, stored_status


class SqliteStarts:
    """A ``flowcraft_core.ports.Starts`` in an SQLite file."""

    def __init__(self, database: Database, clock: Clock, queue: SqliteJobQueue, queues: SqliteNamedQueues) -> None:
        """Use a file that may not be open yet.

        Args:
            database: The file.
            clock: What delays go by.
            queue: Whose receivers are woken.
            queues: Likewise, by name.
        """
        self._database, self._clock, self._queue, self._queues = database, clock, queue, queues

    async def begin(
        self,
        run_id: str,
        key: str,
        fact: Fact,
        status: RunStatus,
        message: Message,
        *,
        delay: float = 0.0,
        queue: str = DEFAULT_QUEUE,
    ) -> Fact | None:
        """Store a fact, a status and a message if there is no fact under the key; else return the one that stands."""
        require_room(fact.body, f"the fact {key!r} of run {run_id!r}")
        require_messages([message], delay)
        row = stored_status(status)
        there = self._queue if queue == DEFAULT_QUEUE else self._queues.named(queue)

        def begin(connection: sqlite3.Connection) -> Fact | None:
            standing = insert_fact(connection, run_id, key, fact)
            if standing is None:
                insert_status(connection, row)
                insert_messages(connection, queue, self._clock.now() + delay, [message.body])
            return standing

        size = len(fact.body) + len(message.body) + size_of(status)
        standing = await self._database.write(begin, synced=True, size=size)
        if standing is None:
            there.announce()
        return standing

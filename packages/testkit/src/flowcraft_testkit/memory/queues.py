"""Queues by name in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowcraft_core.queues import is_queue_name

from .connection import Connection, check
from .queue import InMemoryJobQueue, MessageStore


class QueueTable:
    """The messages of all queues but the default one, which all clients share. Any name will do."""

    def __init__(self, new: Callable[[], MessageStore]) -> None:
        self._new = new
        self.stores: dict[str, MessageStore] = {}

    def of(self, name: str) -> MessageStore:
        """The messages of a queue."""
        if name not in self.stores:
            self.stores[name] = self._new()
        return self.stores[name]

    def names(self) -> list[str]:
        """The queues that have messages."""
        return sorted(name for name, store in self.stores.items() if store.holds)


class InMemoryNamedQueues:
    """A ``NamedQueues`` on a ``QueueTable``."""

    def __init__(self, connection: Connection, table: QueueTable) -> None:
        self._connection, self._table = connection, table
        self._made: dict[str, InMemoryJobQueue] = {}

    def named(self, name: str) -> InMemoryJobQueue:
        """See ``NamedQueues.named``."""
        check(is_queue_name(name), f"{name!r} is no queue's name")
        if name not in self._made:
            self._made[name] = InMemoryJobQueue(self._connection, self._table.of(name))
        return self._made[name]

    async def names(self) -> Sequence[str]:
        """See ``NamedQueues.names``."""
        return await self._connection.request(self._table.names)

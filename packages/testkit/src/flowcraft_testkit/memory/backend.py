"""The backend in memory, and what all of its clients share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Self

import attrs
from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.diagnosis import REFUSED, UNREACHABLE
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.ports import (
    ContextStore,
    CoordinationStore,
    Fact,
    Finding,
    HandWrittenRuns,
    JobQueue,
    NamedQueues,
    PositionedValue,
    QueueLimits,
    RunStatus,
    Starts,
    StatusStore,
    StoreLimits,
    Transactional,
)

from .by_hand import InMemoryHandWrittenRuns
from .connection import Connection, Line
from .context import InMemoryContextStore, RecordTable
from .coordination import HintTable, InMemoryCoordinationStore
from .queue import InMemoryJobQueue, MessageStore
from .queues import InMemoryNamedQueues, QueueTable
from .records import Record
from .starts import InMemoryStarts
from .status import InMemoryStatusStore, OrderedStatusStore, StatusTable
from .transactions import InMemoryTransaction, InMemoryTransactions, Shared
from .weaknesses import CLOUD_QUEUE, CLOUD_STORE, Weaknesses


class _World:
    """What is stored, for all clients."""

    def __init__(
        self, clock: Clock, queue_limits: QueueLimits, store_limits: StoreLimits, weaknesses: Weaknesses, random: Random
    ) -> None:
        # Without their parameter, which costs more than they do: one is made for each step.
        new_fact: Callable[[], Record[Fact]] = partial(Record, clock, random, weaknesses.staleness)
        new_value: Callable[[], Record[PositionedValue]] = partial(Record, clock, random, weaknesses.staleness)
        new_status: Callable[[], Record[RunStatus]] = partial(Record, clock, random, weaknesses.index_lag)
        self.messages = MessageStore(clock, random, weaknesses, queue_limits)
        self.queues = QueueTable(partial(MessageStore, clock, random, weaknesses, queue_limits))
        self.facts = RecordTable(new_fact)
        self.values = RecordTable(new_value)
        self.store_limits = attrs.evolve(store_limits, staleness=weaknesses.staleness)
        self.statuses = StatusTable(new_status, weaknesses.page_size)
        self.unordered = weaknesses.unordered
        self.hints = HintTable(clock)
        self.initial_contexts: dict[str, Mapping[str, Any]] = {}
        self.line = Line()
        self.apart, self.single, self.piecemeal = weaknesses.apart, weaknesses.single, weaknesses.piecemeal
        self.shared = Shared(
            self.facts, self.values, self.statuses, self.messages, self.queues, self.store_limits, self.line
        )


class InMemoryBackend:
    """A ``Backend`` in memory, by default as weak as the weakest cloud. It uses no threads and no time but the clock's.

    The same seed, clock and calls give the same answers. Another client of what is stored, as another process has one,
    comes from ``connect``; what is stored lasts as long as one of them. ``async with`` opens and closes a client.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore
    by_hand: HandWrittenRuns
    queues: NamedQueues | None
    starts: Starts | None
    transactional: Transactional | None
    name = "memory"

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        queue_limits: QueueLimits = CLOUD_QUEUE,
        store_limits: StoreLimits = CLOUD_STORE,
        weaknesses: Weaknesses | None = None,
        seed: int | Random = 0,
    ) -> None:
        """Store nothing yet.

        Args:
            clock: Tells delays, visibility and times to live; the machine's by default.
            queue_limits: What the queue can take.
            store_limits: What the context store can take; its staleness is that of the weaknesses.
            weaknesses: What it may do to its users; by default what the weakest cloud does, ``Weaknesses.none()`` for
                a strong backend.
            seed: Of every chance that it takes, or the dice themselves.
        """
        weaknesses = weaknesses or Weaknesses()
        random = seed if isinstance(seed, Random) else Random(seed)  # noqa: S311 - chance that can be repeated
        self._join(_World(clock or SystemClock(), queue_limits, store_limits, weaknesses, random), Connection())

    def connect(self, connection: Connection | None = None) -> Self:
        """Another client of what is stored, not yet open.

        Args:
            connection: How its requests are made; at once by default.
        """
        client = type(self).__new__(type(self))
        client._join(self._world, connection or Connection())
        return client

    async def open(self) -> None:
        """Bind to the running event loop.

        Raises:
            BackendError: It is open already.
        """
        self._connection.open()

    async def close(self) -> None:
        """Let go of the event loop. What was sent and stored stays, and the client may be opened again."""
        self._connection.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def diagnose(self) -> Sequence[Finding]:
        """Whether it can be reached; see ``flowcraft_core.ports.Diagnosable``. There is nothing to set up."""
        await asyncio.sleep(0)
        try:
            self._connection.line.check(self._connection.line.begin())
        except TransientError as error:
            return [UNREACHABLE.found(why=error)]
        except BackendError as error:
            return [REFUSED.found(why=error)]
        return []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[InMemoryTransaction]:
        """A program's own connection, in a transaction that an ``async with`` block is; see ``Transactional``."""
        transaction = InMemoryTransaction(self._world.shared)
        try:
            yield transaction
            transaction.commit()
        finally:
            transaction.has_ended = True

    @property
    def rows(self) -> Sequence[str]:
        """What programs have stored by their transactions, in the order of their commits."""
        return tuple(self._world.shared.rows)

    @property
    def holds(self) -> int:
        """How many messages there are in all of its queues, delayed and held ones too."""
        return sum(store.holds for store in (self._world.messages, *self._world.queues.stores.values()))

    @property
    def last_due(self) -> float:
        """When the last message in all of its queues is visible, seconds since the epoch; 0 if there is none."""
        stores = (self._world.messages, *self._world.queues.stores.values())
        return max((store.last_due for store in stores), default=0.0)

    @property
    def left(self) -> list[str]:
        """The bodies of the messages in all of its queues that nobody has received, delayed ones too."""
        stores = (self._world.messages, *self._world.queues.stores.values())
        return [body for store in stores for body in store.left]

    def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """Write a run's initial context as people do who begin runs without a client; its messages are theirs to send.

        Args:
            run_id: The run.
            context: JSON data by name.
        """
        self._world.initial_contexts[run_id] = context

    def lose_messages(self) -> None:
        """Lose every message, delayed and held ones too, as a queue may; runs must survive it."""
        for messages in (self._world.messages, *self._world.queues.stores.values()):
            messages.clear()

    def lose_coordination(self) -> None:
        """Lose every counter, lease and set, as a coordination store may; runs must survive it."""
        self._world.hints.clear()

    def cut_connections(self) -> None:
        """Break off every request that is under way, of all clients: each may have been carried out, or not."""
        self._world.line.cut()

    def take_down(self) -> None:
        """Have no client reach what is stored until ``bring_up``: every request is a ``TransientError``."""
        self._world.line.is_up = False

    def bring_up(self) -> None:
        """Have requests be answered again; nothing was lost meanwhile."""
        self._world.line.is_up = True

    def refuse(self) -> None:
        """Refuse every request of every client from now on with a ``BackendError``, as who has lost its rights is."""
        self._world.line.refuses = True

    def _join(self, world: _World, connection: Connection) -> None:
        self._world = world
        connection.line = world.line
        self._connection = connection
        self.queue = InMemoryJobQueue(connection, world.messages)
        self.queues = None if world.single else InMemoryNamedQueues(connection, world.queues)
        self.context = InMemoryContextStore(connection, world.facts, world.values, world.store_limits)
        kind = InMemoryStatusStore if world.unordered else OrderedStatusStore
        self.status = kind(connection, world.statuses)
        self.coordination = InMemoryCoordinationStore(connection, world.hints)
        self.by_hand = InMemoryHandWrittenRuns(connection, world.initial_contexts, world.statuses)
        self.starts = None if world.piecemeal else InMemoryStarts(connection, world.shared)
        self.transactional = None if world.apart else InMemoryTransactions(connection, world.shared)

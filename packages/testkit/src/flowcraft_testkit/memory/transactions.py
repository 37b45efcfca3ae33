"""Transactions in memory: what is written in one is its own until it commits, and then everybody's at once."""

from __future__ import annotations

import bisect
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import attrs
from flowcraft_core.errors import ConfigurationError, TransientError
from flowcraft_core.ports import ContextStore, Message, StatusStore, StoreLimits
from flowcraft_core.queues import DEFAULT_QUEUE

from .connection import Connection, Line
from .context import InMemoryContextStore, RecordTable
from .queue import InMemoryJobQueue, MessageStore
from .queues import QueueTable
from .records import Record
from .status import InMemoryStatusStore, StatusTable

K = TypeVar("K")
T = TypeVar("T")


class _Own(dict[K, Record[T]], Generic[K, T]):
    """Records as a transaction sees them: a copy of each that it has looked at, and all others as they are."""

    def __init__(self, others: dict[K, Record[T]]) -> None:
        super().__init__()
        self._others = others
        self._found: dict[K, T | None] = {}

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._others

    def __missing__(self, key: K) -> Record[T]:
        self._found[key] = self._others[key].newest
        self[key] = self._others[key].copy()
        return self[key]

    def get(self, key: K, default: Any = None) -> Any:
        """As of any dict."""
        return self[key] if key in self else default  # noqa: SIM401 - that would be this

    def setdefault(self, key: K, default: Any = None) -> Any:
        """As of any dict."""
        if key not in self:
            self[key] = default
        return self[key]

    @property
    def changed(self) -> list[K]:
        """What this transaction has written."""
        return [key for key, record in self.items() if record.newest is not self._found.get(key)]

    def require_unchanged(self) -> None:
        """See to it that nobody else has written what this has written, too.

        Raises:
            TransientError: Somebody has.
        """
        for key in self.changed:
            standing = self._others[key].newest if key in self._others else None
            if standing is not self._found.get(key):
                raise TransientError("another transaction was in the way")

    def store(self) -> list[K]:
        """Make it everybody's; what is new in it."""
        new = [key for key in self.changed if key not in self._others]
        self._others.update({key: self[key] for key in self.changed})
        return new


@attrs.define(eq=False)
class Shared:
    """What transactions are on.

    Attributes:
        facts: The facts.
        values: The context values.
        statuses: The statuses.
        messages: The messages.
        queues: Those of queues by name.
        limits: Of the context store.
        rows: What programs have stored there beside it.
        line: The way there.
    """

    facts: RecordTable[Any]
    values: RecordTable[Any]
    statuses: StatusTable
    messages: MessageStore
    queues: QueueTable
    limits: StoreLimits
    line: Line
    rows: list[str] = attrs.field(factory=list)


class InMemoryTransaction:
    """A program's connection to what is in memory, in a transaction.

    Attributes:
        rows: What the program stores by it: add to it.
    """

    def __init__(self, shared: Shared) -> None:
        self.rows: list[str] = []
        self.has_ended = False
        self._shared = shared
        self._begun = shared.line.begin()
        self.facts, self.values = copy.copy(shared.facts), copy.copy(shared.values)
        self.statuses = copy.copy(shared.statuses)
        self._facts: _Own[Any, Any] = _Own(shared.facts._records)
        self._values: _Own[Any, Any] = _Own(shared.values._records)
        self._statuses: _Own[Any, Any] = _Own(shared.statuses._records)
        self.facts._records, self.values._records = self._facts, self._values
        self.statuses._records, self.statuses._order = self._statuses, list(shared.statuses._order)
        self.sent: list[tuple[MessageStore, Sequence[Message], float]] = []

    def check(self) -> None:
        """Whether it goes on.

        Raises:
            TransientError: Its connection was cut, or nothing can be reached.
            ConfigurationError: It has ended.
        """
        if self.has_ended:
            raise ConfigurationError("this connection is in no transaction: it has ended")
        self._shared.line.check(self._begun)

    def commit(self) -> None:
        """Store all of it."""
        self.check()
        for own in (self._facts, self._values, self._statuses):
            own.require_unchanged()
        self._facts.store()
        self._values.store()
        for run_id in self._statuses.store():
            bisect.insort(self._shared.statuses._order, run_id)
        for store, messages, delay in self.sent:
            store.add(messages, delay)
        self._shared.rows += self.rows


class InMemoryTransactions:
    """A ``Transactional`` in memory, for transactions of ``InMemoryBackend.transaction`` and its own."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        self._connection, self._shared = connection, shared

    def joined(self, connection: InMemoryTransaction) -> InMemoryJoined:
        """See ``Transactional.joined``."""
        if not isinstance(connection, InMemoryTransaction):
            raise ConfigurationError(
                f"InMemoryBackend needs a connection of its transaction(), not {connection!r:.100}"
            )
        if connection.has_ended:
            raise ConfigurationError("the connection is in no transaction: it has ended")
        return InMemoryJoined(self._connection, connection, self._shared)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryTransaction]:
        """See ``Transactional.begin``."""
        transaction = await self._connection.request(InMemoryTransaction, self._shared)
        try:
            try:
                yield transaction
            except BaseException as error:
                try:
                    transaction.check()
                except TransientError as lost:
                    raise lost from error
                raise
            await self._connection.request(transaction.commit)
        finally:
            transaction.has_ended = True


class InMemoryJoined:
    """The ports that store, in a transaction."""

    context: ContextStore
    status: StatusStore

    def __init__(self, connection: Connection, transaction: InMemoryTransaction, shared: Shared) -> None:
        within = _Within(connection, transaction)
        self.context = InMemoryContextStore(within, transaction.facts, transaction.values, shared.limits)
        self.status = InMemoryStatusStore(within, transaction.statuses)
        self._within, self._transaction, self._shared = within, transaction, shared

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0, queue: str = DEFAULT_QUEUE) -> None:
        """See ``Joined.send``."""
        store = self._shared.messages if queue == DEFAULT_QUEUE else self._shared.queues.of(queue)
        await InMemoryJobQueue(self._within, _Kept(store, self._transaction)).send(messages, delay=delay)


class _Within(Connection):
    """A client's connection, for requests that are part of a transaction."""

    def __init__(self, connection: Connection, transaction: InMemoryTransaction) -> None:
        super().__init__()
        self._outer, self._transaction = connection, transaction

    async def request(self, effect: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        def checked() -> T:
            self._transaction.check()
            return effect(*args, **kwargs)

        return await self._outer.request(checked)


class _Kept(MessageStore):
    """Keeps messages until their transaction has committed."""

    def __init__(self, messages: MessageStore, transaction: InMemoryTransaction) -> None:
        self.clock, self.limits = messages.clock, messages.limits
        self._later, self._transaction = messages, transaction

    def add(self, messages: Sequence[Message], delay: float) -> None:
        self._transaction.sent.append((self._later, messages, delay))

"""Counts what a backend is asked for, in requests as a cloud bills them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from flowcraft_core.durable import diagnose
from flowcraft_core.ports import (
    Backend,
    ContextStore,
    CoordinationStore,
    Delivery,
    Fact,
    FinalState,
    Finding,
    HandWrittenRuns,
    JobQueue,
    Message,
    NamedQueues,
    Page,
    PositionedValue,
    RunStatus,
    Starts,
    State,
    StatusStore,
    Transactional,
)


class Tally:
    """Requests and bytes by operation."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def add(self, operation: str, *, items: int = 1, per_request: int = 1, written: int = 0) -> None:
        """Count one call.

        Args:
            operation: The port and the method, with a dot between.
            items: What it was called with; without any there is no request.
            per_request: How many of them go into a request.
            written: Bytes of bodies that it asked to store.
        """
        self.requests[operation] += -(-items // per_request)
        self.bytes[operation] += written

    def counted(self, port_name: str, port: object, name: str) -> Callable[..., Awaitable[Any]]:
        """A method that is a power of a port; counted as a request.

        Raises:
            AttributeError: The port has not that power.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        power = getattr(port, name)

        async def call(*args: Any, **options: Any) -> Any:
            self.add(f"{port_name}.{name}")
            return await power(*args, **options)

        return call


class CountingBackend:
    """A ``Backend`` that passes every call on to another one and counts it, whether or not it succeeds.

    A call with many items counts as the requests that a cloud needs for them: by the limits of the ports where they
    have one (``max_send`` for extending, acknowledging and releasing too, ``max_keys_read``), and else one per key.
    ``queue.receive`` are the receives that brought something, ``queue.receive.empty`` the others; one that waits
    counts once, as a long poll does.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore

    def __init__(self, backend: Backend) -> None:
        """Count from zero.

        Args:
            backend: The one that does the work; opened and closed with this one.
        """
        self._backend = backend
        self._tally = tally = Tally()
        self.queue = CountingJobQueue(backend.queue, tally)
        self.context = CountingContextStore(backend.context, tally)
        self.status = CountingStatusStore(backend.status, tally)
        self.coordination = CountingCoordinationStore(backend.coordination, tally)
        named: NamedQueues | None = getattr(backend, "queues", None)
        self.queues = None if named is None else CountingQueues(named, tally)
        starts: Starts | None = getattr(backend, "starts", None)
        self.starts = None if starts is None else CountingStarts(starts, tally)
        #: Powers that are passed on as they are, and not counted. This one is asked once per run begun by hand.
        self.by_hand: HandWrittenRuns | None = getattr(backend, "by_hand", None)
        #: What is done in a transaction goes by the step's own connection.
        self.transactional: Transactional | None = getattr(backend, "transactional", None)

    async def diagnose(self) -> Sequence[Finding]:
        """What is wrong with the backend; not counted."""
        return await diagnose(self._backend)

    async def open(self) -> None:
        """Open the backend; not counted."""
        await self._backend.open()

    async def close(self) -> None:
        """Close the backend; not counted."""
        await self._backend.close()

    def counts(self) -> Mapping[str, int]:
        """Requests by operation (``queue.send``, ``context.put``, ...), as they are now; what was not used is left out.

        ``sum(backend.counts().values())`` is all of them.
        """
        return {operation: number for operation, number in sorted(self._tally.requests.items()) if number}

    def bytes_written(self) -> Mapping[str, int]:
        """Bytes by operation: of messages, facts and values; keys and statuses are not counted."""
        return {operation: number for operation, number in sorted(self._tally.bytes.items()) if number}

    def reset(self) -> None:
        """Count from zero again."""
        self._tally.requests.clear()
        self._tally.bytes.clear()


class CountingQueues:
    """A ``NamedQueues`` whose queues count, together with the default one."""

    def __init__(self, queues: NamedQueues, tally: Tally) -> None:
        self._queues, self._tally = queues, tally

    def named(self, name: str) -> CountingJobQueue:
        """See ``NamedQueues.named``."""
        return CountingJobQueue(self._queues.named(name), self._tally)

    async def names(self) -> Sequence[str]:
        """See ``NamedQueues.names``; one request."""
        self._tally.add("queues.names")
        return await self._queues.names()


class CountingStarts:
    """A ``Starts`` that counts."""

    def __init__(self, starts: Starts, tally: Tally) -> None:
        self._starts, self._tally = starts, tally

    async def begin(
        self, run_id: str, key: str, fact: Fact, status: RunStatus, message: Message, **options: Any
    ) -> Fact | None:
        """See ``Starts.begin``; one request."""
        self._tally.add("starts.begin", written=len(fact.body) + len(message.body.encode()))
        return await self._starts.begin(run_id, key, fact, status, message, **options)


class CountingJobQueue:
    """A ``JobQueue`` that counts."""

    def __init__(self, queue: JobQueue, tally: Tally) -> None:
        self.limits = queue.limits
        self._queue = queue
        self._tally = tally

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """See ``JobQueue.send``."""
        written = sum(len(message.body.encode()) for message in messages)
        self._add("queue.send", messages, written)
        await self._queue.send(messages, delay=delay)

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """See ``JobQueue.receive``."""
        found: Sequence[Delivery] = ()
        try:
            found = await self._queue.receive(max_messages=max_messages, wait=wait, visibility=visibility)
        finally:
            self._tally.add("queue.receive" if found else "queue.receive.empty")
        return found

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """See ``JobQueue.extend``."""
        self._add("queue.extend", deliveries)
        return await self._queue.extend(deliveries, visibility)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue.acknowledge``."""
        self._add("queue.acknowledge", deliveries)
        await self._queue.acknowledge(deliveries)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue.release``."""
        self._add("queue.release", deliveries)
        await self._queue.release(deliveries)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Its powers, each call of which is a request."""
        return self._tally.counted("queue", self._queue, name)

    def _add(self, operation: str, items: Sequence[object], written: int = 0) -> None:
        self._tally.add(operation, items=len(items), per_request=self.limits.max_send, written=written)


class CountingContextStore:
    """A ``ContextStore`` that counts."""

    def __init__(self, store: ContextStore, tally: Tally) -> None:
        self.limits = store.limits
        self._store = store
        self._tally = tally

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """See ``ContextStore.put``."""
        self._tally.add("context.put", written=len(fact.body))
        return await self._store.put(run_id, key, fact)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """See ``ContextStore.get``."""
        self._tally.add("context.get", items=len(keys), per_request=self.limits.max_keys_read)
        return await self._store.get(run_id, keys)

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """See ``ContextStore.apply``."""
        written = sum(len(value.body or b"") for value in values.values())
        self._tally.add("context.apply", items=len(values), written=written)
        await self._store.apply(run_id, values)

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """See ``ContextStore.values``."""
        self._tally.add("context.values", items=len(names), per_request=self.limits.max_keys_read)
        return await self._store.values(run_id, names)

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """See ``ContextStore.delete``."""
        self._tally.add("context.delete", items=len(keys) + len(names))
        await self._store.delete(run_id, keys=keys, names=names)


class CountingStatusStore:
    """A ``StatusStore`` that counts."""

    def __init__(self, store: StatusStore, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    async def create(self, status: RunStatus) -> bool:
        """See ``StatusStore.create``."""
        self._tally.add("status.create")
        return await self._store.create(status)

    async def get(self, run_id: str) -> RunStatus | None:
        """See ``StatusStore.get``."""
        self._tally.add("status.get")
        return await self._store.get(run_id)

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """See ``StatusStore.touch``."""
        self._tally.add("status.touch")
        return await self._store.touch(run_id, at=at, next_check=next_check, state=state)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """See ``StatusStore.finish``."""
        self._tally.add("status.finish")
        return await self._store.finish(run_id, state, at=at, reason=reason)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """See ``StatusStore.find``."""
        self._tally.add("status.find")
        return await self._store.find(state=state, due_before=due_before, cursor=cursor, limit=limit)

    async def delete(self, run_id: str) -> None:
        """See ``StatusStore.delete``."""
        self._tally.add("status.delete")
        await self._store.delete(run_id)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Its powers, each call of which is a request."""
        return self._tally.counted("status", self._store, name)


class CountingCoordinationStore:
    """A ``CoordinationStore`` that counts."""

    def __init__(self, store: CoordinationStore, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    async def increment(self, key: str, *, ttl: float) -> int:
        """See ``CoordinationStore.increment``."""
        self._tally.add("coordination.increment")
        return await self._store.increment(key, ttl=ttl)

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """See ``CoordinationStore.set_if_absent``."""
        self._tally.add("coordination.set_if_absent")
        return await self._store.set_if_absent(key, value, ttl=ttl)

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """See ``CoordinationStore.add_members``."""
        self._tally.add("coordination.add_members")
        return await self._store.add_members(key, *members, ttl=ttl)

    async def members(self, key: str) -> frozenset[str]:
        """See ``CoordinationStore.members``."""
        self._tally.add("coordination.members")
        return await self._store.members(key)

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """See ``CoordinationStore.extend_ttl``."""
        self._tally.add("coordination.extend_ttl")
        return await self._store.extend_ttl(key, value, ttl=ttl)

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """See ``CoordinationStore.delete``."""
        self._tally.add("coordination.delete")
        await self._store.delete(key, value=value)

    async def get(self, key: str) -> str | None:
        """See ``CoordinationStore.get``."""
        self._tally.add("coordination.get")
        return await self._store.get(key)

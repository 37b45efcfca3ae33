"""Backends on real servers for a clock that is faster than theirs: what is seconds to the engine is less to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.durable import diagnose
from flowcraft_core.ports import Backend, CoordinationStore, Delivery, Finding, JobQueue, Message, NamedQueues
from flowcraft_testkit.contracts import FastClock


class Hastened:
    """A ``Backend`` whose queue's delays and holds, and whose coordination's times to live, are so much shorter.

    The servers' queues count in whole seconds; so each is at least one of the servers' seconds long. But where the
    clock runs faster than usual, a delay of less than one of them is none: else most of the time would be that.
    """

    def __init__(
        self,
        backend: Backend,
        clock: FastClock,
        *,
        max_delay: float,
        max_visibility: float | None = None,
        own_time: bool = False,
    ) -> None:
        """Stand between the engine and a backend.

        Args:
            backend: The one on the servers.
            clock: The engine's; its rate is its seconds per second of the servers.
            max_delay: The queue's longest delay, in the engine's seconds.
            max_visibility: For how long a message can be held from its receipt on, likewise; None for the queue's own.
            own_time: Whether keys in the coordination store expire by the servers' time, and not by the clock.
        """
        self.inner = backend
        self.queue: JobQueue = HastenedQueue(backend.queue, clock, max_delay, max_visibility)
        self.context = backend.context
        self.status = backend.status
        self.coordination: CoordinationStore = (
            _Coordination(backend.coordination, clock) if own_time else backend.coordination
        )
        self.by_hand = getattr(backend, "by_hand", None)
        named = getattr(backend, "queues", None)
        self.queues = None if named is None else HastenedQueues(named, clock, max_delay, max_visibility)

    async def diagnose(self) -> Sequence[Finding]:
        """What is wrong with the real one."""
        return await diagnose(self.inner)

    async def open(self) -> None:
        """Open the real one."""
        await self.inner.open()

    async def close(self) -> None:
        """Close the real one."""
        await self.inner.close()

    async def __aenter__(self) -> Backend:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class HastenedQueues:
    """A ``NamedQueues`` in the engine's time."""

    def __init__(self, queues: NamedQueues, clock: FastClock, *limits: Any) -> None:
        self._queues, self._clock, self._limits = queues, clock, limits

    def named(self, name: str) -> JobQueue:
        """See ``NamedQueues``."""
        return HastenedQueue(self._queues.named(name), self._clock, *self._limits)

    async def names(self) -> Sequence[str]:
        """See ``NamedQueues``."""
        return await self._queues.names()


@attrs.frozen
class _Handle:
    real: Any
    received: float


class HastenedQueue:
    """A ``JobQueue`` in the engine's time."""

    def __init__(self, queue: JobQueue, clock: FastClock, max_delay: float, max_visibility: float | None) -> None:
        longest = queue.limits.max_visibility * clock.rate if max_visibility is None else max_visibility
        self.limits = attrs.evolve(queue.limits, max_delay=max_delay, max_visibility=longest)
        self._queue, self._clock, self._usual = queue, clock, clock.rate

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """See ``JobQueue``."""
        seconds = delay / self._clock.rate
        await self._queue.send(messages, delay=seconds if self._clock.rate <= self._usual else math.floor(seconds))

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """See ``JobQueue``."""
        now = self._clock.now()
        found = await self._queue.receive(
            max_messages=max_messages, wait=wait / self._clock.rate, visibility=self._hold(visibility, now)
        )
        now = self._clock.now()
        return [attrs.evolve(delivery, handle=_Handle(delivery.handle, now)) for delivery in found]

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """See ``JobQueue``; each for as long as its receipt allows."""
        answer: list[Delivery | None] = [None] * len(deliveries)
        places: dict[float, list[int]] = {}
        for place, delivery in enumerate(deliveries):
            places.setdefault(self._hold(visibility, delivery.handle.received), []).append(place)
        for seconds, some in places.items():
            extended = await self._queue.extend([_real(deliveries[place]) for place in some], seconds)
            for place, held in zip(some, extended, strict=True):
                if held is not None:
                    received = deliveries[place].handle.received
                    answer[place] = attrs.evolve(held, handle=_Handle(held.handle, received))
        return answer

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue``."""
        await self._queue.acknowledge([_real(each) for each in deliveries])

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue``."""
        await self._queue.release([_real(each) for each in deliveries])

    def _hold(self, visibility: float, received: float) -> float:
        left = received + self.limits.max_visibility - self._clock.now()
        return max(1.0, min(visibility, left) / self._clock.rate)


def _real(delivery: Delivery) -> Delivery:
    return attrs.evolve(delivery, handle=delivery.handle.real)


class _Coordination:
    def __init__(self, store: CoordinationStore, clock: FastClock) -> None:
        self._store, self._clock = store, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any, ttl: float | None = None, **kwargs: Any) -> Any:
            if ttl is not None:
                kwargs["ttl"] = ttl / self._clock.rate
            return method(*args, **kwargs)

        return call

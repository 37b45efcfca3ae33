"""A queue in real time, for programs whose clock runs faster."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from flowcraft_core.ports import Delivery, JobQueue, Message


class ScaledQueue:
    """A ``JobQueue`` that takes seconds of a clock that runs so many times as fast as the real queue's.

    A queue counts whole seconds: what is shorter than one takes one.
    """

    def __init__(self, queue: JobQueue, rate: float, *, max_delay: float, max_visibility: float) -> None:
        """Wrap a queue.

        Args:
            queue: The real one.
            rate: Seconds of the clock per real second.
            max_delay: The longest delay, on the clock.
            max_visibility: The longest visibility, on the clock.
        """
        self._queue = queue
        self._rate = rate
        self.limits = attrs.evolve(queue.limits, max_delay=max_delay, max_visibility=max_visibility)

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """See the port."""
        await self._queue.send(messages, delay=delay / self._rate)

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """See the port."""
        return await self._queue.receive(
            max_messages=max_messages, wait=wait / self._rate, visibility=self._real(visibility)
        )

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """See the port."""
        return await self._queue.extend(deliveries, self._real(visibility))

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See the port."""
        await self._queue.acknowledge(deliveries)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See the port."""
        await self._queue.release(deliveries)

    def _real(self, visibility: float) -> float:
        return max(1.0, min(visibility, self.limits.max_visibility) / self._rate)

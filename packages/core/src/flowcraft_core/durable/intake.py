"""Takes jobs from the queues that a worker serves, those of the first before those of the next.

From one queue that is one receive after the other. Of several, each is asked in their order for what it has, without
waiting, as long as there is room; only where none has anything does each wait for a message, all at once: else a queue
would be looked at once in as many waits as there are queues. A wait that is under way is never called off, since what
it may have taken would be hidden from everybody; so its share of the room is small, and what it brings is taken when it
comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import attrs

from ..ports import Delivery, JobQueue


@attrs.frozen(eq=False)
class Served:
    """A queue that a worker serves.

    Attributes:
        name: Its name.
        queue: The queue.
    """

    name: str
    queue: JobQueue


@attrs.define(eq=False)
class Received:
    """A message that was received.

    Attributes:
        served: From where.
        delivery: The delivery.
    """

    served: Served
    delivery: Delivery


@attrs.define(eq=False)
class Intake:
    """Receives for one worker.

    Attributes:
        served: The queues, in the order of their priority.
        wait: Seconds for which one receive waits for a message.
        visibility: Seconds for which what it brings is hidden from others.
        failed: Is told of a queue that could not be asked, where another one has brought something.
        brought: Called when a wait has ended, whatever has come of it.
    """

    served: Sequence[Served]
    wait: float
    visibility: float
    failed: Callable[[Exception], None]
    brought: Callable[[], None]
    _waits: dict[str, asyncio.Task[Sequence[Delivery]]] = attrs.field(factory=dict)
    _may_have_more: bool = True  # where the last wait brought nothing, a look would bring nothing either

    @property
    def has_news(self) -> bool:
        """Whether there is something to be taken at once, whatever room there is."""
        return any(wait.done() for wait in self._waits.values())

    async def receive(self, room: int) -> list[Received]:
        """What there is for a worker with room for so many; nothing if nothing came in time.

        Raises:
            TransientError: Worth another try.
        """
        if len(self.served) == 1:
            (only,) = self.served
            return _received(only, await self._ask(only, room, self.wait))
        found, errors = await self._look(room) if self._may_have_more else self._harvest()
        if not found and not errors and room > 0:
            found, errors = await self._wait_for_all(room)
        self._may_have_more = bool(found or errors)
        if not found and errors:
            raise errors[0]
        for error in errors:
            self.failed(error)
        return found

    async def end(self) -> list[Received]:
        """Wait for the waits that are under way, and give what they bring."""
        if self._waits:
            await asyncio.wait(self._waits.values())
        found, errors = self._harvest()
        for error in errors:
            self.failed(error)
        return found

    def call_off(self) -> None:
        """End the waits that are under way; what they bring is lost for as long as it is hidden."""
        for wait in self._waits.values():
            wait.cancel()
        self._waits.clear()

    async def _ask(self, served: Served, most: int, wait: float) -> Sequence[Delivery]:
        return await served.queue.receive(max_messages=most, wait=wait, visibility=self.visibility)

    async def _look(self, room: int) -> tuple[list[Received], list[Exception]]:
        """What is there now, without waiting."""
        found, errors = self._harvest()
        for served in self.served:
            if len(found) >= room:
                break
            if served.name not in self._waits:
                try:
                    found += _received(served, await self._ask(served, room - len(found), 0.0))
                except Exception as error:  # whatever it is, the others are asked
                    errors.append(error)
        return found, errors

    async def _wait_for_all(self, room: int) -> tuple[list[Received], list[Exception]]:
        share = max(1, room // len(self.served))
        for served in self.served:
            if served.name not in self._waits:
                wait = self._waits[served.name] = asyncio.ensure_future(self._ask(served, share, self.wait))
                wait.add_done_callback(lambda _: self.brought())
        await asyncio.wait(self._waits.values(), return_when=asyncio.FIRST_COMPLETED)
        return self._harvest()

    def _harvest(self) -> tuple[list[Received], list[Exception]]:
        """What the waits that have ended have brought."""
        found: list[Received] = []
        errors: list[Exception] = []
        for served in self.served:
            wait = self._waits.get(served.name)
            if wait is None or not wait.done():
                continue
            del self._waits[served.name]
            error = asyncio.CancelledError() if wait.cancelled() else wait.exception()
            if isinstance(error, Exception):
                errors.append(error)
            elif error is None:
                found += _received(served, wait.result())
        return found, errors


def _received(served: Served, deliveries: Sequence[Delivery]) -> list[Received]:
    return [Received(served, delivery) for delivery in deliveries]

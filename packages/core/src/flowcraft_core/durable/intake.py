"""Takes jobs from the queues that a worker serves, those of the first before those of the next.

From one queue that is one receive after the other; and as long as what comes is all that a receive can bring, several
at once, ever more, since one after the other they bring no more than one of them in the time that a request takes. Each
that brings less takes one back: an idle queue is asked once in a wait.

Of several queues, each is asked in their order for what it has, without waiting, as long as there is room; only where
none has anything does each wait for a message, all at once: else a queue would be looked at once in as many waits as
there are queues.

A wait that is under way is called off by the end alone, since what it has taken by then comes late to somebody else; so
its share of the room is small, and what it brings is taken when it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import attrs

from ..ports import Delivery, JobQueue

# So many receives are under way at once from one queue, at most.
_MOST_AT_ONCE = 8


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


@attrs.frozen(eq=False)
class _Wait:
    served: Served
    most: int  # messages that it may bring
    task: asyncio.Task[Sequence[Delivery]]


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
    _waits: list[_Wait] = attrs.field(factory=list)  # those under way
    _at_once: int = 1  # so many receives, if there is one queue
    _may_have_more: bool = True  # where the last wait brought nothing, a look would bring nothing either

    @property
    def has_news(self) -> bool:
        """Whether there is something to be taken at once, whatever room there is."""
        return any(wait.task.done() for wait in self._waits)

    async def receive(self, room: int) -> list[Received]:
        """What there is for a worker with room for so many; nothing if nothing came in time.

        Raises:
            TransientError: Worth another try.
        """
        if len(self.served) == 1:
            (only,) = self.served
            if self._at_once == 1 and not self._waits:
                brought = await self._ask(only, room, self.wait)
                self._expect(only, brought)
                return _received(only, brought)
            found, errors = await self._ask_at_once(only, room)
        else:
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
        """End the waits that are under way, and give what they have brought all the same."""
        for wait in self._waits:
            wait.task.cancel()
        if self._waits:
            await asyncio.wait([wait.task for wait in self._waits])
        found, errors = self._harvest()
        for error in errors:
            self.failed(error)
        return found

    def call_off(self) -> None:
        """End the waits that are under way; what they bring is lost for as long as it is hidden."""
        for wait in self._waits:
            wait.task.cancel()
        self._waits.clear()

    async def _ask(self, served: Served, most: int, wait: float) -> Sequence[Delivery]:
        return await served.queue.receive(max_messages=most, wait=wait, visibility=self.visibility)

    def _begin(self, served: Served, most: int) -> None:
        task = asyncio.ensure_future(self._ask(served, most, self.wait))
        task.add_done_callback(lambda _: self.brought())
        self._waits.append(_Wait(served, most, task))

    def _expect(self, served: Served, brought: Sequence[Delivery]) -> None:
        is_full = len(brought) >= served.queue.limits.max_receive
        self._at_once = min(2 * self._at_once, _MOST_AT_ONCE) if is_full else max(1, self._at_once - 1)

    async def _ask_at_once(self, only: Served, room: int) -> tuple[list[Received], list[Exception]]:
        """What the first of several receives from the same queue brings. Others stay under way, for the next time."""
        most = only.queue.limits.max_receive
        room -= sum(wait.most for wait in self._waits)
        while room > 0 and len(self._waits) < self._at_once:
            self._begin(only, min(room, most))
            room -= most
        if self._waits:
            await asyncio.wait([wait.task for wait in self._waits], return_when=asyncio.FIRST_COMPLETED)
        return self._harvest()

    async def _look(self, room: int) -> tuple[list[Received], list[Exception]]:
        """What is there now, without waiting."""
        found, errors = self._harvest()
        for served in self.served:
            if len(found) >= room:
                break
            if not self._is_awaited(served):
                try:
                    found += _received(served, await self._ask(served, room - len(found), 0.0))
                except Exception as error:  # whatever it is, the others are asked
                    errors.append(error)
        return found, errors

    async def _wait_for_all(self, room: int) -> tuple[list[Received], list[Exception]]:
        share = max(1, room // len(self.served))
        for served in self.served:
            if not self._is_awaited(served):
                self._begin(served, share)
        await asyncio.wait([wait.task for wait in self._waits], return_when=asyncio.FIRST_COMPLETED)
        return self._harvest()

    def _is_awaited(self, served: Served) -> bool:
        return any(wait.served is served for wait in self._waits)

    def _harvest(self) -> tuple[list[Received], list[Exception]]:
        """What the waits that have ended have brought."""
        found: list[Received] = []
        errors: list[Exception] = []
        ended = [wait for wait in self._waits if wait.task.done()]
        self._waits = [wait for wait in self._waits if wait not in ended]
        for wait in sorted(ended, key=lambda wait: self.served.index(wait.served)):
            error = asyncio.CancelledError() if wait.task.cancelled() else wait.task.exception()
            if isinstance(error, Exception):
                errors.append(error)
            elif error is None:
                brought = wait.task.result()
                self._expect(wait.served, brought)
                found += _received(wait.served, brought)
        return found, errors


def _received(served: Served, deliveries: Sequence[Delivery]) -> list[Received]:
    return [Received(served, delivery) for delivery in deliveries]

"""Takes jobs from the queues that a worker serves, those of the first before those of the next.

From one queue that is one receive after the other; and as long as what comes is all that a receive can bring, several
at once, ever more, since one after the other they bring no more than one of them in the time that a request takes. Each
that brings less takes one back: an idle queue is asked once in a wait.

Of several queues, each is asked in their order for what it has, without waiting, as long as there is room; only where
none has anything does each wait for a message, all at once: else a queue would be looked at once in as many waits as
there are queues.

A wait that is under way is called off by the end alone, since what it has taken by then comes late to somebody else; so
its share of the room is small, and what it brings is taken when it comes.

What has come is handed on at once, and never kept for what others bring: who holds messages has to know of them.

A queue that fails among several rests alone. Then it is asked beside the others, and no look waits for it, until it
answers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import attrs

from ..errors import BackendGoneError, TransientError
from ..ports import Delivery, JobQueue

# So many receives are under way at once from one queue, at most.
_MOST_AT_ONCE = 8

# How long one of several queues rests that has failed, seconds: longer each time, but for what was tried again by then.
_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


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
        taken: Is given what has come, as soon as it has.
        failed: Is told of a queue that could not be asked, where another one has brought something, or once did.
        brought: Called when a wait has ended, whatever has come of it.
        sleep: Lets time pass.
    """

    served: Sequence[Served]
    wait: float
    visibility: float
    taken: Callable[[Sequence[Received]], None]
    failed: Callable[[Exception], None]
    brought: Callable[[], None]
    sleep: Callable[[float], Awaitable[None]]
    _waits: list[_Wait] = attrs.field(factory=list)  # those under way
    _at_once: int = 1  # so many receives, if there is one queue
    _may_have_more: bool = True  # where the last wait brought nothing, a look would bring nothing either
    _pauses: dict[Served, float] = attrs.field(factory=dict)  # of those of several that have failed last
    _has_worked: bool = False  # all of several have been asked, or some have brought something

    @property
    def has_news(self) -> bool:
        """Whether there is something to be taken at once, whatever room there is."""
        return any(wait.task.done() for wait in self._waits)

    @property
    def under_way(self) -> list[asyncio.Future[Sequence[Delivery]]]:
        """The waits that are under way; what they bring after they were cancelled, ``end`` gives."""
        return [wait.task for wait in self._waits]

    async def receive(self, room: int) -> int:
        """Take what there is for a worker with room for so many; how many came, none if nothing came in time.

        Raises:
            TransientError: Worth another try.
        """
        if len(self.served) > 1:
            return await self._receive_of_several(room)
        (only,) = self.served
        if self._at_once == 1 and not self._waits:
            brought = await self._ask(only, room, self.wait)
            self._expect(only, brought)
            return self._hand_on(_received(only, brought))
        found, errors = await self._ask_at_once(only, room)
        if not found and errors:
            raise errors[0]
        for error in errors:
            self.failed(error)
        return found

    async def end(self) -> list[Received]:
        """End the waits that are under way, and give what they have brought all the same; it is not handed on."""
        left = [task for task in self.under_way if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        found, errors = self._harvest()
        for error in errors:
            self.failed(error)
        return found

    def _hand_on(self, found: Sequence[Received]) -> int:
        if found:
            self.taken(found)
        return len(found)

    async def _ask(self, served: Served, most: int, wait: float) -> Sequence[Delivery]:
        return await served.queue.receive(max_messages=most, wait=wait, visibility=self.visibility)

    async def _ask_later(self, served: Served, most: int, pause: float) -> Sequence[Delivery]:
        await self.sleep(pause)
        return await self._ask(served, most, self.wait)

    def _begin(self, served: Served, most: int) -> None:
        pause = self._pauses.get(served)
        asking = self._ask(served, most, self.wait) if pause is None else self._ask_later(served, most, pause)
        task = asyncio.ensure_future(asking)
        task.add_done_callback(lambda _: self.brought())
        self._waits.append(_Wait(served, most, task))

    def _expect(self, served: Served, brought: Sequence[Delivery]) -> None:
        is_full = len(brought) >= served.queue.limits.max_receive
        self._at_once = min(2 * self._at_once, _MOST_AT_ONCE) if is_full else max(1, self._at_once - 1)

    async def _ask_at_once(self, only: Served, room: int) -> tuple[int, list[Exception]]:
        """Take what the first of several receives from one queue brings. Others stay under way, for the next time."""
        most = only.queue.limits.max_receive
        room -= sum(wait.most for wait in self._waits)
        while room > 0 and len(self._waits) < self._at_once:
            self._begin(only, min(room, most))
            room -= most
        if self._waits:
            await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)
        return self._bring_in()

    async def _receive_of_several(self, room: int) -> int:
        if room > 0:
            self._begin_all([served for served in self.served if served in self._pauses], room)
        found, errors = await self._look(room) if self._may_have_more else self._bring_in()
        if not found and not errors and room > 0:
            found, errors = await self._wait_for_all(room)
        self._may_have_more = bool(found or errors)
        for error in errors:
            if isinstance(error, BackendGoneError) or not (found or self._has_worked):
                raise error  # nothing has worked yet: it may be set up wrongly
            self.failed(error)
        self._has_worked = True
        return found

    async def _look(self, room: int) -> tuple[int, list[Exception]]:
        """Take what there is now, without waiting."""
        found, errors = self._bring_in()
        for served in self.served:
            if found >= room:
                break
            if served not in self._pauses and not self._is_awaited(served):
                try:
                    found += self._hand_on(_received(served, await self._ask(served, room - found, 0.0)))
                except Exception as error:  # whatever it is, the others are asked
                    self._let_rest(served, error)
                    errors.append(error)
        return found, errors

    async def _wait_for_all(self, room: int) -> tuple[int, list[Exception]]:
        self._begin_all(self.served, room)
        await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)
        return self._bring_in()

    def _begin_all(self, some: Sequence[Served], room: int) -> None:
        """Wait for a message from each of some queues, as far as that is not done yet."""
        share = max(1, room // len(self.served))
        for served in some:
            if not self._is_awaited(served):
                self._begin(served, share)

    def _is_awaited(self, served: Served) -> bool:
        return any(wait.served is served for wait in self._waits)

    def _let_rest(self, served: Served, error: Exception) -> None:
        if len(self.served) == 1:
            return  # then everything rests
        longer = min(2 * self._pauses.get(served, _PAUSE / 2), _LONGEST_PAUSE)
        self._pauses[served] = _PAUSE if isinstance(error, TransientError) else longer

    def _bring_in(self) -> tuple[int, list[Exception]]:
        found, errors = self._harvest()
        return self._hand_on(found), errors

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
                self._let_rest(wait.served, error)
            elif error is None:
                self._pauses.pop(wait.served, None)
                brought = wait.task.result()
                self._expect(wait.served, brought)
                found += _received(wait.served, brought)
        return found, errors


def _received(served: Served, deliveries: Sequence[Delivery]) -> list[Received]:
    return [Received(served, delivery) for delivery in deliveries]

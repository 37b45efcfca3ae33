"""The job queue in memory."""

from __future__ import annotations

import asyncio
import bisect
import heapq
import itertools
import operator
from collections.abc import Sequence
from random import Random

import attrs
from flowcraft_core.clock import Clock
from flowcraft_core.ports import Delivery, Message, QueueDepth, QueueLimits

from .connection import Connection, batches, check, check_text
from .weaknesses import Weaknesses

_SHORTEST_LIST = 100  # of where messages once were: one that is longer than twice what there is, is gone through

_SHORTEST_PAUSE = 0.001  # so that rounding cannot leave a sleeper just before the time that it waits for
_number_of = operator.attrgetter("number")


@attrs.define(eq=False)
class _Stored:
    body: str
    number: int  # in the order of sending
    visible_at: float = 0.0
    received_at: float = 0.0
    count: int = 0
    receipt: int = 0  # of the delivery that holds it; receipts begin at 1
    is_shown: bool = False  # among those that can be taken


@attrs.frozen
class _Handle:
    message: _Stored
    receipt: int


class MessageStore:
    """The messages that all clients share. Each method is one effect of a request."""

    def __init__(self, clock: Clock, random: Random, weaknesses: Weaknesses, limits: QueueLimits) -> None:
        self.clock = clock
        self.limits = limits
        self._random = random
        self._weaknesses = weaknesses
        self._messages: dict[_Stored, None] = {}  # a set that keeps the order of sending
        self._visible: list[_Stored] = []  # those that can be taken, in that order
        self._hidden: list[tuple[float, int, _Stored]] = []  # the others by when they can, and where they once were
        self._numbers, self._receipts = itertools.count(), itertools.count(1)
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, messages: Sequence[Message], delay: float) -> None:
        """Store messages, some perhaps twice."""
        visible_at = self.clock.now() + delay
        for message in messages:
            copies = 2 if self._chance(self._weaknesses.duplicates) else 1
            for _ in range(copies):
                stored = _Stored(message.body, next(self._numbers))
                self._messages[stored] = None
                self.hide(stored, visible_at)
        self._wake()

    def take(self, max_messages: int, visibility: float, at_least: int) -> list[Delivery]:
        """Hide visible messages and count their delivery."""
        now = self.clock.now()
        self._show(now)
        visible = self._visible
        number = min(max_messages, len(visible))
        if number > at_least and self._chance(self._weaknesses.short_receives):
            number = self._random.randint(at_least, number - 1)
        taken = self._random.sample(visible, number) if self._weaknesses.any_order else visible[:number]
        return [self._deliver(message, now, visibility) for message in taken]

    def extend(self, deliveries: Sequence[Delivery], visibility: float) -> list[Delivery | None]:
        """Hide what is still held from now on, but not beyond ``max_visibility`` in all."""
        return [self._extend(delivery, visibility) for delivery in deliveries]

    def remove(self, deliveries: Sequence[Delivery]) -> None:
        """Remove what is still held."""
        for message in self._held(deliveries):
            del self._messages[message]

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Show what is still held."""
        for message in self._held(deliveries):
            self.hide(message, self.clock.now())
            if not self._weaknesses.release_counts:
                message.count -= 1
        self._wake()

    def depth(self) -> QueueDepth:
        """Count them by what hides them."""
        now = self.clock.now()
        hidden = [message for message in self._messages if message.visible_at > now]
        held = sum(1 for message in hidden if message.receipt)
        return QueueDepth(visible=len(self._messages) - len(hidden), in_flight=held, delayed=len(hidden) - held)

    @property
    def holds(self) -> int:
        """How many there are, hidden ones too."""
        return len(self._messages)

    @property
    def last_due(self) -> float:
        """When the last message is visible, seconds since the epoch; 0 if there is none."""
        return max((message.visible_at for message in self._messages), default=0.0)

    @property
    def left(self) -> list[str]:
        """The bodies of those that nobody has received."""
        return [message.body for message in self._messages if not message.receipt]

    def clear(self) -> None:
        """Remove every message."""
        self._messages.clear()
        self._visible.clear()
        self._hidden.clear()

    async def change(self, seconds: float) -> None:
        """Return once a message may be visible, or so many seconds have passed."""
        now = self.clock.now()
        self._show(now)
        pause = min(seconds, self._hidden[0][0] - now) if self._hidden else seconds
        if pause <= 0 or self._visible:
            return  # one came while the last look was on its way back
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self.clock.sleep(max(pause, _SHORTEST_PAUSE)))
        self._waiting.append(woken)
        try:
            await asyncio.wait({woken, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.remove(woken)
            timer.cancel()

    def _deliver(self, message: _Stored, now: float, visibility: float) -> Delivery:
        message.received_at = now
        message.count += 1
        message.receipt = next(self._receipts)
        self.hide(message, now + visibility)
        return Delivery(message.body, message.count, _Handle(message, message.receipt))

    def _extend(self, delivery: Delivery, visibility: float) -> Delivery | None:
        held = self._held([delivery])
        if not held:
            return None
        (message,) = held
        longest = message.received_at + self.limits.max_visibility
        self.hide(message, min(self.clock.now() + visibility, longest))
        if not self._weaknesses.new_handles:
            return delivery
        message.receipt = next(self._receipts)
        return attrs.evolve(delivery, handle=_Handle(message, message.receipt))

    def _held(self, deliveries: Sequence[Delivery]) -> list[_Stored]:
        """The messages that these deliveries still hold; a handle that is used after its time has no effect."""
        now = self.clock.now()
        handles: list[_Handle] = [delivery.handle for delivery in deliveries]
        return [
            handle.message
            for handle in dict.fromkeys(handles)
            if handle.message in self._messages
            and handle.receipt == handle.message.receipt
            and handle.message.visible_at > now
        ]

    def hide(self, message: _Stored, until: float) -> None:
        """Keep a message from being taken before that time."""
        if message.is_shown:
            self._visible.remove(message)
            message.is_shown = False
        if len(self._hidden) > 2 * len(self._messages) + _SHORTEST_LIST:
            self._hidden = [entry for entry in self._hidden if self._is_hidden(*entry)]
            heapq.heapify(self._hidden)
        message.visible_at = until
        heapq.heappush(self._hidden, (until, message.number, message))

    def _show(self, now: float) -> None:
        """Let messages be taken that it is time for."""
        while self._hidden and (self._hidden[0][0] <= now or not self._is_hidden(*self._hidden[0])):
            entry = heapq.heappop(self._hidden)
            if self._is_hidden(*entry):
                bisect.insort(self._visible, entry[2], key=_number_of)
                entry[2].is_shown = True

    def _is_hidden(self, until: float, _: int, message: _Stored) -> bool:
        """Whether a message is there still, and hidden until then."""
        return not message.is_shown and message.visible_at == until and message in self._messages

    def _chance(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)


class InMemoryJobQueue:
    """A ``JobQueue`` on a ``MessageStore``. What the port's contract does not allow is a ``ValueError``."""

    def __init__(self, connection: Connection, store: MessageStore) -> None:
        self.limits = store.limits
        self._connection = connection
        self._store = store

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """See ``JobQueue.send``; one request per ``max_send`` messages, so a crash may come between them."""
        check_messages(messages, delay, self.limits)
        for batch in batches(messages, self.limits.max_send):
            await self._connection.request(self._store.add, batch, delay)

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """See ``JobQueue.receive``; it sleeps on the clock until something changes in the queue."""
        check(max_messages >= 1, f"max_messages is {max_messages}; it is at least 1")
        self._check_visibility(visibility)
        number = min(max_messages, self.limits.max_receive)
        at_least = 1 if wait > 0 else 0
        deadline = self._store.clock.now() + wait
        while True:
            found = await self._connection.take(self._store.take, self._store.release, number, visibility, at_least)
            left = deadline - self._store.clock.now()
            if found or left <= 0:
                return found
            await self._store.change(left)

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """See ``JobQueue.extend``; a delivery is never held for longer than ``max_visibility`` in all."""
        self._check_visibility(visibility)
        extended: list[Delivery | None] = []
        for batch in batches(deliveries, self.limits.max_send):
            extended += await self._connection.request(self._store.extend, batch, visibility)
        return extended

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue.acknowledge``; a delivery whose time has run out stays."""
        for batch in batches(deliveries, self.limits.max_send):
            await self._connection.request(self._store.remove, batch)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """See ``JobQueue.release``."""
        for batch in batches(deliveries, self.limits.max_send):
            await self._connection.request(self._store.release, batch)

    async def depth(self) -> QueueDepth:
        """See ``Measured.depth``; exact."""
        return await self._connection.request(self._store.depth)

    def _check_visibility(self, visibility: float) -> None:
        longest = self.limits.max_visibility
        check(1 <= visibility <= longest, f"visibility is {visibility} s; it goes from 1 to {longest} s")


def check_messages(messages: Sequence[Message], delay: float, limits: QueueLimits) -> None:
    """Refuse messages that the port's contract does not allow.

    Raises:
        ValueError: It does not.
    """
    check(0 <= delay <= limits.max_delay, f"delay is {delay} s; it goes from 0 to {limits.max_delay} s")
    for message in messages:
        check_text(message.body)
        size, longest = len(message.body.encode()), limits.max_body_bytes
        check(size <= longest, f"a body is {size} bytes long; max_body_bytes is {longest}")

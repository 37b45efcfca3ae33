"""Messages: a file for each, whose name says when it is visible, how often it was delivered, and to whom.

Each queue is a folder of its own.
"""

# ruff: noqa: D102 - what a method does is said by the port

import math
import os
import uuid
from collections.abc import Sequence

from flowcraft_core.clock import Clock
from flowcraft_core.ports import Delivery, Message, QueueLimits

from .files import Directory, check, remove

_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


class DirectoryJobQueue:
    """A ``flowcraft_core.ports.JobQueue``.

    Whoever renames a message's file has it: of many who try one succeeds, and from then on the old name, which is an
    earlier delivery's handle, is of no use.
    """

    limits = QueueLimits(
        max_send=100, max_receive=100, max_body_bytes=2**18, max_delay=30 * 86_400.0, max_visibility=12 * 3_600.0
    )

    def __init__(self, directory: Directory, clock: Clock, folder: str = "queue") -> None:
        self._directory, self._clock, self._queue = directory, clock, directory.root / folder

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        check(0 <= delay <= self.limits.max_delay, f"delay={delay}: from 0 to {self.limits.max_delay:.0f} s")
        bodies = [message.body.encode() for message in messages]
        longest = max(map(len, bodies), default=0)
        check(longest <= self.limits.max_body_bytes, f"a body has {longest} bytes; the most are 262144")
        due = self._clock.now() + delay

        def write() -> None:
            for body in bodies:
                self._directory.write_new(self._queue / _name(due, 0, uuid.uuid4().hex), body, sync=False)

        await self._directory.call(write)

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        end, looks = self._clock.now() + wait, 0
        number = min(max_messages, self.limits.max_receive)
        while True:
            # What is taken for somebody who has gone is given back.
            taking = self._directory.call(lambda: self._take(number, visibility))
            found = await self._directory.receives.take(taking, self.release)
            left = end - self._clock.now()
            if found or left <= 0:
                return found
            await self._clock.sleep(min(left, _PAUSES[min(looks, len(_PAUSES) - 1)]))
            looks += 1

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        # One that nobody has received since is held again, also when its time has run out.
        return await self._directory.call(lambda: [self._moved(each, visibility) for each in deliveries])

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        paths = [self._queue / delivery.handle for delivery in deliveries]
        await self._directory.call(lambda: remove(paths))

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        await self._directory.call(lambda: [self._moved(each, 0.0) for each in deliveries])

    def _take(self, number: int, visibility: float) -> list[Delivery]:
        taken: list[Delivery] = []
        now = _name(self._clock.now(), 0, "")
        self._queue.mkdir(exist_ok=True)  # of a queue by name, which may be new
        for name in sorted(os.listdir(self._queue)):
            if len(taken) == number or name > now:
                break
            count = int(name.split(".")[1]) + 1
            if (mine := self._moved(Delivery("", count, name), visibility)) is not None:
                taken.append(Delivery((self._queue / mine.handle).read_bytes().decode(), count, mine.handle))
        return taken

    def _moved(self, delivery: Delivery, visibility: float) -> Delivery | None:
        name = _name(self._clock.now() + visibility, delivery.count, delivery.handle.split(".")[2])
        try:
            (self._queue / delivery.handle).rename(self._queue / name)
        except FileNotFoundError:
            return None
        return Delivery(delivery.body, delivery.count, name)


def _name(visible_at: float, count: int, message: str) -> str:
    """In the order of the times; never the same twice."""
    return f"{math.ceil(visible_at * 1e6):020}.{count}.{message}.{uuid.uuid4().hex}"


class DirectoryNamedQueues:
    """A ``flowcraft_core.ports.NamedQueues``: any name will do, and makes a folder."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory, self._clock = directory, clock

    def named(self, name: str) -> DirectoryJobQueue:
        return DirectoryJobQueue(self._directory, self._clock, f"queues/{name}")

    async def names(self) -> Sequence[str]:
        return await self._directory.call(lambda: os.listdir(self._directory.root / "queues"))

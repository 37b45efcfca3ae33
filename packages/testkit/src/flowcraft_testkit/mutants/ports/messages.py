"""Job queues that change what they carry, cut times, or lose count."""

# ruff: noqa: D101, D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.ports import Delivery, Message

from ...contracts import JobQueueContract
from .port import BrokenQueue, caught_by


@caught_by(JobQueueContract.test_times_between_whole_seconds_are_not_cut)
class VisibilityInWholeSeconds(BrokenQueue):
    """Cuts the fraction of a second off the time for which a message is hidden."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        return await self._port.receive(max_messages=max_messages, wait=wait, visibility=int(visibility))


@caught_by(JobQueueContract.test_times_between_whole_seconds_are_not_cut)
class ExtensionInWholeSeconds(BrokenQueue):
    """Cuts the fraction of a second off an extension."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        return await self._port.extend(deliveries, int(visibility))


@caught_by(JobQueueContract.test_times_between_whole_seconds_are_not_cut)
class DelayInWholeSeconds(BrokenQueue):
    """Cuts the fraction of a second off a delay."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(messages, delay=int(delay))


@caught_by(JobQueueContract.test_any_sequence_of_calls_does_what_the_port_says)
class ExtensionBeginsTheCountAgain(BrokenQueue):
    """Extends a message by storing it anew."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        extended: Sequence[Delivery | None] = await self._port.extend(deliveries, visibility)
        for delivery in extended:
            if delivery is not None:
                delivery.handle.message.count = 0
        return extended


@caught_by(JobQueueContract.test_any_sequence_of_calls_does_what_the_port_says)
class EachTwice(BrokenQueue):
    """Brings a message twice in one receive, if there is room."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        found = await self._port.receive(max_messages=max_messages, wait=wait, visibility=visibility)
        return [*found, *found][:max_messages]


@caught_by(JobQueueContract.test_the_count_goes_on_to_ten_and_beyond)
class CountOfOneDigit(BrokenQueue):
    """Counts to nine."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return [attrs.evolve(each, count=min(each.count, 9)) for each in await self._port.receive(**wanted)]


@caught_by(JobQueueContract.test_what_is_gone_keeps_no_other_from_being_let_go)
class GoneStopsAcknowledging(BrokenQueue):
    """Acknowledges up to the first message that is gone."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.handle.message not in self.effects._messages:
                return
            await self._port.acknowledge([delivery])


@caught_by(JobQueueContract.test_what_is_gone_keeps_no_other_from_being_let_go)
class GoneStopsReleasing(BrokenQueue):
    """Releases up to the first message that is gone."""

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.handle.message not in self.effects._messages:
                return
            await self._port.release([delivery])


@caught_by(JobQueueContract.test_an_extended_delivery_is_released_at_once)
class ExtendedIsKept(BrokenQueue):
    """Releases by the handle that came with the message, which an extension has made useless."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._extended: set[int] = set()

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        self._extended.update(id(delivery.handle.message) for delivery in deliveries)
        return await self._port.extend(deliveries, visibility)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        await self._port.release([each for each in deliveries if id(each.handle.message) not in self._extended])


@caught_by(JobQueueContract.test_a_late_release_leaves_the_message_to_its_new_holder)
class LateReleaseShows(BrokenQueue):
    """Shows a message that is released, whoever holds it by now."""

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        await self._port.release(deliveries)
        for delivery in deliveries:
            self.effects.hide(delivery.handle.message, self.effects.clock.now())


class Rewriting(BrokenQueue):
    def written(self, body: str) -> str:
        raise NotImplementedError

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send([Message(self.written(each.body), each.group) for each in messages], delay=delay)


@caught_by(JobQueueContract.test_a_message_arrives_as_it_was_sent)
class NulStripped(Rewriting):
    """Leaves out NUL, which the text of some databases cannot have."""

    def written(self, body: str) -> str:
        return body.replace("\0", "")


@caught_by(JobQueueContract.test_a_message_arrives_as_it_was_sent)
class ControlsReplaced(Rewriting):
    """Replaces what XML cannot have."""

    def written(self, body: str) -> str:
        return "".join("?" if letter < " " and letter not in "\t\r\n" else letter for letter in body)


@caught_by(JobQueueContract.test_a_message_arrives_as_it_was_sent)
class LineEndsMadeAlike(Rewriting):
    """Makes one line end of all, as readers of text files do."""

    def written(self, body: str) -> str:
        return body.replace("\r\n", "\n").replace("\r", "\n")


@caught_by(JobQueueContract.test_a_message_arrives_as_it_was_sent)
class ByteOrderMarkStripped(Rewriting):
    """Takes the first character for a mark of the encoding."""

    def written(self, body: str) -> str:
        return body.removeprefix("\ufeff")


@caught_by(JobQueueContract.test_a_waiting_receive_blocks_nobody)
class PollsInTheLoop(BrokenQueue):
    """Waits for messages in the event loop's own thread."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        time.sleep(wait)  # noqa: ASYNC251 - the defect
        return await self._port.receive(max_messages=max_messages, wait=0, visibility=visibility)


@caught_by(JobQueueContract.test_calls_at_once_are_as_if_made_one_after_the_other)
class ExtendedInTwoSteps(BrokenQueue):
    """Shows a message for a moment while it extends it."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        extended: Sequence[Delivery | None] = await self._port.extend(deliveries, visibility)
        messages = [delivery.handle.message for delivery in extended if delivery is not None]
        until = [message.visible_at for message in messages]
        for message in messages:
            self.effects.hide(message, self.effects.clock.now())
        for _ in range(3):
            await asyncio.sleep(0)
        for message, end in zip(messages, until, strict=True):
            self.effects.hide(message, end)
        return extended


@caught_by(JobQueueContract.test_a_cancelled_call_is_made_whole_or_not_at_all)
class AcknowledgedInTwoSteps(BrokenQueue):
    """Shows a message, and removes it in a second step."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        now = self.effects.clock.now()
        held = [each for each in deliveries if each.handle.receipt == each.handle.message.receipt]
        for delivery in held:
            self.effects.hide(delivery.handle.message, min(now, delivery.handle.message.visible_at))
        await asyncio.sleep(0)
        for delivery in held:
            self.effects._messages.pop(delivery.handle.message, None)

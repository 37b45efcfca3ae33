"""Job queues that lose, cut, delay or double what is sent to them."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Delivery, Message, QueueLimits

from ...contracts import JobQueueContract
from .port import BrokenQueue, caught_by, private_backend


@caught_by(JobQueueContract.test_any_number_of_messages_is_sent_by_one_call)
class HalfOfALargeBatchDropped(BrokenQueue):
    """Sends the first request of a call only."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(messages[: self._port.limits.max_send], delay=delay)


@caught_by(JobQueueContract.test_messages_outlive_the_client_that_sent_them)
class MessagesOfTheClient(BrokenQueue):
    """Keeps messages in the memory of the client that sent them."""

    def __init__(self, port: Any) -> None:
        super().__init__(private_backend(port._store.clock).queue)


@caught_by(JobQueueContract.test_calls_with_nothing_do_nothing)
class NothingRefused(BrokenQueue):
    """Passes on that the service refuses an empty batch."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        if not messages:
            raise BackendError("There should be at least one entry in the request")
        await self._port.send(messages, delay=delay)


@caught_by(JobQueueContract.test_many_long_messages_are_sent_by_one_call)
class LongBatchCut(BrokenQueue):
    """Sends as much of a batch as the service takes in one request."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        sizes = itertools.accumulate(len(message.body) for message in messages)
        fitting = [message for message, size in zip(messages, sizes, strict=True) if size <= 256 * 1024]
        await self._port.send(fitting, delay=delay)


@caught_by(JobQueueContract.test_a_message_arrives_as_it_was_sent)
class BodiesTrimmed(BrokenQueue):
    """Sends a body as XML, whose reader trims it."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send([Message(message.body.strip()) for message in messages], delay=delay)


@caught_by(JobQueueContract.test_a_body_may_be_as_long_as_the_limit_in_bytes_and_no_longer)
class LongBodyCut(BrokenQueue):
    """Cuts a body that is too long."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        longest = self._port.limits.max_body_bytes
        cut = [Message(message.body.encode()[:longest].decode(errors="ignore")) for message in messages]
        await self._port.send(cut, delay=delay)


@caught_by(JobQueueContract.test_a_body_may_be_as_long_as_the_limit_in_bytes_and_no_longer)
class SentUntilRefused(BrokenQueue):
    """Looks at each message when its turn comes."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        for message in messages:
            await self._port.send([message], delay=delay)


@caught_by(JobQueueContract.test_equal_messages_are_messages_of_their_own)
class EqualBodiesSentOnce(BrokenQueue):
    """Takes equal bodies for duplicates."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(list({message.body: message for message in messages}.values()), delay=delay)


@caught_by(JobQueueContract.test_a_delayed_message_comes_after_its_delay)
class DelayIgnored(BrokenQueue):
    """Sends at once."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(messages)


@caught_by(JobQueueContract.test_a_delayed_message_comes_after_its_delay)
class DelayOfTheFirstRequestOnly(BrokenQueue):
    """Delays the first request of a call only."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        most = self._port.limits.max_send
        await self._port.send(messages[:most], delay=delay)
        await self._port.send(messages[most:])


@caught_by(JobQueueContract.test_a_delay_out_of_range_is_refused)
class LongDelayCut(BrokenQueue):
    """Wakes a long sleeper early."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(messages, delay=min(delay, self._port.limits.max_delay))


@caught_by(JobQueueContract.test_a_receive_brings_no_more_than_was_asked_for)
class AsManyAsThereAre(BrokenQueue):
    """Always receives full batches."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return await self._port.receive(**{**wanted, "max_messages": 10})


@caught_by(JobQueueContract.test_an_empty_receive_takes_its_wait)
class WaitIgnored(BrokenQueue):
    """Looks once, so that idle workers ask without end."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return await self._port.receive(**{**wanted, "wait": 0})


@caught_by(JobQueueContract.test_a_waiting_receive_gets_what_is_sent_meanwhile)
class DeafAtATurn(BrokenQueue):
    """Misses what comes between a look that found nothing and the beginning of its wait."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        end = self.effects.clock.now() + wait
        found = await self._port.receive(max_messages=max_messages, wait=0, visibility=visibility)
        known = self.effects._messages.copy()
        while not found and self.effects.clock.now() < end:
            await self.effects.clock.sleep(0.01)
            if self.effects._messages != known:
                found = await self._port.receive(max_messages=max_messages, wait=0, visibility=visibility)
        return found


@caught_by(JobQueueContract.test_a_waiting_receive_gets_what_is_sent_meanwhile)
class DeafWhileItWaits(BrokenQueue):
    """Sleeps for the whole wait before it looks again."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        once = {"max_messages": max_messages, "wait": 0, "visibility": visibility}
        found: Sequence[Delivery] = await self._port.receive(**once)
        if wait and not found:
            await self.effects.clock.sleep(wait)
            found = await self._port.receive(**once)
        return found


@caught_by(JobQueueContract.test_a_held_message_does_not_hold_up_its_group)
class OneOfAGroupAtATime(BrokenQueue):
    """Delivers nothing while something is held, as a queue with strict order does."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        now = self.effects.clock.now()
        if any(message.count and message.visible_at > now for message in self.effects._messages):
            return []
        return await self._port.receive(**wanted)


@caught_by(JobQueueContract.test_a_delayed_message_does_not_hold_up_others)
class OldestFirst(BrokenQueue):
    """Delivers nothing before what was sent earlier, which may be delayed."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        oldest = next(iter(self.effects._messages), None)
        if oldest and oldest.visible_at > self.effects.clock.now() and not oldest.count:
            return []
        return await self._port.receive(**wanted)


@caught_by(JobQueueContract.test_the_longest_delay_is_kept_to_its_end)
class DelayCutQuietly(BrokenQueue):
    """Delays no message for longer than ten minutes, whatever its limit says."""

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await self._port.send(messages, delay=min(delay, 600.0) if delay <= self._port.limits.max_delay else delay)


@caught_by(JobQueueContract.test_the_limits_are_those_that_are_declared)
class LimitsUndertold(BrokenQueue):
    """Says that it delays for less long than it does."""

    @property
    def limits(self) -> QueueLimits:
        return attrs.evolve(self._port.limits, max_delay=self._port.limits.max_delay / 2)

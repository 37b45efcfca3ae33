"""Job queues that are wrong about who holds a message."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Delivery, Message

from ...contracts import JobQueueContract
from .port import BrokenQueue, caught_by


@caught_by(JobQueueContract.test_a_received_message_is_hidden_until_its_visibility_ends)
class NothingHidden(BrokenQueue):
    """Shows a message while it is held."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        found: Sequence[Delivery] = await self._port.receive(**wanted)
        await self._port.release(found)
        return found


@caught_by(JobQueueContract.test_a_received_message_is_hidden_until_its_visibility_ends)
class VisibilityNeverEnds(BrokenQueue):
    """Loses the jobs of workers that died."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return await self._port.receive(**{**wanted, "visibility": self._port.limits.max_visibility})


@caught_by(JobQueueContract.test_of_many_receivers_one_gets_a_message)
class FoundThenHidden(BrokenQueue):
    """Hides in a second step what it found in a first one."""

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        now = self.effects.clock.now()
        found = [message for message in self.effects._messages if message.visible_at <= now][:max_messages]
        await asyncio.sleep(0)
        return [self.effects._deliver(message, now, visibility) for message in found]


@caught_by(JobQueueContract.test_deliveries_are_counted)
class CountAlwaysOne(BrokenQueue):
    """Counts no deliveries."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return [attrs.evolve(delivery, count=1) for delivery in await self._port.receive(**wanted)]


@caught_by(JobQueueContract.test_an_extended_delivery_stays_hidden)
class ExtendIgnored(BrokenQueue):
    """Says that it has extended."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        return deliveries


@caught_by(JobQueueContract.test_an_extension_counts_from_now)
class ExtensionOnTop(BrokenQueue):
    """Adds to what was left."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        now = self.effects.clock.now()
        left = max(delivery.handle.message.visible_at - now for delivery in deliveries)
        return await self._port.extend(deliveries, left + visibility)


@caught_by(JobQueueContract.test_any_number_of_deliveries_is_extended_each_answered_in_its_place)
class LostOnesLeftOut(BrokenQueue):
    """Answers for those only that could be extended."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        return [delivery for delivery in await self._port.extend(deliveries, visibility) if delivery]


@caught_by(JobQueueContract.test_what_someone_else_holds_by_now_cannot_be_extended)
class LossUntold(BrokenQueue):
    """Lets a worker go on with what is another's by now."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        extended = await self._port.extend(deliveries, visibility)
        return [new or old for new, old in zip(extended, deliveries, strict=True)]


@caught_by(JobQueueContract.test_an_extended_delivery_is_acknowledged_for_good)
class OldHandleGivenBack(BrokenQueue):
    """Extends, and returns the handle that is useless from then on."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        extended = await self._port.extend(deliveries, visibility)
        return [new and old for new, old in zip(extended, deliveries, strict=True)]


@caught_by(JobQueueContract.test_a_delivery_can_be_extended_to_the_longest_visibility_whenever_it_came)
class NotBeyondTheCap(BrokenQueue):
    """Passes on that the service refuses more than its longest time in all."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        now, longest = self.effects.clock.now(), self._port.limits.max_visibility
        if any(now + visibility > delivery.handle.message.received_at + longest for delivery in deliveries):
            return [None] * len(deliveries)
        return await self._port.extend(deliveries, visibility)


@caught_by(JobQueueContract.test_any_number_of_deliveries_is_acknowledged_by_one_call)
class FirstRequestAcknowledged(BrokenQueue):
    """Acknowledges the first request of a call only."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        await self._port.acknowledge(deliveries[: self._port.limits.max_send])


@caught_by(JobQueueContract.test_an_acknowledged_message_does_not_come_back)
class AcknowledgementForgotten(BrokenQueue):
    """Removes nothing."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None: ...


@caught_by(JobQueueContract.test_acknowledging_again_does_no_harm)
class SecondAcknowledgementFails(BrokenQueue):
    """Raises for a message that is gone."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            assert delivery.handle.message in self.effects._messages, "no such message"
        await self._port.acknowledge(deliveries)


@caught_by(JobQueueContract.test_a_late_acknowledgement_takes_no_message_from_its_new_holder)
class AcknowledgedByMessage(BrokenQueue):
    """Removes the message, whoever holds it by now."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.effects._messages.pop(delivery.handle.message, None)


@caught_by(JobQueueContract.test_released_messages_are_visible_at_once)
class ReleaseIgnored(BrokenQueue):
    """Leaves messages to their visibility."""

    async def release(self, deliveries: Sequence[Delivery]) -> None: ...


@caught_by(JobQueueContract.test_a_delivery_whose_time_has_run_out_is_held_again_or_given_up)
class HeldInName(BrokenQueue):
    """Says that a delivery is held again whose time has run out, and shows it to everybody."""

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        now = self.effects.clock.now()
        late = [delivery.handle.message.visible_at <= now for delivery in deliveries]
        extended = await self._port.extend(deliveries, visibility)
        return [new or (old if out else None) for new, old, out in zip(extended, deliveries, late, strict=True)]


@caught_by(JobQueueContract.test_a_cancelled_receive_loses_no_message)
class TakenInTwoSteps(BrokenQueue):
    """Takes messages off the queue in one step, and notes in a second one that they are held."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        found: Sequence[Delivery] = await self._port.receive(**wanted)
        for delivery in found:
            self.effects._messages.pop(delivery.handle.message)
        await asyncio.sleep(0)
        self.effects._messages.update((delivery.handle.message, None) for delivery in found)
        return found


@caught_by(JobQueueContract.test_what_a_cancelled_receive_takes_is_given_back)
class LongPollGoesOn(BrokenQueue):
    """Goes on with a receive that was given up, and gives back nothing of what that takes."""

    async def receive(self, **wanted: Any) -> Sequence[Delivery]:
        return await asyncio.shield(asyncio.ensure_future(self._port.receive(**wanted)))


@caught_by(JobQueueContract.test_what_two_holders_have_done_is_gone)
class LateAcknowledgementRefused(BrokenQueue):
    """Passes on that the service refuses the handle of an earlier delivery."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        if any(delivery.handle.receipt != delivery.handle.message.receipt for delivery in deliveries):
            raise BackendError("the pop receipt does not match")
        await self._port.acknowledge(deliveries)


@caught_by(JobQueueContract.test_a_late_release_leaves_the_message_to_its_new_holder)
class ReleasedAsACopy(BrokenQueue):
    """Releases a message by sending it again, whoever holds it by now."""

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        await self._port.acknowledge(deliveries)
        await self._port.send([Message(delivery.body) for delivery in deliveries])


@caught_by(JobQueueContract.test_the_queue_holds_what_was_sent_and_is_not_acknowledged)
class AcknowledgedIsHidden(BrokenQueue):
    """Hides for half a day what is acknowledged."""

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        await self._port.extend(deliveries, self._port.limits.max_visibility)

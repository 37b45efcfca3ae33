"""The contract of a job queue: sending and receiving, and here what it is to hold a message."""

from __future__ import annotations

import asyncio

from flowcraft_core.ports import Delivery, Message

from .clauses import needs
from .holding import HoldingClauses
from .sending import LONG, bodies_of, sorted_bodies


class JobQueueContract(HoldingClauses):
    """What a ``JobQueue`` promises. Each test needs a queue that is empty at first."""

    async def test_a_received_message_is_hidden_until_its_visibility_ends(self) -> None:
        """While a worker works on a job, no other one does; when it has died, another one does."""
        async with self.connect() as one, self.connect() as other:
            await one.send([Message("job")])
            await self.take(one, visibility=self.short)
            assert await self.look(other) == []
            await self.pass_time(self.short)
            assert [delivery.body for delivery in await self.take(other)] == ["job"]

    async def test_of_many_receivers_one_gets_a_message(self) -> None:
        """Receiving and hiding are one step, or two workers would begin on one job at every hop."""
        async with self.connect_many(4) as queues:
            bodies = bodies_of(20)
            await queues[0].send([Message(body) for body in bodies])
            taken: list[Delivery] = []

            async def has_all() -> bool:
                rounds = [queue.receive(max_messages=3, wait=0, visibility=LONG) for queue in queues * 2]
                for found in await self.race(rounds):
                    taken.extend(found)
                return len(taken) >= len(bodies)

            await self.until(has_all)
            assert sorted_bodies(taken) == bodies

    async def test_deliveries_are_counted(self) -> None:
        """A message that kills every worker is found by its count, which lasts longer than the workers."""
        counts: list[int] = []
        async with self.connect() as queue:
            await queue.send([Message("job")])
        for _ in range(3):
            async with self.connect() as queue:
                (delivery,) = await self.take(queue, visibility=self.short)
                counts.append(delivery.count)
            await self.pass_time(self.short)
        assert counts[0] >= 1
        assert counts[0] < counts[1] < counts[2]

    async def test_an_extended_delivery_stays_hidden(self) -> None:
        """A step that runs longer than the visibility runs once, as long as its worker's heart beats."""
        async with self.connect() as holder, self.connect() as other:
            await holder.send([Message("job")])
            held: Delivery | None
            (held,) = await self.take(holder, visibility=self.short * 2)
            for _ in range(3):
                await self.pass_time(self.short)
                (held,) = await holder.extend([held], self.short * 2)
                assert held is not None
                assert held.body == "job"
                assert await self.look(other) == []

    async def test_an_extension_counts_from_now(self) -> None:
        """It replaces what was left: a worker that stops soon can shorten it."""
        async with self.connect() as holder, self.connect() as other:
            await holder.send([Message("job")])
            extended = await holder.extend(await self.take(holder, visibility=LONG), self.short)
            assert extended[0] is not None
            await self.take(other)

    async def test_an_extended_delivery_is_acknowledged_for_good(self) -> None:
        """The delivery that ``extend`` gave is the one to use, whatever became of the handle."""
        async with self.connect() as queue:
            await queue.send([Message("job")])
            delivery: Delivery | None
            (delivery,) = await self.take(queue, visibility=self.short * 2)
            for _ in range(2):
                (delivery,) = await queue.extend([delivery], self.short)
                assert delivery is not None
            await queue.acknowledge([delivery])
            await self.pass_time(self.short * 2)
            assert await self.look(queue) == []

    async def test_any_number_of_deliveries_is_extended_each_answered_in_its_place(self) -> None:
        """A worker extends all that it holds at once, and must learn which of it is lost."""
        async with self.connect() as queue:
            await queue.send([Message(body) for body in bodies_of(queue.limits.max_send * 2 + 1)])
            held = await self.take(queue, queue.limits.max_send * 2 + 1)
            lost = {0, queue.limits.max_send + 1}
            await queue.acknowledge([held[place] for place in lost])
            extended = await queue.extend(held, LONG)
            assert [delivery and delivery.body for delivery in extended] == [
                None if place in lost else delivery.body for place, delivery in enumerate(held)
            ]

    async def test_what_someone_else_holds_by_now_cannot_be_extended(self) -> None:
        """So a worker that was paused past its time learns that its job is another's, and stops."""
        async with self.connect() as late, self.connect() as holder:
            await late.send([Message("job")])
            lost = await self.take(late, visibility=self.short)
            await self.pass_time(self.short)
            held = await self.take(holder)
            assert list(await late.extend(lost, LONG)) == [None]
            assert (await holder.extend(held, LONG))[0] is not None

    async def test_a_delivery_can_be_extended_to_the_longest_visibility_whenever_it_came(self) -> None:
        """Where the time is counted from the receipt on, the adapter cuts off what is too much."""
        async with self.connect() as holder, self.connect() as other:
            longest = holder.limits.max_visibility
            await holder.send([Message("job")])
            held = await self.take(holder, visibility=longest)
            await self.pass_time(self.pause)
            assert (await holder.extend(held, longest))[0] is not None
            assert await self.look(other) == []

    async def test_a_delivery_whose_time_has_run_out_is_held_again_or_given_up(self) -> None:
        """If nobody has received it since, either answer will do; but the answer must be true."""
        async with self.connect() as late, self.connect() as other:
            await late.send([Message("job")])
            lost = await self.take(late, visibility=self.short)
            await self.pass_time(self.short)
            (held,) = await late.extend(lost, LONG)
            if held is None:
                await self.take(other)
            else:
                assert await self.look(other) == []
                await late.acknowledge([held])
                assert await self.look(other) == []

    async def test_a_cancelled_receive_loses_no_message(self) -> None:
        """A worker that stops cancels its long poll: what that has taken by then comes back when its time ends."""
        async with self.connect() as stopping, self.connect() as other:
            bodies = bodies_of(8)
            await other.send([Message(body) for body in bodies])
            for turns in range(8):
                receiving = asyncio.ensure_future(
                    stopping.receive(max_messages=1, wait=self.patience, visibility=self.short)
                )
                for _ in range(turns):
                    await asyncio.sleep(0)
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
            await self.pass_time(self.short)
            assert sorted_bodies(await self.take(other, len(bodies))) == bodies
            assert await self.look(other) == []

    async def test_what_a_cancelled_receive_takes_is_given_back(self) -> None:
        """Whoever stops gives up what it waits for: what the service has taken for it by then is nobody's, and due."""
        bodies = bodies_of(9)
        async with self.connect() as other:
            await other.send([Message(body) for body in bodies[:-1]])
            async with self.connect() as stopping:
                for turns in range(9):
                    receiving = asyncio.ensure_future(
                        stopping.receive(max_messages=1, wait=self.short * 2, visibility=LONG)
                    )
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    receiving.cancel()
                    (taken,) = await asyncio.gather(receiving, return_exceptions=True)
                    if not isinstance(taken, BaseException):  # it had them, just before it was cancelled
                        await stopping.release(taken)
                await other.send([Message(bodies[-1])])
                await self.pass_time(self.pause)
            begun = self.now()
            await self.take(other, bodies)
            assert self.now() - begun < LONG, "it was hidden from everybody for as long as a worker would have had it"

    async def test_times_between_whole_seconds_are_not_cut(self) -> None:
        """Services that take whole seconds are told the next one: a job that shows too early is done twice."""
        async with self.connect() as queue:
            part = self.short + 0.9  # far from the second before it, since calls take time, too
            await queue.send([Message(body) for body in "ab"])
            held = await self.take(queue, ["a", "b"], visibility=part)
            await queue.send([Message("delayed")], delay=part)
            await queue.extend(held[:1], part)
            await self.pass_time(self.short + 0.1)
            assert await self.look(queue) == [], f"it shows too early: it was to be hidden for {part:g} s"

    # --- letting go ---

    async def test_an_acknowledged_message_does_not_come_back(self) -> None:
        """What is done is done."""
        async with self.connect() as queue:
            await queue.send([Message("job")])
            await queue.acknowledge(await self.take(queue, visibility=self.short))
            await self.pass_time(self.short)
            assert await self.look(queue) == []

    async def test_any_number_of_deliveries_is_acknowledged_by_one_call(self) -> None:
        """The adapter splits into requests, and all of them count."""
        async with self.connect() as queue:
            number = queue.limits.max_send * 2 + 1
            await queue.send([Message(body) for body in bodies_of(number)])
            await queue.acknowledge(await self.take(queue, number, visibility=self.short * 2))
            await self.pass_time(self.short * 2)
            assert await self.look(queue) == []

    async def test_acknowledging_again_does_no_harm(self) -> None:
        """A call whose answer was lost is repeated with the same deliveries."""
        async with self.connect() as queue:
            await queue.send([Message(body) for body in "ab"])
            taken = await self.take(queue, 2)
            await queue.acknowledge(taken[:1])
            await queue.acknowledge(taken)
            await queue.acknowledge(taken)

    async def test_a_late_acknowledgement_takes_no_message_from_its_new_holder(self) -> None:
        """Its holder may die yet, and then the message is all that is left of the job."""
        async with self.connect() as late, self.connect() as holder:
            await late.send([Message("job")])
            lost = await self.take(late, visibility=self.short)
            await self.pass_time(self.short)
            await self.take(holder, visibility=self.short)
            await late.acknowledge(lost)
            await self.pass_time(self.short)
            await self.take(holder)

    async def test_released_messages_are_visible_at_once(self) -> None:
        """A worker that stops hands its jobs on, and nobody waits for their visibility."""
        async with self.connect() as stopping, self.connect() as other:
            bodies = bodies_of(stopping.limits.max_send + 1)
            await stopping.send([Message(body) for body in bodies])
            begun = self.now()
            await stopping.release(await self.take(stopping, len(bodies), visibility=LONG))
            assert sorted_bodies(await self.take(other, len(bodies))) == bodies
            assert self.now() - begun < LONG

    async def test_what_two_holders_have_done_is_gone(self) -> None:
        """A worker slower than its visibility does what another one does: both acknowledge, and neither is refused."""
        async with self.connect() as late, self.connect() as holder:
            for order in ((late, holder), (holder, late)):
                await late.send([Message("job")])
                taken = {late: await self.take(late, visibility=self.short)}
                await self.pass_time(self.short)
                taken[holder] = await self.take(holder, visibility=self.short)
                for each in order:
                    await each.acknowledge(taken[each])
                await self.pass_time(self.short)
                assert await self.look(holder) == []

    async def test_a_late_release_leaves_the_message_to_its_new_holder(self) -> None:
        """A worker that stops may be late: there is no second copy of the job, and its holder can be done with it."""
        async with self.connect() as late, self.connect() as holder:
            await late.send([Message("job")])
            lost = await self.take(late, visibility=self.short)
            await self.pass_time(self.short)
            held = await self.take(holder, visibility=self.short * 2)
            await late.release(lost)
            assert await self.look(late) == [], "its holder works, and another one received it"
            await holder.acknowledge(held)
            assert await self.look(late) == []
            await self.pass_time(self.short * 2)
            assert await self.look(late) == []

    async def test_an_extended_delivery_is_released_at_once(self) -> None:
        """A worker's heart has beaten before it stops: what it hands on is the newest handle, and it works."""
        async with self.connect() as stopping, self.connect() as other:
            await stopping.send([Message(body) for body in "ab"])
            extended = await stopping.extend(await self.take(stopping, ["a", "b"]), LONG)
            held = [delivery for delivery in extended if delivery is not None]
            assert len(held) == 2, "both are held still"
            begun = self.now()
            await stopping.release(held)
            await self.take(other, ["a", "b"])
            assert self.now() - begun < LONG, "they were to be visible at once, and not at the end of their time"

    async def test_what_is_gone_keeps_no_other_from_being_let_go(self) -> None:
        """Of all that a worker lets go, some may be done by others by now: the rest is acknowledged, or released."""
        async with self.connect() as queue:
            bodies = bodies_of(4)
            await queue.send([Message(body) for body in bodies])
            taken = await self.take(queue, bodies, visibility=self.short * 2)
            await queue.acknowledge(taken[:2])
            await queue.acknowledge([taken[1], taken[2], taken[0], taken[3]])
            await self.pass_time(self.short * 2)
            assert await self.look(queue) == [], "all of them were acknowledged"
            await queue.send([Message(body) for body in bodies])
            taken = await self.take(queue, bodies)
            await queue.acknowledge(taken[:2])
            begun = self.now()
            await queue.release([taken[1], taken[2], taken[0], taken[3]])
            await self.take(queue, [delivery.body for delivery in taken[2:]])
            assert self.now() - begun < LONG, "they were to be visible at once, and not at the end of their time"

    @needs("skips_time")
    async def test_the_count_goes_on_to_ten_and_beyond(self) -> None:
        """A limit on deliveries may be any number."""
        async with self.connect() as queue:
            await queue.send([Message("job")])
            for number in range(1, 13):
                (delivery,) = await self.take(queue, ["job"], visibility=self.short)
                assert delivery.count == number, f"this was delivery {number}"
                await self.pass_time(self.short)

    @needs("side_door")
    async def test_the_queue_holds_what_was_sent_and_is_not_acknowledged(self) -> None:
        """Seen past the adapter: nothing is kept in a client, nothing lies about that nobody will deliver."""
        async with self.connect() as queue:
            bodies = bodies_of(queue.limits.max_send + 2)
            await queue.send([Message(body) for body in bodies])
            await queue.send([Message("later")], delay=queue.limits.max_delay)
            assert sorted(await self.stored.messages()) == [*bodies, "later"]
            taken = await self.take(queue, len(bodies))
            assert sorted(await self.stored.messages()) == [*bodies, "later"]
            await queue.acknowledge(taken[1:])
            await queue.release(taken[:1])
            assert sorted(await self.stored.messages()) == sorted([taken[0].body, "later"])

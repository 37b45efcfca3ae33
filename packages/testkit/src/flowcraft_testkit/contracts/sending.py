"""The clauses of a job queue on sending, receiving and delays."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Collection, Sequence
from typing import Any

import pytest
from flowcraft_core.ports import Backend, Delivery, JobQueue, Message

from .clauses import needs
from .drawn import DrawnMessageClauses
from .hostile import LONG_RUN_IDS, TEXTS
from .loop_watch import LoopWatch
from .processes import ROUNDS, receive_messages
from .troubled import Calls

#: A visibility that does not end within a clause.
LONG = 60.0


class SendingClauses(DrawnMessageClauses):
    """What a ``JobQueue`` promises of messages that nobody holds yet."""

    contract = "queue"

    def port(self, backend: Backend) -> JobQueue:
        """The queue."""
        return backend.queue

    racer = receive_messages

    def calls_with(self, port: JobQueue, text: str) -> Calls:
        """See ``TroubledClauses``."""
        return {"send": lambda: port.send([Message(text)])}

    async def calls_without_text(self, port: JobQueue) -> Calls:
        """See ``TroubledClauses``."""
        await port.send([Message("held")] * 6)
        held, *others = await self.take(port, 6)

        def release() -> Awaitable[None]:
            # Each time another one, while there are any: what was released need not be released again.
            return port.release([others.pop() if len(others) > 1 else others[0]])

        return {
            "receive": lambda: port.receive(max_messages=1, wait=0, visibility=LONG),
            "extend": lambda: port.extend([held], LONG),
            "release": release,
            "acknowledge": lambda: port.acknowledge([held]),
        }

    async def before_the_race(self, port: JobQueue, name: str) -> set[Any]:
        """See ``TroubledClauses``."""
        bodies = {f"{name} {number}" for number in range(ROUNDS)}
        await port.send([Message(body) for body in bodies])
        return bodies

    async def leaves_no_trace(self, here: JobQueue, there: JobQueue, name: str) -> None:
        """See ``TroubledClauses``."""
        await here.send([Message(name)])
        assert await self.look(there) == [], "a message of one queue is received from the other"
        await here.acknowledge(await self.take(here, [name]))

    async def take(
        self, queue: JobQueue, wanted: int | Collection[str] = 1, *, visibility: float = LONG
    ) -> list[Delivery]:
        """Receive until so many messages have come, or these bodies; and not one more than is wanted."""
        taken: list[Delivery] = []
        number = wanted if isinstance(wanted, int) else len(wanted)
        # What is only counted is called by its number.
        missing = Counter([] if isinstance(wanted, int) else wanted)

        async def has_all() -> str:
            found = await queue.receive(max_messages=number - len(taken), wait=0, visibility=visibility)
            taken.extend(found)
            come = [ascii(delivery.body)[:60] for delivery in taken]
            left = [ascii(body)[:60] for body in (missing - Counter(delivery.body for delivery in taken)).elements()]
            what = f"these: {', '.join(left)}" if left else f"{number - len(taken)} of {number}"
            return "" if len(taken) == number else f"of the messages {what} have not come; those that have: {come}"

        await self.until_nothing(has_all)
        return taken

    async def look(self, queue: JobQueue) -> list[Delivery]:
        """What can be received now. One look may miss what is there, even on a good queue; five do not."""
        return [
            delivery
            for _ in range(5)
            for delivery in await queue.receive(max_messages=queue.limits.max_receive, wait=0, visibility=LONG)
        ]

    # --- sending and receiving ---

    async def test_a_message_arrives_as_it_was_sent(self) -> None:
        """Bodies are text, and a queue that escapes or trims them breaks jobs."""
        bodies = {
            '{"run": "a/b", "key": "pages[17].ocr"}',
            " a\tb\r\nc ",
            "<a b='c'>&amp;</a>",
            "日本語 😀 é e\u0301",
            "%2F+=\\",
            *TEXTS,
            "".join(TEXTS),
        }
        async with self.connect() as sender, self.connect() as receiver:
            await sender.send([Message(body, group=LONG_RUN_IDS[-1]) for body in bodies])
            assert {delivery.body for delivery in await self.take(receiver, bodies)} == bodies

    async def test_any_number_of_messages_is_sent_by_one_call(self) -> None:
        """The adapter splits into requests, and a request of which a half was refused is not done."""
        async with self.connect() as queue:
            bodies = bodies_of(queue.limits.max_send * 2 + 1)
            await queue.send([Message(body) for body in bodies])
            assert sorted_bodies(await self.take(queue, len(bodies))) == bodies

    async def test_many_long_messages_are_sent_by_one_call(self) -> None:
        """Where a request is limited in bytes too, the adapter splits by that as well."""
        async with self.connect() as queue:
            body = "x" * queue.limits.max_body_bytes
            await queue.send([Message(body)] * queue.limits.max_send)
            assert [delivery.body for delivery in await self.take(queue, queue.limits.max_send)] == (
                [body] * queue.limits.max_send
            )

    async def test_equal_messages_are_messages_of_their_own(self) -> None:
        """A job that is sent again must arrive again: it says to look once more."""
        async with self.connect() as queue:
            await queue.send([Message("look again", group="run")] * 2)
            await queue.acknowledge(await self.take(queue, 2))
            await queue.send([Message("look again", group="run")])
            await self.take(queue)

    async def test_a_held_message_does_not_hold_up_its_group(self) -> None:
        """A group is for fairness: the branches of a run go on while one of them works."""
        async with self.connect() as queue:
            await queue.send([Message(body, group="run") for body in "ab"])
            first = await self.take(queue)
            second = await self.take(queue)
            assert sorted_bodies(first + second) == ["a", "b"]

    async def test_calls_with_nothing_do_nothing(self) -> None:
        """The engine need not ask whether there is something to send or to acknowledge."""
        async with self.connect() as queue:
            await queue.send([])
            await queue.acknowledge([])
            await queue.release([])
            assert list(await queue.extend([], LONG)) == []
            assert await self.look(queue) == []

    async def test_a_receive_brings_no_more_than_was_asked_for(self) -> None:
        """A worker with one free place must not hold what it cannot work on."""
        async with self.connect() as queue:
            most = queue.limits.max_receive
            await queue.send([Message(body) for body in bodies_of(most + 2)])
            assert len(await queue.receive(max_messages=1, wait=self.patience, visibility=LONG)) == 1
            assert len(await queue.receive(max_messages=most + 1, wait=self.patience, visibility=LONG)) <= most

    async def test_an_empty_receive_takes_its_wait(self) -> None:
        """An idle worker asks once per wait: one whose queue answers at once would ask without end."""
        async with self.connect() as queue:
            begun = self.now()
            assert list(await queue.receive(max_messages=1, wait=self.short, visibility=LONG)) == []
            assert self.now() - begun >= self.short * 0.9

    async def test_a_waiting_receive_blocks_nobody(self) -> None:
        """A worker's heartbeats and steps go on while it polls: a call that waits in the loop's thread stops all."""
        stalls: list[float] = []
        for _ in range(3):  # a machine may be busy for a moment, but a backend that blocks does so each time
            watch = LoopWatch()
            async with self.connect() as queue, watch.watched():
                began = time.perf_counter()
                await asyncio.sleep(0.05)
                await queue.receive(max_messages=1, wait=self.short, visibility=LONG)
                await asyncio.sleep(0.05)
                stalls.append(watch.longest / (time.perf_counter() - began))
            if stalls[-1] < 0.5:
                return
        raise AssertionError(
            "while a receive waits, others must get on: the event loop stood still for "
            f"{', '.join(f'{stall:.0%}' for stall in stalls)} of the time; let what blocks wait in a thread"
        )

    async def test_a_waiting_receive_gets_what_is_sent_meanwhile(self) -> None:
        """Otherwise a hop of a run would take an idle worker's whole wait; now and then, if it is missed at a turn."""
        async with self.connect() as sender, self.connect() as receiver:

            async def send_after(turns: int) -> None:
                for _ in range(turns):
                    await asyncio.sleep(0)
                if turns == 5:
                    await self.pass_time(self.pause)
                await sender.send([Message(f"job {turns}")])

            for turns in range(6):
                begun = self.now()
                found, _ = await asyncio.gather(
                    receiver.receive(max_messages=1, wait=self.patience, visibility=LONG), send_after(turns)
                )
                assert sorted_bodies(found) == [f"job {turns}"]
                assert self.now() - begun < self.patience / 2

    async def test_messages_outlive_the_client_that_sent_them(self) -> None:
        """What ``send`` has returned for is stored, and not in the sender's memory."""
        async with self.connect() as sender:
            await sender.send([Message("job")])
        async with self.connect() as receiver:
            await self.take(receiver)

    # --- delays and limits ---

    async def test_a_delayed_message_comes_after_its_delay(self) -> None:
        """Retries and short sleeps are delayed messages; every message of the call is delayed."""
        async with self.connect() as queue:
            bodies = bodies_of(queue.limits.max_send + 1)
            await queue.send([Message(body) for body in bodies], delay=self.short * 2)
            assert await self.look(queue) == []
            await self.pass_time(self.short * 2)
            assert sorted_bodies(await self.take(queue, len(bodies))) == bodies

    async def test_a_delayed_message_does_not_hold_up_others(self) -> None:
        """A queue holds both what is due now and what is due in a quarter of an hour."""
        async with self.connect() as queue:
            await queue.send([Message("later", group="run")], delay=queue.limits.max_delay)
            await queue.send([Message("now", group="run")])
            assert [delivery.body for delivery in await self.take(queue)] == ["now"]
            assert await self.look(queue) == []

    async def test_a_body_may_be_as_long_as_the_limit_in_bytes_and_no_longer(self) -> None:
        """The limit is told before anything is sent: nothing of a refused call is."""
        async with self.connect() as queue:
            for letter in "xé😀":
                longest = letter * (queue.limits.max_body_bytes // len(letter.encode()))
                with pytest.raises(ValueError, match=r"\d"):
                    await queue.send([Message("short"), Message(longest + letter)])
                assert await self.look(queue) == []
                await queue.send([Message(longest)])
                assert [delivery.body for delivery in await self.take(queue)] == [longest]

    async def test_a_delay_out_of_range_is_refused(self) -> None:
        """A queue that cuts a delay short would wake a sleeper early."""
        async with self.connect() as queue:
            for delay in (-1.0, queue.limits.max_delay + 1):
                with pytest.raises(ValueError, match=r"\d"):
                    await queue.send([Message("job")], delay=delay)
            assert await self.look(queue) == []

    @needs("skips_time")
    async def test_the_longest_delay_is_kept_to_its_end(self) -> None:
        """A limit that is said to be longer than it is wakes sleepers early, or never."""
        async with self.connect() as queue:
            await queue.send([Message("later")], delay=queue.limits.max_delay)
            await self.skip_time(queue.limits.max_delay - LONG)
            assert await self.look(queue) == []
            await self.skip_time(LONG)
            assert [delivery.body for delivery in await self.take(queue)] == ["later"]

    @needs("queue_limits")
    async def test_the_limits_are_those_that_are_declared(self) -> None:
        """The engine plans by what the port says, and people by what its author does."""
        async with self.connect() as queue:
            assert queue.limits == self.declared.queue_limits


def bodies_of(number: int) -> list[str]:
    """So many different bodies, in their order."""
    return [f"job {place:06}" for place in range(number)]


def sorted_bodies(deliveries: Sequence[Delivery]) -> list[str]:
    """What was delivered, whatever the order."""
    return sorted(delivery.body for delivery in deliveries)

"""The clauses of a job queue on the processes that hold messages, or wait for some: they end, and they die."""

from __future__ import annotations

import os
import signal
import time

from flowcraft_core.ports import Delivery, JobQueue, Message

from .clauses import needs
from .measuring import MeasuringClauses
from .processes import holding, wait_and_end
from .sending import LONG

# Real seconds within which a message of the dead is delivered, on a machine that is busy; and in which one that a
# process holds that stands still is looked for in vain.
_SOON = 20.0
_A_WHILE = 3.0


class HoldingClauses(MeasuringClauses):
    """What a ``JobQueue`` promises of messages that processes hold, and of death, if it notices that."""

    @needs("processes")
    async def test_a_process_that_has_ended_takes_no_message(self) -> None:
        """A service may go on with the long poll of a program that has gone, and hide what that takes."""
        assert self._make_in_process is not None  # its capability is asked for
        async with self.connect() as queue:
            await wait_and_end(self._make_in_process, self.short * 4)
            begun = self.now()
            await queue.send([Message("job")])
            await self.take(queue)
            assert self.now() - begun < LONG, "nobody was there, and it was hidden as if somebody had it"

    @needs("processes", "notices_death")
    async def test_what_a_killed_process_held_is_delivered_at_once(self) -> None:
        """A worker that is started in place of a killed one goes on within seconds, not when the visibility ends."""
        assert self._make_in_process is not None  # its capability is asked for
        async with self.connect() as queue:
            await queue.send([Message("job")])
            async with holding(self._make_in_process, LONG) as holder:
                assert holder.body == "job"
                assert await queue.receive(max_messages=1, wait=0, visibility=LONG) == []
                holder.process.kill()
                found = await self._received_within(queue, _SOON)
                assert [(delivery.body, delivery.count) for delivery in found] == [("job", 2)]
                await queue.acknowledge(found)

    @needs("processes", "notices_death")
    async def test_a_process_that_stands_still_keeps_what_it_holds(self) -> None:
        """Stopped, swapped out or in a debugger is not dead: it may go on at any moment."""
        assert self._make_in_process is not None  # its capability is asked for
        async with self.connect() as queue:
            await queue.send([Message("job")])
            async with holding(self._make_in_process, LONG) as holder:
                assert holder.process.pid is not None
                os.kill(holder.process.pid, signal.SIGSTOP)
                assert await self._received_within(queue, _A_WHILE) == []

    async def _received_within(self, queue: JobQueue, seconds: float) -> list[Delivery]:
        """Looks again and again, for so long by the machine's clock: it is the machine that ends processes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := await queue.receive(max_messages=1, wait=0.2, visibility=LONG):
                return list(found)
        return []

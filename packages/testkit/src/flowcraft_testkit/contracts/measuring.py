"""The clause of a job queue on its depth, which is a power that not all have."""

from __future__ import annotations

from typing import Any

from flowcraft_core.ports import Message, QueueDepth

from .clauses import needs
from .sending import LONG, SendingClauses, bodies_of


class MeasuringClauses(SendingClauses):
    """What a ``JobQueue`` promises that tells its depth."""

    @needs("depth")
    async def test_the_depth_is_what_there_is(self) -> None:
        """Who watches a queue sees whether work piles up, is under way or lies in the future; about, and in the end."""
        async with self.connect() as sender, self.connect() as worker:
            bodies = bodies_of(5)
            await sender.send([Message(body) for body in bodies])
            await sender.send([Message("later"), Message("even later")], delay=LONG)
            await self._until_depth(worker, visible=5, in_flight=0, delayed=2)
            taken = await self.take(worker, bodies, visibility=LONG)
            await self._until_depth(sender, visible=0, in_flight=5, delayed=2)
            await worker.release(taken[:1])
            await self._until_depth(sender, visible=1, in_flight=4, delayed=2)
            await worker.acknowledge(taken[2:])
            await self._until_depth(sender, visible=1, in_flight=1, delayed=2)

    async def _until_depth(self, queue: Any, *, visible: int, in_flight: int, delayed: int) -> None:
        expected = QueueDepth(visible=visible, in_flight=in_flight, delayed=delayed)
        if self.declared.depth == "all":
            expected = QueueDepth(visible=visible + in_flight + delayed)

        async def differs() -> str:
            found = await queue.depth()
            return "" if found == expected else f"the depth is told as {found}, and is {expected}"

        await self.until_nothing(differs)

"""How often an instance was begun with, and whoever began did not come back, or found the engine itself failing.

Whatever was under way in a program that ended comes again, and only one of them has ended it. So what has come so often
that it is suspected is tried when no other such one is: then what ends its program ends none of the others' tries.
"""

from __future__ import annotations

import asyncio
import contextlib

import attrs

from ..errors import TransientError
from ..ports import CoordinationStore

# How long it is remembered that somebody began with an instance and did not come back, seconds.
_KEPT = 86400.0


@attrs.define(eq=False)
class Trying:
    """What one program tries again just now, under all of its jobs.

    Attributes:
        said: What each counter said when this program began, by counter.
        suspected: Held by one that is suspected, for as long as it is tried.
    """

    said: dict[str, int] = attrs.field(factory=dict)
    suspected: asyncio.Lock = attrs.field(factory=asyncio.Lock)


@attrs.define
class PoisonCount:
    """Tells a job that kills its workers from one that comes often for other reasons.

    What the queue counts is no proof: a job is delivered again also when somebody else was faster, or when the backend
    did not answer. So from the second delivery on a counter says how many began with this very instance; who comes back
    clears it. That alone is no proof either: copies of a job may be at it in the same moment. Losing the counter costs
    some more deliveries. A program that ends with several copies under way is one that did not come back: of those, one
    counts.

    Who comes back with an error of the engine's own has cleared nothing, since nothing came of it; what the error was
    is kept beside the counter.

    Attributes:
        coordination: Where the counter is.
        limit: So many may not have come back. From half of them on an instance is suspected.
        here: What this program is at just now, under whichever job.
    """

    coordination: CoordinationStore
    limit: int
    here: Trying
    _begun: str | None = None
    _counts: bool = False
    _is_suspected: bool = False

    async def are_too_many(self, incarnation: str, key: str, count: int) -> bool:
        """Begin with an instance, in its turn; whether nobody should.

        Args:
            incarnation: The run's, see ``RunRecord``.
            key: The instance's.
            count: How often the job has been delivered.
        """
        self._begun = counter = f"poison:{incarnation}:{key}"
        await self._wait_for_turn(counter, count)
        said = self.here.said
        if counter not in said:
            self._counts, said[counter] = True, 0
            said[counter] = await self.coordination.increment(counter, ttl=_KEPT)
        begun = said[counter]
        # Beyond twice the limit no copies in the same moment explain it: copies that kill their workers in turn would
        # keep each other from saying so for ever.
        return begun > 2 * self.limit or min(begun, count - 1) >= self.limit

    async def _wait_for_turn(self, counter: str, count: int) -> None:
        """Wait, if the instance is suspected, until no other one is tried that is."""
        enough = max(1, self.limit // 2)
        if count - 2 >= enough and int(await self.coordination.get(counter) or 0) >= enough:  # the first is not counted
            await self.here.suspected.acquire()
            self._is_suspected = True

    def keep(self) -> None:
        """Leave the counter as it is, though this program comes back: somebody else is at the instance."""
        self.leave()
        self._begun = None

    def leave(self) -> None:
        """Be at nothing any more, whatever came of it."""
        if self._counts and self._begun is not None:
            del self.here.said[self._begun]
            self._counts = False
        if self._is_suspected:
            self.here.suspected.release()
            self._is_suspected = False

    async def come_back(self) -> None:
        """Say that whatever was begun did not end this program."""
        if self._begun is not None:
            with contextlib.suppress(TransientError):
                await self.coordination.delete(self._begun)

    async def note_trouble(self, incarnation: str, job: str, key: str, what: str) -> int:
        """Say that the engine itself has failed; how often it has, under this job.

        Args:
            incarnation: The run's, see ``RunRecord``.
            job: The job's id.
            key: The instance that it was at, if it was at one.
            what: With what.
        """
        with contextlib.suppress(TransientError):
            await self.coordination.set_if_absent(_trouble_key(incarnation, key), what, ttl=_KEPT)
        return await self.coordination.increment(f"troubles:{incarnation}:{job}", ttl=_KEPT)

    async def trouble(self, incarnation: str, key: str) -> str | None:
        """With what the engine has failed at an instance."""
        return await self.coordination.get(_trouble_key(incarnation, key))


def _trouble_key(incarnation: str, key: str) -> str:
    return f"trouble:{incarnation}:{key}"

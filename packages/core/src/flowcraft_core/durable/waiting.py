"""Jobs that wait for a place under a limit: who keeps them, and who knows of it.

A worker keeps such a job for a while: its message stays hidden, it has no slot, nothing of its run is in memory. All
that it costs is a look now and then, which all that wait here for the same share, and keeping the message hidden. What
is given back in this program is taken up at once. Of those beyond what a worker keeps, and of all that hosts of
functions receive, a job is sent instead, to look again after some seconds; many that look at one time share requests.

That an instance waits is said in the coordination store, with the id of the job that does. It is a hint: reconcilers
leave the instance alone, another job for it goes, and people are shown what it waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable, Sequence

import attrs

from ..clock import Clock
from ..errors import TransientError
from ..jobs import Job, encode_job
from ..limits import look_again_at, spread_of
from ..ports import Backend, CoordinationStore, Message
from .limits import GLANCED, FleetLimits, Places
from .queues import queue_named
from .runs import RunRecord

# How long jobs that are to look again are gathered, seconds.
_GATHERED = 0.05

# How long it is known of an instance that it waits for a place, if nobody says so again, seconds; and after how many
# looks it is said again.
_SAID = 600.0
_SAID_AGAIN = 30

#: At every so many looks some places are tried although all are said to be taken.
GLANCES = 7

# At every so many looks of a job that is sent it is asked whether the run lives.
_ASKS_WHETHER_LIVE = 6

#: For how long a worker keeps a job, seconds: then others can have it.
KEPT_FOR = 300.0


class WaitingJobs:
    """Those that wait in one program."""

    def __init__(
        self, backend: Backend, limits: FleetLimits, clock: Clock, *, keeps: int, stopped: Callable[[], bool]
    ) -> None:
        """Keep none yet.

        Args:
            backend: Where runs live.
            limits: Of whose places they wait.
            clock: Tells the time.
            keeps: How many are kept at most.
            stopped: Whether none is to be kept any more.
        """
        self._store, self._limits, self._clock = backend.coordination, limits, clock
        self._keeps, self._stopped = keeps, stopped
        self._later = LaterJobs(backend, clock)
        self._kept: dict[tuple[str, str], object] = {}  # those kept, each with what stands for who keeps it

    async def wait(self, job: Job, record: RunRecord, queue: str, until: float) -> tuple[Job, Places] | None:
        """Wait for places.

        Args:
            job: The job that has found none.
            record: Its run's record.
            queue: The name of the queue that it came from.
            until: Until when it is kept at most.

        Returns:
            The job, and the places that it has now; None if another job goes on, and there is nothing left to do.

        Raises:
            TransientError: Worth another try.
        """
        if not await self._says_so(job, record):
            return None
        who = (record.incarnation, job.key)
        if who in self._kept or len(self._kept) < self._keeps:
            # Of copies the last one is kept: it may be the same message again, whose time ran out unnoticed, and then
            # the delivery before it holds nothing any more.
            keeper = self._kept[who] = object()
            try:
                job, found = await self._keep(job, record, until, lambda: self._kept.get(who) is keeper)
            finally:
                if self._kept.get(who) is keeper:
                    del self._kept[who]
            if found is None or isinstance(found, Places):
                return None if found is None else (job, found)
        at, again = waits_on(job, self._clock.now())
        if self._stopped():
            at, again = self._clock.now(), job
        await self._later.send(queue, again, at)
        return None

    async def _keep(
        self, job: Job, record: RunRecord, until: float, is_last: Callable[[], bool]
    ) -> tuple[Job, Places | _Left | None]:
        """Look for places, and be told of them; gives what was found, and nothing if another job goes on."""
        while not self._stopped():
            now = self._clock.now()
            at, again = waits_on(job, now)
            if at > until:
                break
            job = again
            is_told = await self._limits.news(job.limits, at - now)
            if not is_last():
                return job, None
            if self._stopped():
                break
            with contextlib.suppress(TransientError):  # then it looks the next time
                if not is_told and not await self._says_so(job, record):
                    return job, None
                if (places := await self._look(job, is_told)) is not None:
                    return job, places
        return job, _Left.TO_OTHERS

    async def _look(self, job: Job, is_told: bool) -> Places | None:
        if is_told or not await self._limits.are_full(job.limits):
            return await self._limits.take(job.limits)
        if job.waited % GLANCES:
            return None
        return await self._limits.take(job.limits, glance=job.waited // GLANCES * GLANCED)

    async def _says_so(self, job: Job, record: RunRecord) -> bool:
        """Say now and then that an instance waits; whether no other job has said so."""
        if job.waited % _SAID_AGAIN:
            return True
        key, said = limited_key(record, job.key), say_limited(job.id, job.limits)
        ways = [self._store.extend_ttl, self._store.set_if_absent]
        for way in ways if job.waited else reversed(ways):  # the one that is likely first
            if await way(key, said, ttl=_SAID):
                return True
        return False


class _Left(enum.Enum):
    """What becomes of a job that was kept in vain."""

    TO_OTHERS = "to others"


def waits_on(job: Job, now: float) -> tuple[float, Job]:
    """When a job looks again that has looked in vain, and the job that does.

    It counts as first seen then: whoever looks believes that its run lives, which the job was told now and then only.
    """
    at = look_again_at(job.waited, spread_of(job.id + job.key), now)
    first_seen = now if job.waited % _ASKS_WHETHER_LIVE == 0 else at
    return at, attrs.evolve(job, waited=job.waited + 1, first_seen=first_seen)


class LaterJobs:
    """Sends jobs that look again later; those that look at about one time, in one request."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        """Send for a backend.

        Args:
            backend: Whose queues.
            clock: Tells the time.
        """
        self._backend, self._clock = backend, clock
        self._gathered: dict[tuple[str, float], tuple[dict[str, Message], asyncio.Task[None]]] = {}

    async def send(self, queue: str, job: Job, at: float) -> None:
        """Send a job to a queue, to be received at a time; it is sent once this returns. Of copies one is sent."""
        place = (queue, round(at, 1))
        if place not in self._gathered:
            messages: dict[str, Message] = {}
            self._gathered[place] = (messages, asyncio.ensure_future(self._send(place, at)))
        messages, sending = self._gathered[place]
        messages[f"{job.id}:{job.key}"] = Message(encode_job(job), job.run_id)
        await asyncio.shield(sending)  # others wait for the same

    async def _send(self, place: tuple[str, float], at: float) -> None:
        await self._clock.sleep(_GATHERED)
        messages, _ = self._gathered.pop(place)
        delay = max(0.0, at - self._clock.now())
        await queue_named(self._backend, place[0]).send(list(messages.values()), delay=delay)


# --- who waits ------------------------------------------------------------------------------------------------------


def limited_key(record: RunRecord, key: str) -> str:
    """Where it is said, in the coordination store, that an instance waits for a place under its limits. A hint."""
    return f"limited:{record.incarnation}:{key}"


def say_limited(job: str, names: Sequence[str]) -> str:
    """What is said there: by which job it waits, and for what."""
    return "\n".join([job, *names])


def said_limited(said: str | None) -> tuple[str, ...]:
    """The limits that are waited for, as was said; none if nothing was."""
    return () if said is None else tuple(said.split("\n")[1:])


async def says_no_more(store: CoordinationStore, record: RunRecord, key: str, job: str, names: Sequence[str]) -> None:
    """Say that an instance waits for no place any more, if it is this job that said so.

    Whoever says so and goes on without this keeps others from it: the job of its next attempt, say, would go.
    """
    with contextlib.suppress(TransientError):
        await store.delete(limited_key(record, key), value=say_limited(job, names))

"""Places under limits, kept in the coordination store, so that they hold over all workers.

A place is a key that whoever sets it first has, for a time. One for an attempt under way is renewed as long as the
worker lives, and removed when the attempt ends; one for a start is left to lapse. So it is the store's clock that
counts. A store that was wiped gives each place once more; who had one before takes it again at its next renewal, or
finds that it has none.

Whoever finds all places of attempts taken says so, in a key that whoever gives one back removes. As long as it stands,
looking costs one request. It is said *before* all are asked once more: what is given back meanwhile is not overlooked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import attrs

from ..clock import Clock
from ..errors import TransientError
from ..ids import new_id
from ..jobs import Job, encode_job
from ..limits import Limit, in_turn, limit_named, look_again_at, spread_of
from ..ports import Backend, CoordinationStore, Message
from .queues import queue_named
from .runs import RunRecord

# How long it is believed that all places are taken, seconds, if nobody gives one back: a killed worker says nothing.
_FULL = 20.0

# How long a program believes it without asking again, seconds.
_BELIEVED = 0.5

# How long jobs that are to look again are gathered, seconds.
_GATHERED = 0.05

# The longest that it is believed of starts, which nobody gives back.
_FULL_OF_STARTS = 5.0

#: How long it is known of an instance that it waits for a place, if nobody says so again, seconds; and after how many
#: looks it is said again.
WAITING_SAID = 300.0
SAID_AGAIN = 12

# At every so many looks it is asked whether the run lives.
_ASKS_WHETHER_LIVE = 6


@attrs.define(eq=False)
class Places:
    """What one attempt has.

    Attributes:
        holder: Under what it has them.
        held: The keys of those that are given back, each with its limit.
        starts: The keys of those that lapse.
    """

    holder: str = attrs.field(factory=new_id)
    held: dict[str, str] = attrs.field(factory=dict)
    starts: list[str] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class FleetLimits:
    """Takes places for attempts, renews them, and gives them back.

    Attributes:
        store: Where they are.
        limits: What is declared here, by name.
        ttl: Seconds after which a place is free whose holder is not heard of any more.
        clock: Tells the time.
    """

    store: CoordinationStore
    limits: Mapping[str, Limit]
    ttl: float
    clock: Clock
    _one_by_one: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _asked: dict[str, tuple[float, asyncio.Task[bool]]] = attrs.field(factory=dict, init=False)

    async def take(self, names: Sequence[str]) -> Places | None:
        """Take a place under each of some limits, all or none.

        Args:
            names: The limits with their keys, in the order of their names.

        Returns:
            The places; None if one of the limits has none now.

        Raises:
            UnknownLimitError: This program does not declare one.
            TransientError: Worth another try; none is kept.
        """
        places = Places()
        try:
            for name in names:
                limit = limit_named(self.limits, name)
                if limit.concurrency is not None and not await self._take_held(name, limit.concurrency, places):
                    await self._take_back(places)
                    return None
            # What lapses comes last: of it nothing is used up for what cannot begin.
            for name in names:
                count, ttl = limit_named(self.limits, name).start_places()
                if count and not await self._take_start(name, count, ttl, places):
                    await self._take_back(places)
                    return None
        except BaseException:
            with contextlib.suppress(Exception):
                await self._take_back(places)
            raise
        return places

    async def are_full(self, names: Sequence[str]) -> bool:
        """Whether it is said that one of some limits has no place; what is asked at about one time is asked once."""
        for name in names:
            limit = limit_named(self.limits, name)
            if limit.concurrency is not None and await self._is_full(_full_key(name, "held")):
                return True
            if limit.rate is not None and await self._is_full(_full_key(name, "starts")):
                return True
        return False

    async def _is_full(self, key: str) -> bool:
        now = self.clock.now()
        asked = self._asked.get(key)
        if asked is None or not 0 <= now - asked[0] <= _BELIEVED or (asked[1].done() and not _says_full(asked[1])):
            for old in [old for old, (when, _) in self._asked.items() if now - when > _BELIEVED]:
                del self._asked[old]
            asked = self._asked[key] = (now, asyncio.ensure_future(self._ask(key)))
        return await asyncio.shield(asked[1])

    async def _ask(self, key: str) -> bool:
        return await self.store.get(key) is not None

    async def renew(self, places: Places) -> None:
        """Say that whoever has these places lives; what the store has lost is taken again, unless others have it.

        Raises:
            TransientError: Worth another try.
        """
        for key in places.held:
            if not await self.store.extend_ttl(key, places.holder, ttl=self.ttl):
                await self.store.set_if_absent(key, places.holder, ttl=self.ttl)

    async def give_back(self, places: Places) -> None:
        """End with places: others can have those that do not lapse. What cannot be said now is free after its time."""
        with contextlib.suppress(TransientError):
            await self._give_back(places)

    async def _take_held(self, name: str, count: int, places: Places) -> bool:
        keys = [_place_key(name, "held", number) for number in in_turn(count, places.holder)]
        full = _full_key(name, "held")
        if not (key := await self._first(keys[:1], places, self.ttl)):
            async with self._one_by_one:  # of many in this program the first one finds out for all
                if await self._is_full(full):
                    return False
                if not (key := await self._first(keys[1:], places, self.ttl)):
                    await self.store.set_if_absent(full, "yes", ttl=_FULL)
                    if not (key := await self._first(keys, places, self.ttl)):
                        self._asked.pop(full, None)
                        await self._is_full(full)  # which is known from now on
                        return False
                    await self.store.delete(full)
        places.held[key] = name
        return True

    async def _take_start(self, name: str, count: int, ttl: float, places: Places) -> bool:
        full = _full_key(name, "starts")
        keys = [_place_key(name, "starts", number) for number in in_turn(count, places.holder)]
        if not (key := await self._first(keys[:1], places, ttl)):
            async with self._one_by_one:
                if await self._is_full(full):
                    return False
                if not (key := await self._first(keys[1:], places, ttl)):
                    await self.store.set_if_absent(full, "yes", ttl=min(ttl / 2, _FULL_OF_STARTS))
                    self._asked.pop(full, None)
                    return False
        places.starts.append(key)
        return True

    async def _first(self, keys: Sequence[str], places: Places, ttl: float) -> str:
        """The first of some keys that could be had; empty if none could."""
        for key in keys:
            if await self.store.set_if_absent(key, places.holder, ttl=ttl):
                return key
        return ""

    async def _give_back(self, places: Places) -> None:
        for key, name in places.held.items():
            await self.store.delete(key, value=places.holder)
            self._asked.pop(_full_key(name, "held"), None)
            await self.store.delete(_full_key(name, "held"))

    async def _take_back(self, places: Places) -> None:
        """Leave all as if nothing had been taken: a start, too, that will not be."""
        await self._give_back(places)
        for key in places.starts:
            await self.store.delete(key, value=places.holder)


def _says_full(asked: asyncio.Task[bool]) -> bool:
    return not asked.cancelled() and asked.exception() is None and asked.result()


def _place_key(name: str, kind: str, number: int) -> str:
    return f"limit:{kind}:{number}:{name}"


def _full_key(name: str, kind: str) -> str:
    return f"limit:{kind}:full:{name}"


def waits_on(job: Job, now: float) -> tuple[float, Job]:
    """When a job looks again that has looked in vain, and the job that does.

    It counts as first seen then: whoever looks believes that its run lives, which the job was told now and then only.
    """
    at = look_again_at(job.waited, spread_of(job.id), now)
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
        self._gathered: dict[tuple[str, float], tuple[list[Message], asyncio.Task[None]]] = {}

    async def send(self, queue: str, job: Job, at: float) -> None:
        """Send a job to a queue, to be received at a time; it is sent once this returns."""
        place = (queue, round(at, 1))
        if place not in self._gathered:
            messages: list[Message] = []
            self._gathered[place] = (messages, asyncio.ensure_future(self._send(place, at)))
        messages, sending = self._gathered[place]
        messages.append(Message(encode_job(job), job.run_id))
        await asyncio.shield(sending)  # others wait for the same

    async def _send(self, place: tuple[str, float], at: float) -> None:
        await self._clock.sleep(_GATHERED)
        messages, _ = self._gathered.pop(place)
        await queue_named(self._backend, place[0]).send(messages, delay=max(0.0, at - self._clock.now()))


# --- who waits ------------------------------------------------------------------------------------------------------


def limited_key(record: RunRecord, key: str) -> str:
    """Where it is said, in the coordination store, that an instance waits for a place under its limits. A hint."""
    return f"limited:{record.life}:{key}"


def say_limited(job: str, names: Sequence[str]) -> str:
    """What is said there: by which job it waits, and for what."""
    return "\n".join([job, *names])


def said_limited(said: str | None) -> tuple[str, ...]:
    """The limits that are waited for, as was said; none if nothing was."""
    return () if said is None else tuple(said.split("\n")[1:])

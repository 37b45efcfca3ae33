"""Places under limits, kept in the coordination store, so that they hold over all workers.

A place is a key that whoever sets it first has, for a time. One for an attempt under way is renewed as long as the
worker lives, and removed when the attempt ends; one for a start is left to lapse. So it is the store's clock that
counts. A store that was wiped gives each place once more; who had one before takes it again at its next renewal, or
finds that it has none.

Whoever finds all places of attempts taken says so, in a key that whoever gives one back removes. As long as it stands,
looking costs one request. It is said *before* all are asked once more: what is given back meanwhile is not overlooked.
Of a place that lapses nobody says so: now and then whoever waits tries some in spite of it. Of a single place it is its
own key that says that it is taken. What waits in the same program is told at once, by no request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import attrs

from ..clock import Clock
from ..errors import TransientError
from ..ids import new_id
from ..limits import Limit, in_turn, limit_named
from ..ports import CoordinationStore

# How long it is believed that all places are taken, seconds, if nobody gives one back: whoever waits tries some anyhow.
_FULL = 3600.0

#: How many are tried so.
GLANCED = 2

# How long a program believes it without asking again, seconds.
_BELIEVED = 0.5

# The longest that it is believed of starts, which nobody gives back.
_FULL_OF_STARTS = 5.0


@attrs.define(eq=False)
class Places:
    """What one attempt has.

    Attributes:
        names: Under which limits.
        holder: Under what it has them.
        held: The keys of those that are given back, each with the key that says that there are none.
        starts: The keys of those that lapse.
    """

    names: Sequence[str]
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
    _waiting: dict[asyncio.Event, Sequence[str]] = attrs.field(factory=dict, init=False)  # the longest first

    async def take(self, names: Sequence[str], *, glance: int | None = None) -> Places | None:
        """Take a place under each of some limits, all or none.

        Args:
            names: The limits with their keys, in the order of their names.
            glance: Of a limit all of whose places are said to be taken, try a few nevertheless, beginning with the one
                of this number, or as many times around; by default none.

        Returns:
            The places; None if one of the limits has none now.

        Raises:
            UnknownLimitError: This program does not declare one.
            TransientError: Worth another try; none is kept.
        """
        places = Places(names)
        try:
            for name in names:
                limit = limit_named(self.limits, name)
                if limit.concurrency is not None and not await self._take_held(name, limit.concurrency, places, glance):
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
        self._wake_one(names)  # where one was to be had, there may be more
        return places

    async def are_full(self, names: Sequence[str]) -> bool:
        """Whether it is said that one of some limits has no place; what is asked at about one time is asked once."""
        for name in names:
            limit = limit_named(self.limits, name)
            if limit.concurrency is not None and await self._is_full(_full_key(name, "held", limit.concurrency)):
                return True
            if limit.rate is not None and await self._is_full(_full_key(name, "starts", limit.start_places()[0])):
                return True
        return False

    async def news(self, names: Sequence[str], seconds: float) -> bool:
        """Wait until there may be places under some limits, as far as this program sees, or for so many seconds.

        Args:
            names: The limits with their keys.
            seconds: How long.

        Returns:
            Whether there may be: whoever has waited longest here is told first, and alone.
        """
        news = asyncio.Event()
        self._waiting[news] = names
        told, late = asyncio.ensure_future(news.wait()), asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait([told, late], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.pop(news, None)
            told.cancel()
            late.cancel()
        return news.is_set()

    def wake_all(self) -> None:
        """Have none wait for news any more."""
        for news in self._waiting:
            news.set()

    def _wake_one(self, names: Sequence[str]) -> None:
        for news, waits in self._waiting.items():
            if not news.is_set() and not set(names).isdisjoint(waits):
                news.set()
                return

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
        for key in list(places.held):
            if await self.store.extend_ttl(key, places.holder, ttl=self.ttl) or key not in places.held:
                continue
            await self.store.set_if_absent(key, places.holder, ttl=self.ttl)
            if key not in places.held:  # it was given back meanwhile
                await self.store.delete(key, value=places.holder)

    async def give_back(self, places: Places) -> None:
        """End with places: others can have those that do not lapse. What cannot be said now is free after its time."""
        if not places.held:
            return
        with contextlib.suppress(TransientError):
            await self._give_back(places)
        for name in places.names:
            self._wake_one([name])

    async def _take_held(self, name: str, count: int, places: Places, glance: int | None) -> bool:
        keys = [_place_key(name, "held", number) for number in in_turn(count, places.holder)]
        full = _full_key(name, "held", count)
        if glance is not None and await self._is_full(full):
            some = [_place_key(name, "held", (glance + number) % count) for number in range(min(GLANCED, count))]
            key = await self._first(some, places, self.ttl)
        else:
            key = await self._first(keys[:1], places, self.ttl) or await self._first_held(keys, full, places)
        if key:
            places.held[key] = full
        return bool(key)

    async def _first_held(self, keys: Sequence[str], full: str, places: Places) -> str:
        """The first place that could be had where the first one could not; that there is none is said."""
        if len(keys) == 1:
            return ""
        async with self._one_by_one:  # of many in this program the first one finds out for all
            if await self._is_full(full):
                return ""
            if not (key := await self._first(keys[1:], places, self.ttl)):
                await self.store.set_if_absent(full, "yes", ttl=_FULL)
                if key := await self._first(keys, places, self.ttl):
                    await self.store.delete(full)
                else:
                    self._asked.pop(full, None)
                    await self._is_full(full)  # which is known from now on
            return key

    async def _take_start(self, name: str, count: int, ttl: float, places: Places) -> bool:
        full = _full_key(name, "starts", count)
        keys = [_place_key(name, "starts", number) for number in in_turn(count, places.holder)]
        if not (key := await self._first(keys[:1], places, ttl)):
            if count == 1:
                return False
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
        held, places.held = places.held, {}  # from now on nobody renews them
        for key, full in held.items():
            await self.store.delete(key, value=places.holder)
            self._asked.pop(full, None)
            if full != key:
                await self.store.delete(full)

    async def _take_back(self, places: Places) -> None:
        """Leave all as if nothing had been taken: a start, too, that will not be."""
        await self._give_back(places)
        for key in places.starts:
            await self.store.delete(key, value=places.holder)


def _says_full(asked: asyncio.Task[bool]) -> bool:
    return not asked.cancelled() and asked.exception() is None and asked.result()


def _place_key(name: str, kind: str, number: int) -> str:
    return f"limit:{kind}:{number}:{name}"


def _full_key(name: str, kind: str, count: int) -> str:
    """The key that stands as long as none of so many places is to be had."""
    return _place_key(name, kind, 0) if count == 1 else f"limit:{kind}:full:{name}"

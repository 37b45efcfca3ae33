"""Who has arrived at a join: sets in the coordination store, as a tree where a join is wide.

A hint. A set that is full says "look at the facts"; one that was wiped, or has expired, delays a join and no more.

What a worker's jobs bring to one join at the same time is one request: those of one pass of the event loop go together,
and who comes while others are on their way goes with the next. One of those who went together is told what was found
there, and what is to be done about it is for that one; its message is not acknowledged before it is done, so that a
worker that dies meanwhile is followed by one that is told again. That is for those whose outcome was written just now.
Who comes again, with an outcome that was there already, comes alone: it may be the one who has gone on with the join,
whose outcome nobody else follows, and each of those who come again may be that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import attrs

from ..graph.instances import Arrival
from ..ports import CoordinationStore

#: A set has at most so many members, of three digits each: an item of a database that grows beyond a KiB costs twice as
#: much with each arrival.
WIDTH = 200

#: How long a set is kept after the last arrival, seconds. A join that takes longer is completed by the reconciler.
TIME_TO_LIVE = 7 * 86400.0


# So many that are one too many look at the facts, and as many as are tolerated.
_LOOKED_AT_MOST = 10

# As many as this are not counted: with those that are too many, they would be more than an item has room for.
_COUNTED = 50


@attrs.frozen
class Size:
    """What an arrival found.

    Attributes:
        is_full: Everybody has arrived.
        was_empty: Nobody had arrived before, or the set was lost.
    """

    is_full: bool
    was_empty: bool


_NOTHING_TO_DO = Size(is_full=False, was_empty=False)


@attrs.define
class Waiting:
    """Who goes to a join with the next request.

    Attributes:
        arrivals: With what.
        told: Where each of them is told.
    """

    arrivals: list[Arrival] = attrs.field(factory=list)
    told: list[asyncio.Future[Size]] = attrs.field(factory=list)

    def tell(self, found: Size | Exception) -> None:
        """Tell one who is still there what was found, and the others that there is nothing to do; of an error, all."""
        for told in self.told:
            if told.done():
                continue  # whoever has given up comes again, and finds it for itself
            if isinstance(found, Exception):
                told.set_exception(found)
            else:
                told.set_result(found)
                found = _NOTHING_TO_DO

    def give_up(self) -> None:
        """Cut off who waits, as whoever went for them was."""
        for told in self.told:
            told.cancel()


@attrs.frozen(eq=False)
class JoinSets:
    """The join sets of a backend.

    Attributes:
        store: Where they are.
    """

    store: CoordinationStore
    _next: dict[tuple[str, str], Waiting] = attrs.field(factory=dict)  # where somebody is on the way
    _going: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def add_together(self, incarnation: str, arrival: Arrival) -> Size:
        """Add an arrival for the first time, with those who arrive at the same join at the same time.

        Args:
            incarnation: Of the run, see ``RunRecord``.
            arrival: Of an instance whose outcome was written just now.

        Returns:
            What was found there; that there is nothing to do, if somebody who went along is told what was found.
        """
        place = incarnation, arrival.key
        if place not in self._next:
            self._next[place] = Waiting()
            # From the next pass of the event loop on: whoever else arrives in this one goes along.
            going = asyncio.ensure_future(self._go(place))
            self._going.add(going)
            going.add_done_callback(partial(self._gone, place))
        told: asyncio.Future[Size] = asyncio.get_running_loop().create_future()
        self._next[place].arrivals.append(arrival)
        self._next[place].told.append(told)
        return await told

    async def _go(self, place: tuple[str, str]) -> None:
        """Make requests until nobody waits for one."""
        while (group := self._next[place]).told:
            self._next[place] = Waiting()
            try:
                found: Size | Exception = await self.add(place[0], group.arrivals)
            except Exception as error:
                found = error
            except BaseException:
                group.give_up()
                raise
            group.tell(found)
        del self._next[place]  # at once: whoever comes now is to find that nobody goes there any more

    def _gone(self, place: tuple[str, str], going: asyncio.Task[None]) -> None:
        self._going.discard(going)
        if going.cancelled() or going.exception() is not None:
            self._next.pop(place).give_up()

    async def add(self, incarnation: str, arrivals: Sequence[Arrival]) -> Size:
        """Add arrivals at one join to its set; adding one again changes nothing.

        Args:
            incarnation: Of the run, see ``RunRecord``.
            arrivals: All at one join.
        """
        key, total, level, was_empty = arrivals[0].key, arrivals[0].total, 0, True
        members = {arrival.member for arrival in arrivals}
        while True:
            full: set[int] = set()
            for leaf in {member // WIDTH for member in members}:
                group = [str(member % WIDTH) for member in sorted(members) if member // WIDTH == leaf]
                name = f"join:{incarnation}:{key}:{level}.{leaf}"
                size = await self.store.add_members(name, *group, ttl=TIME_TO_LIVE)
                was_empty = was_empty and size == len(group)
                if size >= min(WIDTH, total - leaf * WIDTH):
                    full.add(leaf)
            if total <= WIDTH or not full:
                return Size(is_full=bool(full), was_empty=was_empty)
            members, total, level = full, -(-total // WIDTH), level + 1

    async def are_more(self, incarnation: str, name: str, member: int, tolerated: int) -> bool:
        """Add one of those of which some are tolerated; whether there are more by now.

        That is said to the first that are too many, in case one of them dies or does not see all of them yet; whoever
        comes later would only look at what they have looked at. Where many are tolerated it is never said.

        Args:
            incarnation: Of the run, see ``RunRecord``.
            name: What they are, among all of the run.
            member: Which of them; adding one again changes nothing.
            tolerated: How many of them may be.
        """
        if tolerated >= _COUNTED:
            return False
        size = await self.store.add_members(f"set:{incarnation}:{name}", str(member), ttl=TIME_TO_LIVE)
        return tolerated < size <= 2 * tolerated + _LOOKED_AT_MOST

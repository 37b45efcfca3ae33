"""Who has arrived at a join: sets in the coordination store, as a tree where a join is wide.

A hint. A set that is full says "look at the facts"; one that was wiped, or has expired, delays a join and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..graph.instances import Arrival
from ..ports import CoordinationStore

#: A set has at most so many members: an item of a database that grows beyond costs more with each arrival.
WIDTH = 50

#: How long a set is kept after the last arrival, seconds. A join that takes longer is completed by the reconciler.
TIME_TO_LIVE = 7 * 86400.0


# So many that are one too many look at the facts, and as many as are tolerated.
_LOOKED_AT_MOST = 10


@attrs.frozen
class Size:
    """What an arrival found.

    Attributes:
        is_full: Everybody has arrived.
        was_empty: Nobody had arrived before, or the set was lost.
    """

    is_full: bool
    was_empty: bool


@attrs.frozen
class JoinSets:
    """The join sets of a backend.

    Attributes:
        store: Where they are.
    """

    store: CoordinationStore

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
                group = [str(member) for member in sorted(members) if member // WIDTH == leaf]
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
        if tolerated >= WIDTH:  # they would be more than one set has room for
            return False
        size = await self.store.add_members(f"set:{incarnation}:{name}", str(member), ttl=TIME_TO_LIVE)
        return tolerated < size <= 2 * tolerated + _LOOKED_AT_MOST

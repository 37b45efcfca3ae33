"""Who has arrived at a join: sets in the coordination store, as a tree where a join is wide.

A hint. A set that is full says "look at the facts"; one that was wiped, or has expired, delays a join and no more.
"""

from __future__ import annotations

import attrs

from ..graph.state import Arrival
from ..ports import CoordinationStore

#: A set has at most so many members: an item of a database that grows beyond costs more with each arrival.
WIDTH = 50

#: How long a set is kept after the last arrival, seconds. A join that takes longer is completed by the reconciler.
TIME_TO_LIVE = 7 * 86400.0


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

    async def add(self, run_id: str, arrival: Arrival) -> Size:
        """Add an arrival to its join's set; adding it again changes nothing."""
        member, total, level, was_empty = arrival.member, arrival.total, 0, True
        while True:
            leaf, width = member // WIDTH, min(WIDTH, total - member // WIDTH * WIDTH)
            key = f"join:{run_id}:{arrival.key}:{level}.{leaf}"
            size = await self.store.add_member(key, str(member), ttl=TIME_TO_LIVE)
            was_empty = was_empty and size == 1
            if size < width:
                return Size(is_full=False, was_empty=was_empty)
            if total <= WIDTH:
                return Size(is_full=True, was_empty=was_empty)
            member, total, level = leaf, -(-total // WIDTH), level + 1

"""The lanes of a batch: its items with one remainder, of which each begins when the one before it has ended.

How many lanes there are is stored with the items, so that everybody counts alike, whatever the flow says by then.
"""

from __future__ import annotations

from .facts import Outcome
from .instances import ScopeState
from .scopes import Construct

#: How many items of a batch that does not say so are under way at most.
DEFAULT = 1_000


def lanes_for(batch: Construct, total: int) -> int:
    """How many lanes a batch of so many items is to have."""
    return min(DEFAULT if batch.concurrency is None else batch.concurrency, total)


def total_of(entry: Outcome) -> int:
    """How many items a batch has, by its entry's outcome."""
    items = entry.items
    return 0 if items is None else len(items)


def lanes_of(entry: Outcome) -> int:
    """How many lanes a batch has, by its entry's outcome; one that was stored without has a lane per item."""
    total = total_of(entry)
    return total if entry.lanes is None else min(max(1, entry.lanes), total)


def next_of(item: ScopeState) -> int | None:
    """The item that begins when this one has ended; None if it is its lane's last."""
    entry = _entry_of(item)
    following = (item.index or 0) + lanes_of(entry)
    return following if following < total_of(entry) else None


def item_before(item: ScopeState) -> int | None:
    """The item that must have ended before this one begins; None if it is its lane's first, or no item."""
    if item.construct is None or item.construct.kind != "batch":
        return None
    index, lanes = item.index or 0, lanes_of(_entry_of(item))
    return index - lanes if index >= lanes else None


def _entry_of(item: ScopeState) -> Outcome:
    parent, construct = item.parent, item.construct
    assert parent is not None  # an item lies in a batch,
    assert construct is not None  # whose entry's outcome says that there is one
    return parent.outcomes[construct.entry]

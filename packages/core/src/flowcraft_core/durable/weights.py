"""How much memory a record takes once it is read, and what keeps things up to a bound of it.

Nobody asks the value itself, which would cost more than it saves: the weight is estimated from the text that it is read
from. What JSON becomes in Python depends on how many lists, objects, members and characters it has, and those are
counted in no time. The estimate is an upper bound, by up to four times, since the kinds of the members are not known.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: The most that the values of one record may weigh, bytes of memory; a heavier one is neither written nor read.
MAX_WEIGHT = 160 * 1024 * 1024

# Bytes per list or object, per member with its place in a list, and per entry of an object on top of that.
_PER_CONTAINER, _PER_MEMBER, _PER_ENTRY = 72, 60, 130

# A string takes one byte per character, or two or four if one of its characters does. The last are told by their first
# byte, or by the escape that they may be written with.
_ESCAPE = b"\\u"
_WIDEST = (*(bytes([lead]) for lead in range(0xF0, 0xF5)), _ESCAPE)

# A string, or the rest of the text if it has no end: so that nothing is looked through twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def weight_of(text: bytes, limit: int = MAX_WEIGHT) -> int:
    """The bytes of memory that the values in a JSON text take, about, and never much more than that.

    Args:
        text: UTF-8.
        limit: Above it the text is looked at more closely, so that brackets and commas within strings do not count.
    """
    if text.isascii():
        characters = len(text) * (4 if _ESCAPE in text else 1)
    else:
        characters = len(text) * (4 if any(wide in text for wide in _WIDEST) else 2)
    weight = characters + _structure(text)
    if weight > limit:
        weight, start = characters, 0
        for string in _STRING.finditer(text):
            weight += _structure(text, start, string.start())
            start = string.end()
            if weight > limit:
                return weight
        weight += _structure(text, start)
    return weight


def _structure(text: bytes, start: int = 0, end: int | None = None) -> int:
    count = text.count
    containers = count(b"[", start, end) + count(b"{", start, end)
    members, entries = count(b",", start, end), count(b":", start, end)
    return containers * _PER_CONTAINER + members * _PER_MEMBER + entries * _PER_ENTRY


class Weighed(Generic[K, V]):
    """Things by key, as many as have room; those go first that were not asked for longest."""

    def __init__(self, room: int, dropped: Callable[[K], None] = lambda key: None) -> None:
        """Begin empty.

        Args:
            room: What all of them may weigh together, bytes.
            dropped: Told of each that had to make room.
        """
        self._room = self._left = room
        self._things: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._dropped = dropped

    def get(self, key: K) -> V | None:
        """What is there under a key."""
        found = self._things.get(key)
        if found is None:
            return None
        self._things.move_to_end(key)
        return found[0]

    def put(self, key: K, thing: V, weight: int) -> None:
        """Keep a thing; one that is heavier than all of the room is not kept."""
        self.pop(key)
        if weight > self._room:
            self._dropped(key)
            return
        self._things[key] = (thing, weight)
        self._left -= weight
        while self._left < 0:
            oldest = next(iter(self._things))
            self.pop(oldest)
            self._dropped(oldest)

    def pop(self, key: K) -> None:
        """Keep a thing no longer, if it is there."""
        found = self._things.pop(key, None)
        if found is not None:
            self._left += found[1]

    def weight_of(self, key: K) -> int:
        """What a thing weighs, bytes; 0 if it is not kept."""
        found = self._things.get(key)
        return 0 if found is None else found[1]

    @property
    def weight(self) -> int:
        """What is kept weighs so much, bytes."""
        return self._room - self._left

    def __contains__(self, key: object) -> bool:
        return key in self._things

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._things))

    def __len__(self) -> int:
        return len(self._things)

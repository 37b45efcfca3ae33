"""Positions of context values: of two setters of one name the greater position wins, whatever the timing.

A position has one entry per nesting level, from the outside in: the depth of the node or construct in its scope, its
id, and an index. Entries compare as numbers and ids, never as one text, so pass 10 comes after pass 9. Inside one
construct the entry comes first, then the items or passes in order, then the construct's own outcome.
"""

from __future__ import annotations

from typing import TypeAlias

#: (depth, id, index) per nesting level.
Position: TypeAlias = tuple[tuple[int, str, int], ...]

NO_INDEX = 0
ENTRY_INDEX = -1
#: Greater than any pass or item; within the integers that every JSON reader keeps.
EXIT_INDEX = 2**53 - 1

#: Before every node: where the initial context stands.
INITIAL: Position = ()


def to_sortable(position: Position) -> str:
    """The position as text whose order by code point is the positions' order, for stores that compare text."""
    parts: list[str] = []
    for depth, node_id, index in position:
        # An id ends with the lowest character, so that a shorter id comes first; the two lowest are spelled otherwise.
        safe = node_id.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
        parts.append(f"{depth:09d}{safe}\x00{index + 1:016d}")
    return "".join(parts)


def from_sortable(text: str) -> Position:
    """The position that ``to_sortable`` wrote."""
    position: list[tuple[int, str, int]] = []
    while text:
        safe, _, rest = text[9:].partition("\x00")
        node_id = safe.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
        position.append((int(text[:9]), node_id, int(rest[:16]) - 1))
        text = rest[16:]
    return tuple(position)

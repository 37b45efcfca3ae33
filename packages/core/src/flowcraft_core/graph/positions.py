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

"""Copies of values at the border of a step that do not hold up everything else in the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from .errors import SerializationError
from .serialization import Serializer

# So many members of a list are copied before others have their turn: some milliseconds' worth.
_TURN = 1_000


async def copied(serializer: Serializer, value: Any) -> Any:
    """A copy of a value; of a long list one in turns.

    Raises:
        SerializationError: A part cannot be stored; the message names it.
    """
    if type(value) is not list or len(value) <= _TURN:
        return serializer.copy(value)
    copies: list[Any] = []
    for first in range(0, len(value), _TURN):
        part = value[first : first + _TURN]
        try:
            copies += serializer.copy(part)
        except SerializationError:
            serializer.copy(value)  # names the part by its place in all of the list
            raise
        await asyncio.sleep(0)
    return copies

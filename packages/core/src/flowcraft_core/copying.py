"""Copies of values at the border of a step that do not hold up everything else in the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from .errors import SerializationError
from .graph.gathered import Gathered
from .serialization import Serializer
from .serialization._walking import IMMUTABLE
from .steps import Implementation

# So many members of a list are copied before others have their turn: some milliseconds' worth.
_TURN = 1_000


def is_shared(value: Any) -> bool:
    """Whether a value is its own copy, since nobody can change it: a number, a text, nothing at all."""
    return type(value) in IMMUTABLE


async def copied(serializer: Serializer, value: Any) -> Any:
    """A copy of a value; of a long list one in turns, of the results of a batch, also under a name, a list.

    Raises:
        SerializationError: A part cannot be stored; the message names it.
    """
    if isinstance(value, Gathered):
        value = await value.all()
    elif _has_gathered(value):  # the input of a step, say, with that of several edges
        value = {name: await part.all() if isinstance(part, Gathered) else part for name, part in value.items()}
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


async def handed(serializer: Serializer, value: Any, implementation: Implementation) -> Any:
    """The input of a step as it is handed to it: a copy, but for the results of a batch, which it reads itself."""
    if _has_gathered(value):
        return {name: await handed(serializer, part, implementation) for name, part in value.items()}
    if isinstance(value, Gathered) and not implementation.takes_lists:
        return value.seen(serializer.copy, is_async=implementation.is_async)
    return await copied(serializer, value)


def _has_gathered(value: Any) -> bool:
    return type(value) is dict and any(isinstance(part, Gathered) for part in value.values())

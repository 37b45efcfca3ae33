"""Many calls at once, but not too many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

#: Requests under way at once for one call of a port.
WIDTH = 16


async def at_once(call: Callable[[S], Awaitable[T]], items: Iterable[S]) -> list[T]:
    """Call with each item, side by side, and give the answers in order.

    All calls are made, also when some fail; then the first error is raised.
    """
    todo = list(items)
    if len(todo) == 1:
        return [await call(todo[0])]
    room = asyncio.Semaphore(WIDTH)

    async def make(item: S) -> T:
        async with room:
            return await call(item)

    answers = await asyncio.gather(*(make(item) for item in todo), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]

"""Calls that wait at the same time share a request, and with it a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from flowcraft_core.errors import BackendError, TransientError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: A request has at most so many bytes of bodies, unless a single item has more.
MOST_BYTES = 8 * 2**20

# With two requests under way, what comes just behind one does not wait for the whole of it.
_LANES = 2


class Gathering(Generic[Item, Answer]):
    """Makes one request of what is asked for in one pass of the event loop, and while requests are under way.

    If such a request is refused, each of its items is asked for alone, so that what one of them has wrong is its own.
    """

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, most: int) -> None:
        """Ask for nothing yet.

        Args:
            flush: Makes one request; an answer for each item, in order.
            most: Items per request.
        """
        self._flush = flush
        self._most = most
        self._waiting: list[tuple[Item, int, asyncio.Future[Answer]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._begins = False

    def submit(self, item: Item, size: int = 0) -> asyncio.Future[Answer]:
        """Ask for an item. It is carried out even if nobody waits for it any more.

        Args:
            item: What is asked for.
            size: The bytes of its bodies.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, size, future))
        self._see_to_lanes()
        return future

    async def settle(self) -> None:
        """Return once nothing is under way any more."""
        while self._waiting or self._under_way:
            await asyncio.sleep(0)
            if self._under_way:
                await asyncio.wait(self._under_way)

    def _see_to_lanes(self) -> None:
        if self._waiting and not self._begins and len(self._under_way) < _LANES:
            self._begins = True
            task = asyncio.ensure_future(self._work())
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._see_to_lanes()  # for who has asked since it saw that nobody waits

    async def _work(self) -> None:
        """Make requests until nobody waits for one."""
        # The first begins with the next pass of the loop: whoever else is ready to run in this one shares it.
        self._begins = False
        while self._waiting:
            taken = self._next()
            self._see_to_lanes()
            await self._carry_out(taken)

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        end, total = 0, 0
        while end < min(len(self._waiting), self._most):
            total += self._waiting[end][1]
            if end and total > MOST_BYTES:
                break
            end += 1
        taken, self._waiting = self._waiting[:end], self._waiting[end:]
        return [(item, future) for item, _, future in taken]

    async def _carry_out(self, taken: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._flush([item for item, _ in taken])
        except Exception as error:
            if len(taken) > 1 and isinstance(error, BackendError) and not isinstance(error, TransientError):
                for each in taken:
                    await self._carry_out([each])
                return
            for _, future in taken:
                if not future.done():
                    future.set_exception(_own(error))
        else:
            for (_, future), answer in zip(taken, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _own(error: Exception) -> Exception:
    """An error for one of several who wait: a traceback that each of them adds to would be shared."""
    if not isinstance(error, BackendError):
        return error
    own = type(error)(*error.args)
    own.__cause__ = error.__cause__ or error
    return own


def parts(sizes: Sequence[int], most: int) -> list[slice]:
    """How to split items of these sizes into requests of at most so many, and of ``MOST_BYTES`` together."""
    slices: list[slice] = []
    start, total = 0, 0
    for place, size in enumerate(sizes):
        if place > start and (place - start >= most or total + size > MOST_BYTES):
            slices.append(slice(start, place))
            start, total = place, 0
        total += size
    if start < len(sizes):
        slices.append(slice(start, len(sizes)))
    return slices

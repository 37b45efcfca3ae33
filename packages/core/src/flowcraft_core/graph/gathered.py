"""The results of a large batch, as a step gets them: a sequence that is read page by page."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Self, TypeVar, overload

from ..errors import ConfigurationError

T_co = TypeVar("T_co", covariant=True)

_Copy = Callable[[Any], Any]


class Gathered(Sequence[T_co]):
    """The results of a batch of more than a page, in the order of its items.

    A plain step goes through them, and takes one or some of them, as with any sequence. An ``async def`` step does so
    with ``async for``, ``await results.get(3)`` and ``await results.part(10, 20)``, since a read must not hold up the
    event loop; so it is wherever the step runs. What is taken is a copy that the step may change.
    """

    __slots__ = ("_copy", "_is_async", "_last", "_size", "_total")

    #: See ``serialization.NOT_STORED``.
    __flowcraft_not_stored__ = (
        "is a Gathered, the results of a large batch, which is not stored inside of something else: make it a list, by "
        "`list(results)` or, in an async step, `await results.all()`, or take a part of it"
    )

    def __init__(self, total: int, size: int) -> None:
        """Stand for so many results.

        Args:
            total: How many there are.
            size: How many of them are read at a time.
        """
        self._total, self._size = total, size
        self._copy: _Copy | None = None
        self._is_async = False
        self._last: tuple[int, Sequence[T_co]] = (-1, ())

    def seen(self, copying: _Copy, *, is_async: bool) -> Self:
        """The same results as one step sees them.

        Args:
            copying: Makes the copies that it is given.
            is_async: It runs in the event loop.
        """
        seen = copy.copy(self)
        seen._copy, seen._is_async = copying, is_async
        return seen

    # --- pages ----------------------------------------------------------------------------------------------------

    async def _read(self, number: int) -> Sequence[T_co]:
        """A page."""
        raise NotImplementedError

    def _read_now(self, number: int) -> Sequence[T_co]:
        """A page, for who need not go on meanwhile."""
        raise NotImplementedError

    async def _page(self, number: int) -> Sequence[T_co]:
        if self._last[0] != number:
            self._keep(number, await self._read(number))
        return self._last[1]

    def _page_now(self, number: int) -> Sequence[T_co]:
        if self._is_async:
            raise ConfigurationError(
                "these are the results of a large batch, which are read page by page, and an async step must not wait "
                "for that in the event loop: use `async for`, `await results.get(index)`, `await results.part(start, "
                "stop)` or `await results.all()`; or make the step a plain def"
            )
        if self._last[0] != number:
            self._keep(number, self._read_now(number))
        return self._last[1]

    def _keep(self, number: int, page: Sequence[T_co]) -> None:
        self._last = number, page if self._copy is None else self._copy(list(page))

    @property
    def _pages(self) -> range:
        return range(-(-self._total // self._size))

    def _pages_of(self, start: int, stop: int) -> Iterator[tuple[int, slice]]:
        """The pages that have results from one place to another, each with what of it that is."""
        for number in range(start // self._size, -(-stop // self._size)):
            first = number * self._size
            yield number, slice(max(0, start - first), min(self._size, stop - first))

    def _place(self, index: int) -> tuple[int, int]:
        index += self._total if index < 0 else 0
        if not 0 <= index < self._total:
            raise IndexError("there are no so many results")
        return divmod(index, self._size)

    # --- in the event loop ----------------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[T_co]:
        """One after the other."""
        for number in self._pages:
            for result in await self._page(number):
                yield result

    async def get(self, index: int) -> T_co:
        """One of them; a negative index counts from the end.

        Raises:
            IndexError: There are no so many.
        """
        number, place = self._place(index)
        return (await self._page(number))[place]

    async def part(self, start: int, stop: int) -> list[T_co]:
        """Those from one place up to another, as in ``results[start:stop]``."""
        start, stop, _ = slice(start, stop).indices(self._total)
        part: list[T_co] = []
        for number, some in self._pages_of(start, stop) if start < stop else ():
            part += (await self._page(number))[some]
        return part

    async def all(self) -> list[T_co]:
        """All of them in a list, which is then as large as it is."""
        return await self.part(0, self._total)

    # --- elsewhere ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._total

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        if isinstance(index, int):
            number, place = self._place(index)
            return self._page_now(number)[place]
        places = range(self._total)[index]
        if places.step != 1:
            return [self[place] for place in places]
        part: list[T_co] = []
        for number, some in self._pages_of(places.start, places.stop) if places else ():
            part += self._page_now(number)[some]
        return part

    def __iter__(self) -> Iterator[T_co]:
        return (result for number in self._pages for result in self._page_now(number))

    def __repr__(self) -> str:
        return f"Gathered({self._total} results)"


async def in_pages(some: AsyncIterator[Sequence[Any]], size: int) -> AsyncIterator[list[Any]]:
    """Results that come some at a time, so many at a time; once none, if there are none."""
    left: list[Any] = []
    is_first = True
    async for results in some:
        left += results
        while len(left) >= size:
            yield left[:size]
            del left[:size]
            is_first = False
    if left or is_first:
        yield left


class Held(Gathered[T_co]):
    """Results that are all in memory."""

    __slots__ = ("_results",)

    def __init__(self, results: Sequence[T_co], size: int) -> None:
        super().__init__(len(results), size)
        self._results = results

    async def _read(self, number: int) -> Sequence[T_co]:
        return self._read_now(number)

    def _read_now(self, number: int) -> Sequence[T_co]:
        return self._results[number * self._size : (number + 1) * self._size]

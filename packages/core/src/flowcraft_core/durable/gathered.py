"""The results of a batch where they are stored: a page is read when somebody comes to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from ..errors import ConfigurationError
from ..graph.gathered import Gathered
from ..graph.pages import Pages
from .chunks import Begun

_Read: TypeAlias = Callable[[], Awaitable[Sequence[Any]]]
Around: TypeAlias = Callable[[_Read], Awaitable[Sequence[Any]]]


class StoredResults(Gathered[Any]):
    """Results that are read from the store.

    Attributes:
        pages: Where they are.
        begun: What was written with them, where it was not committed yet.
    """

    __slots__ = ("_loop", "_reader", "begun", "pages")

    def __init__(self, pages: Pages, reader: Callable[[int], Awaitable[Sequence[Any]]]) -> None:
        """Read nothing yet.

        Args:
            pages: Where they are.
            reader: Reads one of the pages, in the event loop that runs now.
        """
        super().__init__(pages.total, pages.size)
        self.pages = pages
        self.begun: Begun | None = None
        self._reader = reader
        self._loop = asyncio.get_running_loop()

    def through(self, around: Around) -> StoredResults:
        """The same results, each read of which goes through ``around``."""
        reader = self._reader
        return StoredResults(self.pages, lambda number: around(lambda: reader(number)))

    async def _read(self, number: int) -> Sequence[Any]:
        return await self._reader(number)

    def _read_now(self, number: int) -> Sequence[Any]:
        """A page, for the thread of a plain step: the event loop reads it meanwhile."""
        if asyncio._get_running_loop() is self._loop:
            raise ConfigurationError("results that are stored are read with `await` where the event loop runs")
        return asyncio.run_coroutine_threadsafe(self._read(number), self._loop).result()

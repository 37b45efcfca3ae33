"""Shows a run while it is under way, wherever this is."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Protocol

from ...events import Event
from ..notebooks import in_notebook
from ..run import Run
from .lines import LinesDisplay
from .notebook import NotebookDisplay

# How often what is drawn is drawn again at most, seconds.
_EVERY = 0.25


class Display(Protocol):
    """Shows one run."""

    def begin(self, run: Run) -> None:
        """The run begins."""

    def __call__(self, event: Event, /) -> None:
        """Something has happened in it."""

    def show(self) -> None:
        """Draw it as it is now; called again and again."""

    def end(self) -> None:
        """The run has ended, or is left."""


def display() -> Display:
    """What shows a run here."""
    if in_notebook():
        return NotebookDisplay()
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from .tree import TreeDisplay  # noqa: PLC0415 # rich is an extra

            return TreeDisplay()
    return LinesDisplay()


@contextlib.asynccontextmanager
async def shown(run: Run, display: Display) -> AsyncIterator[None]:
    """Show a run within the block. That it cannot be shown changes nothing in it."""
    with contextlib.suppress(Exception):
        display.begin(run)
    ticking = asyncio.ensure_future(_tick(display))
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])
        with contextlib.suppress(Exception):
            display.end()


async def _tick(display: Display) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        with contextlib.suppress(Exception):
            display.show()

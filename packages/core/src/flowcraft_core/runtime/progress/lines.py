"""A line on standard error for each step of a run that has ended."""

from __future__ import annotations

import sys

from ...events import Event
from ..run import Run
from .rows import is_told, line_of


class LinesDisplay:
    """Shows a run by lines."""

    def begin(self, run: Run) -> None:
        """The run begins."""

    def __call__(self, event: Event) -> None:
        """Something has happened in it."""
        if event.key and is_told(event):
            sys.stderr.write(f"{line_of(event)}\n")

    def show(self) -> None:
        """There is nothing to be drawn again."""

    def end(self) -> None:
        """The run has ended, or is left."""

"""When all runs that were started have ended."""

from __future__ import annotations

import asyncio

from flowcraft_core import Event
from flowcraft_core.events import RunEnded


class RunEnds:
    """Takes the worker's events, and says when all runs that were started have ended; polling would disturb them."""

    def __init__(self) -> None:
        """Expect nothing yet."""
        self.states: dict[str, str] = {}
        self.all_ended = asyncio.Event()
        self._expected = 0

    def expect(self, runs: int) -> None:
        """Begin anew, with so many runs."""
        self.states.clear()
        self.all_ended.clear()
        self._expected = runs

    def require(self, state: str) -> None:
        """See to it that all of them ended so.

        Raises:
            RuntimeError: One did not.
        """
        if wrong := {run_id: ended for run_id, ended in self.states.items() if ended != state}:
            raise RuntimeError(f"not {state}: {wrong}")

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, RunEnded):
            self.states[event.run_id] = event.status
            if len(self.states) == self._expected:
                self.all_ended.set()

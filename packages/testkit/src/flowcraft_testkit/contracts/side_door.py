"""Looking at what is stored past the adapter: an adapter that reads what it believes cannot vouch for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowcraft_core.ports import Fact, PositionedValue, RunStatus


class SideDoor(Protocol):
    """What the author of an adapter gives to show what its store holds: a few queries in the store's own words.

    It must not go through the adapter's code for reading and writing, though it may use what names and encodes keys.
    What it gives is what is stored at this moment, whatever replicas, indexes and caches say.
    """

    async def messages(self) -> Sequence[str]:
        """The bodies of all messages: those that can be received, delayed and held ones. A copy counts as a message."""

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        """All facts of a run by key, chunks and whatever else lies under its id too."""

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        """All context values of a run by name, deleted ones too."""

    async def status(self, run_id: str) -> RunStatus | None:
        """A run's status."""

"""Runs begun by hand, in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .connection import Connection


class InMemoryHandWrittenRuns:
    """A ``HandWrittenRuns`` on a dict of initial contexts by run id, which ``InMemoryBackend.begin_by_hand`` fills."""

    def __init__(self, connection: Connection, contexts: dict[str, Mapping[str, Any]]) -> None:
        self._connection = connection
        self._contexts = contexts

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """See ``HandWrittenRuns.initial_context``."""
        return copy.deepcopy(await self._connection.request(self._contexts.get, run_id))

    async def delete(self, run_id: str) -> None:
        """See ``HandWrittenRuns.delete``."""
        await self._connection.request(self._contexts.pop, run_id, None)

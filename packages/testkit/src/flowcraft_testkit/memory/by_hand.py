"""Runs begun by hand, in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import attrs
from flowcraft_core.ports import RunStatus

from .connection import Connection
from .status import StatusTable


class InMemoryHandWrittenRuns:
    """A ``HandWrittenRuns`` on a dict of initial contexts by run id, which ``InMemoryBackend.begin_by_hand`` fills."""

    def __init__(self, connection: Connection, contexts: dict[str, Mapping[str, Any]], statuses: StatusTable) -> None:
        self._connection = connection
        self._contexts = contexts
        self._statuses = statuses

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """See ``HandWrittenRuns.initial_context``."""
        return copy.deepcopy(await self._connection.request(self._contexts.get, run_id))

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """See ``HandWrittenRuns.name_flow``."""

        def named(status: RunStatus) -> RunStatus:
            return status if status.blueprint_id else attrs.evolve(status, blueprint_id=blueprint_id)

        await self._connection.request(self._statuses.change, run_id, named)

    async def delete(self, run_id: str) -> None:
        """See ``HandWrittenRuns.delete``."""
        await self._connection.request(self._contexts.pop, run_id, None)

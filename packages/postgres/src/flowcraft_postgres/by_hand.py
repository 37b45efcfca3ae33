"""Runs that were begun in SQL, and not by a client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowcraft_core.errors import BackendError

from ._database import Database
from ._texts import escaped


class PostgresHandWrittenRuns:
    """A ``flowcraft_core.ports.HandWrittenRuns`` in PostgreSQL: the rows of ``initial_contexts``."""

    def __init__(self, database: Database) -> None:
        """Use a database that may not be open yet."""
        self._database = database

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The initial context values that were written for a run."""
        statement = "SELECT context::text FROM flowcraft.initial_contexts WHERE run_id = %(run_id)s"
        rows = await self._database.run(statement, run_id=escaped(run_id))
        if not rows:
            return None
        try:
            context = json.loads(rows[0][0])
        except (ValueError, RecursionError) as error:
            raise BackendError(f"run {run_id!r}: its row in initial_contexts is not JSON: {error}") from error
        if not isinstance(context, dict):
            raise BackendError(f"run {run_id!r}: its row in initial_contexts is no JSON object")
        return context

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if that names none."""
        await self._database.run(
            "UPDATE flowcraft.statuses SET blueprint_id = %(blueprint_id)s"
            " WHERE run_id = %(run_id)s AND blueprint_id = ''",
            run_id=escaped(run_id),
            blueprint_id=escaped(blueprint_id),
        )

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run."""
        statement = "DELETE FROM flowcraft.initial_contexts WHERE run_id = %(run_id)s"
        await self._database.run(statement, run_id=escaped(run_id))

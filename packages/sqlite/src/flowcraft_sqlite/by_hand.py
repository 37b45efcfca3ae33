"""Runs that were begun by writing to the tables, and not by a client."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from flowcraft_core.errors import BackendError

from ._database import Database


class SqliteHandWrittenRuns:
    """A ``flowcraft_core.ports.HandWrittenRuns`` in an SQLite file: the rows of ``initial_contexts``."""

    def __init__(self, database: Database) -> None:
        """Use a file that may not be open yet."""
        self._database = database

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The initial context values that were written for a run."""

        def select(connection: sqlite3.Connection) -> Any:
            query = "SELECT context FROM initial_contexts WHERE run_id = ?"
            return connection.execute(query, (run_id,)).fetchone()

        row = await self._database.read(select)
        if row is None:
            return None
        try:
            context = json.loads(row[0])
        except (ValueError, TypeError, RecursionError) as error:
            raise BackendError(f"run {run_id!r}: its row in initial_contexts is not JSON: {error}") from error
        if not isinstance(context, dict):
            raise BackendError(f"run {run_id!r}: its row in initial_contexts is no JSON object")
        return context

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if that names none."""

        def name(connection: sqlite3.Connection) -> None:
            change = "UPDATE statuses SET blueprint_id = ? WHERE run_id = ? AND blueprint_id = ''"
            connection.execute(change, (blueprint_id, run_id))

        await self._database.write(name, synced=True)

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM initial_contexts WHERE run_id = ?", (run_id,))

        await self._database.write(delete, synced=True)

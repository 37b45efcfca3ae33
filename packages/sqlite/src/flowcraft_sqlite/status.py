"""Statuses of runs, in a table with an index per question that is asked of it."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from flowcraft_core.ports import FinalState, Page, RunStatus, State

from ._database import Database

_COLUMNS = "run_id, state, blueprint_id, created, updated, next_check, tags, reason, body"
_LIVE = "state IN ('running', 'awaiting')"


class SqliteStatusStore:
    """A ``flowcraft_core.ports.StatusStore`` in an SQLite file.

    ``find`` gives the newest runs first, or, asked for those that are due, the longest overdue first.
    """

    def __init__(self, database: Database) -> None:
        """Use a file that may not be open yet."""
        self._database = database

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        tags = json.dumps(dict(status.tags), ensure_ascii=False)  # so that what is no text is refused as anywhere
        row = (
            *(status.run_id, status.state, status.blueprint_id, status.created, status.updated, status.next_check),
            *(tags, status.reason, status.body),
        )
        return await self._change(
            f"INSERT INTO statuses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
            row,
        )

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written."""
        rows = await self._select("run_id = ?", (run_id,))
        return _status(rows[0]) if rows else None

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run is to be looked at, and how it is reported; False if it is not live."""
        return await self._change(
            f"UPDATE statuses SET updated = ?, next_check = ?, state = coalesce(?, state) WHERE run_id = ? AND {_LIVE}",  # noqa: S608
            (at, next_check, state, run_id),
        )

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; True to exactly one caller."""
        return await self._change(
            f"UPDATE statuses SET state = ?, updated = ?, reason = ?, next_check = NULL WHERE run_id = ? AND {_LIVE}",  # noqa: S608
            (state, at, reason, run_id),
        )

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, page by page."""
        if not 1 <= limit <= 1_000:
            raise ValueError(f"limit={limit} is out of range: SqliteStatusStore takes 1 to 1000")
        if due_before is None:
            # By a column that never changes: a run that is touched between two pages is on one of them all the same.
            conditions, order, after = "state = ?", "created DESC, run_id DESC", "(created, run_id) < (?, ?)"
            parameters: tuple[Any, ...] = (state,)
        else:
            conditions, order, after = (
                "state = ? AND next_check <= ?",
                "next_check, run_id",
                "(next_check, run_id) > (?, ?)",
            )
            parameters = (state, due_before)
        if cursor is not None:
            conditions += f" AND {after}"
            parameters += _read_cursor(cursor, due_before is not None)
        rows = await self._select(f"{conditions} ORDER BY {order} LIMIT ?", (*parameters, limit + 1))
        items = [_status(row) for row in rows[:limit]]
        return Page(items, _write_cursor(items[-1], due_before is not None) if len(rows) > limit else None)

    async def delete(self, run_id: str) -> None:
        """Remove a run's status."""
        await self._change("DELETE FROM statuses WHERE run_id = ?", (run_id,))

    async def _change(self, statement: str, parameters: Sequence[Any]) -> bool:
        """Write one status; whether there was one to write."""

        def change(connection: sqlite3.Connection) -> bool:
            return connection.execute(statement, parameters).rowcount > 0

        return await self._database.write(change, synced=True)

    async def _select(self, conditions: str, parameters: Sequence[Any]) -> list[Any]:
        query = f"SELECT {_COLUMNS} FROM statuses WHERE {conditions}"  # noqa: S608 - made of constants of this module

        def select(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(query, parameters).fetchall()

        return await self._database.read(select)


def _status(row: Sequence[Any]) -> RunStatus:
    run_id, state, blueprint_id, created, updated, next_check, tags, reason, body = row
    return RunStatus(
        run_id=run_id,
        state=state,
        blueprint_id=blueprint_id,
        created=created,
        updated=updated,
        next_check=next_check,
        tags=json.loads(tags),
        reason=reason,
        body=body,
    )


def _write_cursor(last: RunStatus, due: bool) -> str:
    text = json.dumps(["due", last.next_check, last.run_id] if due else ["all", last.created, last.run_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str, due: bool) -> tuple[float, str]:
    """Where a page begins: after this time and run."""
    try:
        kind, time, run_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if kind != ("due" if due else "all") or not isinstance(run_id, str):
            raise ValueError(kind)
        return float(time), run_id
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"cursor={cursor!r} is none that SqliteStatusStore gave for this question") from error

"""Statuses of runs, in a table with an index per question that is asked of it."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from flowcraft_core.ports import FinalState, Page, RunStatus, State

from ._database import Database
from ._rows import text, text_or_none, time, time_or_none

_logger = logging.getLogger("flowcraft.sqlite")

_COLUMNS = "run_id, state, blueprint_id, created, updated, next_check, tags, reason, body"
_LIVE = "state IN ('running', 'awaiting')"
_TOUCHED = "state IN ('running', 'awaiting', 'schedule')"


class SqliteStatusStore:
    """A ``flowcraft_core.ports.StatusStore`` in an SQLite file.

    ``find`` gives the newest runs first, or, asked for those that are due, the longest overdue first. A row that
    another program has written is given as far as it can be read: without its tags, say, if they are no JSON object of
    texts. One whose id is no text cannot be asked for by it, so it is left out, and said once.
    """

    def __init__(self, database: Database) -> None:
        """Use a file that may not be open yet."""
        self._database = database
        self._has_left_out = False

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        row = stored_status(status)
        return await self._database.write(
            lambda connection: insert_status(connection, row), synced=True, size=size_of(status)
        )

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written."""
        rows = await self._rows(f"SELECT {_COLUMNS} FROM statuses WHERE run_id = ?", (run_id,))  # noqa: S608
        return _status(rows[0]) if rows else None  # its id is what was asked for

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run or a schedule is to be looked at, and how a run is reported; False if it is neither."""
        which = _TOUCHED if state is None else _LIVE
        return await self._change(
            f"UPDATE statuses SET updated = ?, next_check = ?, state = coalesce(?, state) WHERE run_id = ? AND {which}",  # noqa: S608
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
        due = due_before is not None
        if not due:
            # By a column that never changes: a run that is touched between two pages is on one of them all the same.
            column, conditions, order, beyond = "created", "state = ?", "created DESC, run_id DESC", "<"
            parameters: tuple[Any, ...] = (state,)
        else:
            column, conditions, order, beyond = (
                "next_check",
                "state = ? AND next_check <= ?",
                "next_check, run_id",
                ">",
            )
            parameters = (state, due_before)
        if cursor is not None:
            marks, place = _read_cursor(cursor, due)
            conditions += f" AND ({column}, run_id) {beyond} ({marks})"
            parameters += place
        query = f"SELECT {_COLUMNS}{_place_in(column)} FROM statuses WHERE {conditions} ORDER BY {order} LIMIT ?"  # noqa: S608
        return self._page(await self._rows(query, (*parameters, limit + 1)), limit, due)

    async def find_newest(
        self,
        *,
        states: Sequence[State],
        blueprint_id: str | None = None,
        created_since: float | None = None,
        created_until: float | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Statuses in any of some states, the newest first; see ``flowcraft_core.ports.NewestFirst``.

        Of each state the newest are looked up by the index, and the newest of those are taken.
        """
        if not 1 <= limit <= 1_000:
            raise ValueError(f"limit={limit} is out of range: SqliteStatusStore takes 1 to 1000")
        conditions, parameters = "state = ?", ()  # type: tuple[str, tuple[Any, ...]]
        for condition, value in (
            ("blueprint_id = ?", blueprint_id),
            ("created >= ?", created_since),
            ("created < ?", created_until),
        ):
            if value is not None:
                conditions, parameters = f"{conditions} AND {condition}", (*parameters, value)
        if cursor is not None:
            marks, place = _read_cursor(cursor, due=False)
            conditions, parameters = f"{conditions} AND (created, run_id) < ({marks})", (*parameters, *place)
        newest = "ORDER BY created DESC, run_id DESC LIMIT ?"
        one = f"SELECT * FROM (SELECT {_COLUMNS}{_place_in('created')} FROM statuses WHERE {conditions} {newest})"  # noqa: S608
        given = [value for state in states for value in (state, *parameters, limit + 1)]
        rows = await self._rows(f"{' UNION ALL '.join([one] * len(states))} {newest}", (*given, limit + 1))
        return self._page(rows, limit, due=False)

    def _page(self, rows: list[Any], limit: int, due: bool) -> Page:
        """A page of what was found, of which one more was asked for than goes on it."""
        page = rows[:limit]
        items = [_status(row) for row in page if _has_id(row)]
        if len(items) < len(page) and not self._has_left_out:
            self._has_left_out = True
            _logger.error("%d statuses have ids that are no text, and are left out", len(page) - len(items))
        return Page(items, _write_cursor(page[-1], due) if len(rows) > limit else None)

    async def delete(self, run_id: str) -> None:
        """Remove a run's status."""
        await self._change("DELETE FROM statuses WHERE run_id = ?", (run_id,))

    async def _change(self, statement: str, parameters: Sequence[Any]) -> bool:
        """Write one status; whether there was one to write."""

        def change(connection: sqlite3.Connection) -> bool:
            return connection.execute(statement, parameters).rowcount > 0

        return await self._database.write(change, synced=True, size=0)

    async def _rows(self, query: str, parameters: Sequence[Any]) -> list[Any]:
        def select(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(query, parameters).fetchall()

        return await self._database.read(select)


def stored_status(status: RunStatus) -> tuple[Any, ...]:
    """A status as it is stored."""
    tags = json.dumps(dict(status.tags), ensure_ascii=False)  # so that what is no text is refused as anywhere
    return (
        *(status.run_id, status.state, status.blueprint_id, status.created, status.updated, status.next_check),
        *(tags, status.reason, status.body),
    )


def size_of(status: RunStatus) -> int:
    """About how long a status is as it is stored, bytes."""
    return len(status.body or "") + sum(len(name) + len(value) for name, value in status.tags.items())


def insert_status(connection: sqlite3.Connection, row: Sequence[Any]) -> bool:
    """Store a status if its run has none."""
    insert = f"INSERT INTO statuses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
    return connection.execute(insert, row).rowcount > 0


def _place_in(column: str) -> str:
    """What a cursor is made of, to be read beside a row: its place by a column, of whatever type that is."""
    return f", typeof({column}), CAST({column} AS BLOB), typeof(run_id), CAST(run_id AS BLOB)"


def _status(row: Sequence[Any]) -> RunStatus:
    run_id, state, blueprint_id, created, updated, next_check, tags, reason, body = row[:9]
    return RunStatus(
        run_id=text(run_id),
        state=cast(State, text(state)),
        blueprint_id=text(blueprint_id),
        created=time(created),
        updated=time(updated),
        next_check=time_or_none(next_check),
        tags=_tags(tags),
        reason=text_or_none(reason),
        body=text_or_none(body),
    )


def _tags(stored: Any) -> Mapping[str, str]:
    try:
        tags = json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        return {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        return {}
    return tags


def _has_id(row: Sequence[Any]) -> bool:
    """Whether what is read of a row's id is what is stored there."""
    run_id, kind, raw = row[0], row[11], row[12]
    return bool(kind == "text" and run_id.encode() == raw)


def _write_cursor(last: Sequence[Any], due: bool) -> str:
    """Where the next page begins, of whatever type the columns are that say it."""
    column, (kind, raw), (id_kind, id_raw) = (last[5] if due else last[3]), last[9:11], last[11:13]
    place = [kind, raw.hex() if kind in ("text", "blob") else column, id_kind, id_raw.hex()]
    return base64.urlsafe_b64encode(json.dumps(["due" if due else "all", *place]).encode()).decode()


def _read_cursor(cursor: str, due: bool) -> tuple[str, tuple[Any, ...]]:
    """Where a page begins: what stands for its place in a query, and the place."""
    try:
        asked, kind, column, id_kind, run_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if asked != ("due" if due else "all"):
            raise ValueError(asked)
        place = bytes.fromhex(column) if kind in ("text", "blob") else float(column)
        marks = ["CAST(? AS TEXT)" if each == "text" else "?" for each in (kind, id_kind)]
        return ", ".join(marks), (place, bytes.fromhex(run_id))
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"cursor={cursor!r} is none that SqliteStatusStore gave for this question") from error

"""Statuses of runs, in a table with an index per question that is asked of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from flowcraft_core.ports import FinalState, Page, RunStatus, State

from ._database import Statements
from ._texts import escaped, unescaped

_COLUMNS = "run_id, state, blueprint_id, created, updated, next_check, tags::text, reason, body"
_LIVE = "state IN ('running', 'awaiting')"
_TOUCHED = "state IN ('running', 'awaiting', 'schedule')"

_CREATE = """
INSERT INTO flowcraft.statuses (run_id, state, blueprint_id, created, updated, next_check, tags, reason, body)
VALUES (%(run_id)s, %(state)s, %(blueprint_id)s, %(created)s, %(updated)s, %(next_check)s, %(tags)s::json, %(reason)s,
    %(body)s)
ON CONFLICT DO NOTHING RETURNING true
"""

_TOUCH = f"""
UPDATE flowcraft.statuses SET updated = %(at)s, next_check = %(next_check)s
WHERE run_id = %(run_id)s AND {_TOUCHED} RETURNING true
"""

_REPORT = f"""
UPDATE flowcraft.statuses SET updated = %(at)s, next_check = %(next_check)s, state = %(state)s
WHERE run_id = %(run_id)s AND {_LIVE} RETURNING true
"""

_FINISH = f"""
UPDATE flowcraft.statuses SET state = %(state)s, updated = %(at)s, reason = %(reason)s, next_check = NULL
WHERE run_id = %(run_id)s AND {_LIVE} RETURNING true
"""


class PostgresStatusStore:
    """A ``flowcraft_core.ports.StatusStore`` in PostgreSQL.

    ``find`` gives the newest runs first, or, asked for those that are due, the longest overdue first. The table itself
    refuses what can be read by nobody, such as a time that is no number; a row is given without its tags if they are no
    JSON object of texts.
    """

    def __init__(self, database: Statements) -> None:
        """Use a database that may not be open yet."""
        self._database = database

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        return await self._changes(_CREATE, status.run_id, **stored_status(status))

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written."""
        rows = await self._select("run_id = %(run_id)s", run_id=escaped(run_id))
        return _status(rows[0]) if rows else None

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run or a schedule is to be looked at, and how a run is reported; False if it is neither."""
        if state is None:
            return await self._changes(_TOUCH, run_id, at=at, next_check=next_check)
        return await self._changes(_REPORT, run_id, at=at, next_check=next_check, state=state)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; True to exactly one caller."""
        stored = None if reason is None else escaped(reason)
        return await self._changes(_FINISH, run_id, state=escaped(state), at=at, reason=stored)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, page by page."""
        if not 1 <= limit <= 1_000:
            raise ValueError(f"limit={limit} is out of range: PostgresStatusStore takes 1 to 1000")
        due = due_before is not None
        # By a column that never changes: a run that is touched between two pages is on one of them all the same.
        column, order, beyond = ("next_check", "ASC", ">") if due else ("created", "DESC", "<")
        conditions = "state = %(state)s"
        parameters: dict[str, Any] = {"state": escaped(state), "limit": limit + 1}
        if due:
            conditions += " AND next_check <= %(due_before)s"
            parameters["due_before"] = due_before
        if cursor is not None:
            conditions += f" AND ({column}, run_id) {beyond} (%(place)s, %(after)s)"
            parameters["place"], parameters["after"] = _read_cursor(cursor, due)
        rows = await self._select(
            f"{conditions} ORDER BY {column} {order}, run_id {order} LIMIT %(limit)s", **parameters
        )
        return _page(rows, limit, due)

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
            raise ValueError(f"limit={limit} is out of range: PostgresStatusStore takes 1 to 1000")
        conditions = ""
        parameters: dict[str, Any] = {"limit": limit + 1}
        for condition, name, value in (
            ("blueprint_id = %(flow)s", "flow", None if blueprint_id is None else escaped(blueprint_id)),
            ("created >= %(since)s", "since", created_since),
            ("created < %(until)s", "until", created_until),
        ):
            if value is not None:
                conditions += f" AND {condition}"
                parameters[name] = value
        if cursor is not None:
            conditions += " AND (created, run_id) < (%(place)s, %(after)s)"
            parameters["place"], parameters["after"] = _read_cursor(cursor, due=False)
        newest = "ORDER BY created DESC, run_id DESC LIMIT %(limit)s"
        parts = []
        for number, state in enumerate(dict.fromkeys(states)):
            parameters[f"state{number}"] = escaped(state)
            parts.append(
                f"(SELECT {_COLUMNS} FROM flowcraft.statuses WHERE state = %(state{number})s{conditions} {newest})"
            )
        found = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS found {newest}"
        return _page(await self._database.run(found, **parameters), limit, due=False)

    async def delete(self, run_id: str) -> None:
        """Remove a run's status."""
        await self._changes("DELETE FROM flowcraft.statuses WHERE run_id = %(run_id)s RETURNING true", run_id)

    async def _changes(self, statement: str, run_id: str, **parameters: Any) -> bool:
        """Write one status; whether there was one to write."""
        return bool(await self._database.run(statement, run_id=escaped(run_id), **parameters))

    async def _select(self, conditions: str, **parameters: Any) -> list[tuple[Any, ...]]:
        statement = f"SELECT {_COLUMNS} FROM flowcraft.statuses WHERE {conditions}"
        return await self._database.run(statement, **parameters)


def stored_status(status: RunStatus) -> dict[str, Any]:
    """A status as it is stored, by column; without the run's id.

    Raises:
        ValueError: Something of it is no text.
    """
    tags = json.dumps(dict(status.tags), ensure_ascii=False)
    tags.encode()  # what is no text is refused as anywhere
    return {
        "state": escaped(status.state),
        "blueprint_id": escaped(status.blueprint_id),
        "created": status.created,
        "updated": status.updated,
        "next_check": status.next_check,
        "tags": tags,
        "reason": None if status.reason is None else escaped(status.reason),
        "body": None if status.body is None else escaped(status.body),
    }


def _page(rows: Sequence[Sequence[Any]], limit: int, due: bool) -> Page:
    """A page of what was found, of which one more was asked for than goes on it."""
    page = rows[:limit]
    return Page([_status(row) for row in page], _write_cursor(page[-1], due) if len(rows) > limit else None)


def _status(row: Sequence[Any]) -> RunStatus:
    run_id, state, blueprint_id, created, updated, next_check, tags, reason, body = row
    return RunStatus(
        run_id=unescaped(run_id),
        state=cast(State, unescaped(state)),
        blueprint_id=unescaped(blueprint_id),
        created=created,
        updated=updated,
        next_check=next_check,
        tags=_tags(tags),
        reason=None if reason is None else unescaped(reason),
        body=None if body is None else unescaped(body),
    )


def _tags(stored: str) -> Mapping[str, str]:
    try:
        tags = json.loads(stored)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        return {}
    return tags


def _write_cursor(last: Sequence[Any], due: bool) -> str:
    """Where the next page begins."""
    place = ["due", last[5], last[0]] if due else ["all", last[3], last[0]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_cursor(cursor: str, due: bool) -> tuple[float, str]:
    try:
        asked, place, run_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if asked != ("due" if due else "all") or not isinstance(run_id, str) or "\0" in run_id:
            raise ValueError(asked)
        run_id.encode()
        return float(place), run_id
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"cursor={cursor!r} is none that PostgresStatusStore gave for this question") from error

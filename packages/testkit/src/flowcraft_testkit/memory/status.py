"""The status store in memory."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import attrs
from flowcraft_core.ports import FinalState, Page, RunStatus, State

from .connection import Connection, check, check_text
from .records import Record

_LIVE: tuple[State, ...] = ("running", "awaiting")
_CURSOR = "after:"
_NEWEST = "newest:"


class StatusTable:
    """The statuses that all clients share, in the order of their run ids. Each method is one effect of a request."""

    def __init__(self, new_record: Callable[[], Record[RunStatus]], page_size: int | None) -> None:
        self._new_record = new_record
        self._page_size = page_size
        self._records: dict[str, Record[RunStatus]] = {}
        self._order: list[str] = []

    def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        if status.run_id not in self._records:
            self._records[status.run_id] = self._new_record()
            bisect.insort(self._order, status.run_id)
        if self.get(status.run_id) is not None:
            return False
        # The caller's tags are the caller's: what is stored does not change with them.
        self._records[status.run_id].write(_copy(status), None)
        return True

    def get(self, run_id: str) -> RunStatus | None:
        """The newest status."""
        record = self._records.get(run_id)
        return record.newest if record else None

    def change(self, run_id: str, change: Callable[[RunStatus], RunStatus], states: Sequence[State] = _LIVE) -> bool:
        """Change a status in one of these states; False if there is none."""
        status = self.get(run_id)
        if status is None or status.state not in states:
            return False
        self._records[run_id].write(change(status), None)
        return True

    def find(self, state: State, due_before: float | None, after: str, limit: int) -> Page:
        """One page of the index, which holds statuses by state: those of a page that are not due are left out."""
        page_size = min(limit, self._page_size or limit)
        found: list[RunStatus] = []
        seen, last = 0, after
        for status in self._listed(after):
            if status.state != state:
                continue
            seen, last = seen + 1, status.run_id
            if due_before is None or (status.next_check is not None and status.next_check <= due_before):
                found.append(_copy(status))
            if seen == page_size:
                break
        return Page(found, _CURSOR + last if seen == page_size else None)

    def newest(
        self, wanted: Callable[[RunStatus], bool], before: tuple[float, str] | None, limit: int
    ) -> tuple[list[RunStatus], str | None]:
        """One page by the time of creation, and where the next one begins."""
        found = [_copy(status) for status in self._listed("") if wanted(status)]
        found.sort(key=_place, reverse=True)
        if before is not None:
            found = [status for status in found if _place(status) < before]
        page = found[:limit]
        return page, _cursor_of(page[-1]) if len(found) > limit else None

    def delete(self, run_id: str) -> None:
        """Leave no status; the index may still list it for a while."""
        if record := self._records.get(run_id):
            record.write(None, None)

    def _listed(self, after: str) -> Iterator[RunStatus]:
        for run_id in self._order[bisect.bisect_right(self._order, after) :]:
            # The index is nobody's own write: it lags behind for everyone.
            if status := self._records[run_id].read(self):
                yield status


class InMemoryStatusStore:
    """A ``StatusStore`` on a ``StatusTable``. What the port's contract does not allow is a ``ValueError``."""

    def __init__(self, connection: Connection, table: StatusTable) -> None:
        self._connection = connection
        self._table = table

    async def create(self, status: RunStatus) -> bool:
        """See ``StatusStore.create``."""
        check_status(status)
        return await self._connection.request(self._table.create, status)

    async def get(self, run_id: str) -> RunStatus | None:
        """See ``StatusStore.get``; never stale."""
        _check_run_id(run_id)
        status = await self._connection.request(self._table.get, run_id)
        return status and _copy(status)

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """See ``StatusStore.touch``."""
        _check_run_id(run_id)

        def change(status: RunStatus) -> RunStatus:
            return attrs.evolve(status, updated=at, next_check=next_check, state=state or status.state)

        states = _LIVE if state is not None else (*_LIVE, "schedule")
        return await self._connection.request(self._table.change, run_id, change, states)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """See ``StatusStore.finish``."""
        _check_run_id(run_id)
        check_text(reason)

        def change(status: RunStatus) -> RunStatus:
            return attrs.evolve(status, state=state, updated=at, next_check=None, reason=reason)

        return await self._connection.request(self._table.change, run_id, change)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """See ``StatusStore.find``."""
        check(1 <= limit <= 1_000, f"limit is {limit}; it goes from 1 to 1000")
        check(cursor is None or cursor.startswith(_CURSOR), f"{cursor!r} is no cursor of this store")
        after = cursor.removeprefix(_CURSOR) if cursor else ""
        return await self._connection.request(self._table.find, state, due_before, after, limit)

    async def delete(self, run_id: str) -> None:
        """See ``StatusStore.delete``."""
        _check_run_id(run_id)
        await self._connection.request(self._table.delete, run_id)


class OrderedStatusStore(InMemoryStatusStore):
    """One with the power ``NewestFirst``."""

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
        """See ``NewestFirst.find_newest``."""
        check(1 <= limit <= 1_000, f"limit is {limit}; it goes from 1 to 1000")

        def wanted(status: RunStatus) -> bool:
            return (
                status.state in states
                and blueprint_id in (None, status.blueprint_id)
                and (created_since is None or status.created >= created_since)
                and (created_until is None or status.created < created_until)
            )

        return Page(*await self._connection.request(self._table.newest, wanted, _read_cursor(cursor), limit))


def _place(status: RunStatus) -> tuple[float, str]:
    return status.created, status.run_id


def _cursor_of(status: RunStatus) -> str:
    return _NEWEST + json.dumps(_place(status))


def _read_cursor(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    check(cursor.startswith(_NEWEST), f"{cursor!r} is no cursor of this store")
    created, run_id = json.loads(cursor.removeprefix(_NEWEST))
    return float(created), str(run_id)


def _copy(status: RunStatus) -> RunStatus:
    return attrs.evolve(status, tags=dict(status.tags))


def check_status(status: RunStatus) -> None:
    """Refuse a status that the port's contract does not allow.

    Raises:
        ValueError: It does not.
    """
    _check_run_id(status.run_id)
    check_text(status.blueprint_id, status.reason, status.body, *status.tags, *status.tags.values())


def _check_run_id(run_id: str) -> None:
    check(1 <= len(run_id) <= 300, f"a run id has 1 to 300 characters, not {len(run_id)}")
    check_text(run_id)

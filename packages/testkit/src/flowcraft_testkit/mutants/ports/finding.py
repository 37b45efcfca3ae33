"""Status stores whose lists are wrong."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
# mypy: disable-error-code="no-any-return"
# What is broken is passed on untyped.
from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.ports import Page, RunStatus

from ...contracts import StatusStoreContract
from .port import BrokenStatus, caught_by


@caught_by(StatusStoreContract.test_statuses_are_found_whole_by_their_state)
class FoundInPart(BrokenStatus):
    """Lists what the index has, which is not all."""

    async def find(self, **query: Any) -> Page:
        page = await self._port.find(**query)
        return Page([attrs.evolve(status, tags={}) for status in page.items], page.cursor)


@caught_by(StatusStoreContract.test_schedules_are_found_by_their_state_and_never_among_runs)
class SchedulesAmongRuns(BrokenStatus):
    """Lists schedules with the runs, as all that somebody has to look at."""

    async def find(self, *, state: Any, **query: Any) -> Page:
        page: Page = await self._port.find(state=state, **query)
        if state != "running":
            return page
        schedules: Page = await self._port.find(**{**query, "state": "schedule", "cursor": None})
        return Page([*page.items, *schedules.items][: query.get("limit", 100)], page.cursor)


@caught_by(StatusStoreContract.test_due_runs_are_found_and_others_are_not)
class DueIsEarlier(BrokenStatus):
    """Takes for due what is earlier, and not what is due at that very time."""

    async def find(self, *, due_before: float | None = None, **query: Any) -> Page:
        page: Page = await self._port.find(due_before=due_before, **query)
        items = [
            s for s in page.items if due_before is None or (s.next_check is not None and s.next_check < due_before)
        ]
        return Page(items, page.cursor)


@caught_by(StatusStoreContract.test_due_runs_are_found_and_others_are_not)
class NoTimeIsDue(BrokenStatus):
    """Takes a run without a next check for due."""

    async def find(self, *, due_before: float | None = None, **query: Any) -> Page:
        page: Page = await self._port.find(**query)
        items = [s for s in page.items if due_before is None or (s.next_check or 0.0) <= due_before]
        return Page(items, page.cursor)


@caught_by(StatusStoreContract.test_all_are_found_whatever_the_size_of_the_pages)
class PageTwoLost(BrokenStatus):
    """Gives the first page only."""

    async def find(self, **query: Any) -> Page:
        return Page((await self._port.find(**query)).items, None)


@caught_by(StatusStoreContract.test_what_is_due_is_found_among_many_that_are_not)
class EmptyPageEnds(BrokenStatus):
    """Takes a page on which nothing was due for the last one."""

    async def find(self, *, due_before: float | None = None, **query: Any) -> Page:
        page: Page = await self._port.find(**query)
        items = [s for s in page.items if due_before is None or (s.next_check or 1e99) <= due_before]
        return Page(items, page.cursor if items else None)


@caught_by(StatusStoreContract.test_what_stays_is_found_while_others_change)
class PlacesCounted(BrokenStatus):
    """Counts places in a list that changes."""

    async def find(self, *, cursor: str | None = None, limit: int = 100, **query: Any) -> Page:
        place = int(cursor or 0)
        items = (await self._port.find(limit=1_000, **query)).items[place : place + limit]
        return Page(items, str(place + limit) if items else None)


@caught_by(StatusStoreContract.test_a_cursor_that_the_store_did_not_give_is_refused)
class StrangeCursorBegins(BrokenStatus):
    """Begins at the first page when it cannot read the cursor."""

    async def find(self, *, cursor: str | None = None, **query: Any) -> Page:
        known = cursor if (cursor or "").startswith("after:") else None
        return await self._port.find(cursor=known, **query)


@caught_by(StatusStoreContract.test_a_run_is_found_by_what_it_was_last_written_as)
class IndexOfThePast(BrokenStatus):
    """Lists runs as they were when they were found first."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._listed: dict[str, RunStatus] = {}

    async def find(self, **query: Any) -> Page:
        page: Page = await self._port.find(**query)
        if query.get("due_before") is None:
            return page
        self._listed.update((status.run_id, status) for status in page.items)
        return Page([status for status in self._listed.values() if status.state == query["state"]], page.cursor)


@caught_by(StatusStoreContract.test_a_deleted_run_is_not_found)
class DeletedStaysListed(BrokenStatus):
    """Deletes a status and leaves it in the index."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._deleted: list[RunStatus] = []

    async def delete(self, run_id: str) -> None:
        if status := await self._port.get(run_id):
            self._deleted.append(status)
        await self._port.delete(run_id)

    async def find(self, **query: Any) -> Page:
        page: Page = await self._port.find(**query)
        return Page([*page.items, *(status for status in self._deleted if status.state == query["state"])], page.cursor)


@caught_by(StatusStoreContract.test_what_has_long_settled_is_found_as_it_is)
class ListRemembered(BrokenStatus):
    """Answers a question that it was asked before with what it answered then."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._answers: dict[tuple[Any, ...], Page] = {}

    async def find(self, **query: Any) -> Page:
        question = tuple(sorted(query.items(), key=str))
        if question not in self._answers:
            self._answers[question] = await self._port.find(**query)
        return self._answers[question]

"""Ports with powers that they do not have as they say."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.ports import Page, QueueDepth, RunStatus

from ...contracts import JobQueueContract, StatusStoreContract
from .port import BrokenQueue, BrokenStatus, caught_by


@caught_by(JobQueueContract.test_the_depth_is_what_there_is)
class HeldIsVisible(BrokenQueue):
    """Counts what somebody holds as if it could be received."""

    async def depth(self) -> QueueDepth:
        told: QueueDepth = await self._port.depth()
        return attrs.evolve(told, visible=(told.visible or 0) + (told.in_flight or 0), in_flight=0)


@caught_by(JobQueueContract.test_the_depth_is_what_there_is)
class DelayedIsHeld(BrokenQueue):
    """Takes what is delayed for what somebody holds."""

    async def depth(self) -> QueueDepth:
        told: QueueDepth = await self._port.depth()
        return attrs.evolve(told, in_flight=(told.in_flight or 0) + (told.delayed or 0), delayed=0)


@caught_by(StatusStoreContract.test_the_newest_are_found_first_whatever_the_size_of_the_pages)
class StateByState(BrokenStatus):
    """Gives the newest of each state, one state after the other."""

    async def find_newest(self, *, states: Sequence[Any], **query: Any) -> Page:
        page: Page = await self._port.find_newest(states=states, **query)
        return Page(sorted(page.items, key=lambda status: list(states).index(status.state)), page.cursor)


@caught_by(StatusStoreContract.test_the_newest_are_found_first_whatever_the_size_of_the_pages)
class EqualTimesSkipped(BrokenStatus):
    """Goes on behind all that began at the same time as the last one."""

    async def find_newest(self, *, cursor: str | None = None, **query: Any) -> Page:
        page: Page = await self._port.find_newest(cursor=cursor, **query)
        last = getattr(self, "_last", None) if cursor is not None else None
        items = [status for status in page.items if last is None or status.created < last]
        self._last = page.items[-1].created if page.items else None
        return Page(items, page.cursor)


@caught_by(StatusStoreContract.test_the_newest_are_found_by_flow_and_start)
class EndIsPartOfIt(BrokenStatus):
    """Gives what began at the very end of the stretch of time, too."""

    async def find_newest(self, *, created_until: float | None = None, **query: Any) -> Page:
        until = None if created_until is None else created_until + 1e-3
        page: Page = await self._port.find_newest(created_until=until, **query)
        return page


@caught_by(StatusStoreContract.test_what_stays_is_given_once_while_others_come_and_end)
class NewestCounted(BrokenStatus):
    """Counts places in a list that changes."""

    async def find_newest(self, *, cursor: str | None = None, limit: int = 100, **query: Any) -> Page:
        place = int(cursor or 0)
        found: Sequence[RunStatus] = (await self._port.find_newest(limit=1_000, **query)).items
        return Page(found[place : place + limit], str(place + limit) if len(found) > place + limit else None)


@caught_by(StatusStoreContract.test_a_cursor_of_another_order_is_refused)
class StrangeCursorIsNone(BrokenStatus):
    """Begins at the first page when it cannot read the cursor."""

    async def find_newest(self, *, cursor: str | None = None, **query: Any) -> Page:
        try:
            page: Page = await self._port.find_newest(cursor=cursor, **query)
        except ValueError:
            page = await self._port.find_newest(**query)
        return page

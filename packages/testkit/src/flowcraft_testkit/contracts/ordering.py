"""The clauses of a status store that gives the newest runs first, which is a power that not all have."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from flowcraft_core.ports import NewestFirst, RunStatus, State

from .clauses import needs
from .finding import NOW, FindingClauses

_STATES: tuple[State, ...] = ("running", "completed", "failed")


def _ordered(store: Any) -> NewestFirst:
    """A status store that has the power."""
    power: NewestFirst = store
    return power


class OrderingClauses(FindingClauses):
    """What a ``StatusStore`` promises of ``find_newest``."""

    @needs("newest_first")
    async def test_the_newest_are_found_first_whatever_the_size_of_the_pages(self) -> None:
        """A list of runs begins with what was started last: of all states that are asked for, each run once."""
        async with self.connect() as store:
            statuses = [
                self.status(state=_STATES[place % 3], created=NOW + (place * 7 % 11), tags={"place": str(place)})
                for place in range(14)
            ]
            await self.create_all(store, [*statuses, self.status(state="dead"), self.status(state="awaiting")])
            in_order = sorted(statuses, key=lambda status: (status.created, status.run_id), reverse=True)
            for limit in (1, 3, 100):
                await self._until_given(store, in_order, states=_STATES, limit=limit)

    @needs("newest_first")
    async def test_the_newest_are_found_by_flow_and_start(self) -> None:
        """Each end of a stretch of time may be open; what began at its end is not part of it."""
        async with self.connect() as store:
            statuses = [
                self.status(created=NOW + place, blueprint_id="even" if place % 2 == 0 else "odd") for place in range(9)
            ]
            await self.create_all(store, statuses)
            newest = statuses[::-1]
            for query, expected in (
                ({"blueprint_id": "odd"}, newest[1::2]),
                ({"created_since": NOW + 3}, newest[:6]),
                ({"created_until": NOW + 3}, newest[6:]),
                ({"created_since": NOW + 2, "created_until": NOW + 7, "blueprint_id": "even"}, newest[2:7:2]),
                ({"blueprint_id": "none"}, []),
            ):
                await self._until_given(store, expected, states=("running",), limit=2, **query)

    @needs("newest_first")
    async def test_what_stays_is_given_once_while_others_come_and_end(self) -> None:
        """Runs start and end while the pages are turned: who counts places misses some, or sees them twice."""
        async with self.connect() as store:
            statuses = [self.status(created=NOW + place) for place in range(20)]
            await self.create_all(store, statuses)
            await self._until_given(store, statuses[::-1], states=("running",), limit=100)
            seen: list[str] = []
            cursor = None
            while True:
                page = await _ordered(store).find_newest(states=("running",), cursor=cursor, limit=3)
                seen += [status.run_id for status in page.items]
                await self.create_all(store, [self.status(created=NOW + 100 + len(seen)) for _ in range(2)])
                await store.finish(seen[-1], "completed", at=NOW)
                cursor = page.cursor
                if cursor is None:
                    break
            assert seen == [status.run_id for status in statuses[::-1]]

    @needs("newest_first")
    async def test_a_cursor_of_another_order_is_refused(self) -> None:
        """Cursors come back from web pages and command lines."""
        async with self.connect() as store:
            await store.create(self.status())
            for cursor in ("", "no cursor", '{"a": 1}', "😀"):
                with pytest.raises(ValueError, match="cursor"):
                    await _ordered(store).find_newest(states=("running",), cursor=cursor)

    async def _until_given(self, store: Any, expected: list[RunStatus], **query: Any) -> None:
        async def differs() -> str:
            found = await self._all(store, **query)
            if found == expected:
                return ""
            given, wanted = ([attrs.astuple(each)[:4] for each in some] for some in (found, expected))
            return f"of {query} are given, in this order: {given}; they are {wanted}"

        await self.until_nothing(differs)

    async def _all(self, store: Any, **query: Any) -> list[RunStatus]:
        found: list[RunStatus] = []
        cursor = None
        while True:
            page = await _ordered(store).find_newest(cursor=cursor, **query)
            assert len(page.items) <= query["limit"], f"a page of {len(page.items)} was given"
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return found

"""What the pages ask of a ``Client``: the one place that knows its names.

A description of a run reads all of the run's facts. So one is kept for as long as it was dear: what took a second to
read is read again after five, however many people look at it. Once one tells of something new in a run, none of what
was read of that run before is shown any more.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import attrs
from flowcraft_core.durable import UnknownRunError, differences
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ports import State

if TYPE_CHECKING:
    from flowcraft_core.durable import (
        Client,
        Difference,
        Footprint,
        InstanceDescription,
        QueueDescription,
        RunDescription,
        RunFilters,
        RunsPage,
        StoredResult,
        StoredRun,
        StoredSchedule,
        WorkerDescription,
    )

STATES: tuple[State, ...] = tuple(state for state in get_args(State) if state not in ("dead", "schedule"))
FINAL = ("completed", "failed", "cancelled")

#: So many runs are counted in each state, and looked through for a part of an id.
MOST_COUNTED = 10_000
#: So many schedules are listed.
MOST_SCHEDULES = 500
_LOOKED_THROUGH = 2_000
_PAGE = 1_000
_KEPT = 64
_TIMES_AS_LONG = 5.0


@attrs.define
class Source:
    """Asks the client.

    Attributes:
        client: The client.
        monotonic: Tells how long something took, seconds.
    """

    client: Client
    monotonic: Any = time.monotonic
    _described: OrderedDict[tuple[Any, ...], tuple[float, RunDescription]] = attrs.field(factory=OrderedDict)
    _latest: dict[str, object] = attrs.field(factory=dict)
    _counted: tuple[float, dict[str, int]] = (0.0, {})

    # --- runs -----------------------------------------------------------------------------------------------------

    async def runs(self, states: Sequence[State], after: str | None, limit: int, filters: RunFilters) -> RunsPage:
        """A page of runs."""
        return await self.client.runs_page(*states, after=after, limit=limit, **filters)

    async def run(self, run_id: str) -> StoredRun:
        """A run's status, with its links."""
        return await self.client.status(run_id)

    async def is_there(self, run_id: str) -> bool:
        """Whether there is a run of exactly this id."""
        try:
            return (await self.run(run_id)).state != "dead"
        except (UnknownRunError, ConfigurationError):  # it is none, or can be none
            return False

    async def runs_like(self, part: str, limit: int) -> list[StoredRun]:
        """Runs whose id has a part, among the first few thousand that the store gives."""
        found: list[StoredRun] = []
        async for run in self.client.runs(limit=_LOOKED_THROUGH):
            if part in run.run_id:
                found.append(run)
                if len(found) == limit:
                    break
        return found

    async def counts(self) -> dict[str, int]:
        """How many runs are in each state, up to ``MOST_COUNTED``; not new, where counting took long."""
        until, counted = self._counted
        begun = self.monotonic()
        if begun < until:
            return counted
        counted = dict.fromkeys(STATES, 0)
        for state in STATES:
            after: str | None = None
            while counted[state] < MOST_COUNTED:
                page = await self.client.runs_page(state, after=after, limit=_PAGE)
                counted[state] += len(page.runs)
                after = page.cursor
                if after is None:
                    break
        ended = self.monotonic()
        self._counted = ended + 10 * (ended - begun), counted
        return counted

    # --- one run --------------------------------------------------------------------------------------------------

    async def describe(
        self, run_id: str, *, inside: str = "", after: str | None = None, limit: int = 1_000, values: bool = False
    ) -> RunDescription:
        """A run's inside, perhaps as it was a moment ago."""
        key, begun = (run_id, inside, after, limit, values), self.monotonic()
        until, found = self._described.get(key, (0.0, None))
        if found is not None and begun < until:
            return found
        found = await self.client.describe(run_id, inside=inside, after=after, limit=limit, values=values)
        ended = self.monotonic()
        if self._latest.get(run_id) != (news := _news(found)):
            self._forget(run_id)
            self._latest[run_id] = news
        self._described[key] = ended + _TIMES_AS_LONG * (ended - begun), found
        self._described.move_to_end(key)
        while len(self._described) > _KEPT:
            self._described.popitem(last=False)
        while len(self._latest) > _KEPT:
            del self._latest[next(iter(self._latest))]
        return found

    def _forget(self, run_id: str) -> None:
        for key in [key for key in self._described if key[0] == run_id]:
            del self._described[key]

    async def instance(self, run_id: str, key: str) -> tuple[RunDescription, InstanceDescription] | None:
        """One instance with all its values, and the level that it stands in; None if there is none (yet)."""
        inside = home_of(key)
        after: str | None = None
        while True:
            level = await self.describe(run_id, inside=inside, after=after, values=True)
            for instance in level.instances:
                if instance.key == key:
                    return level, instance
            after = level.cursor
            if after is None:
                return None

    async def result(self, run_id: str) -> StoredResult:
        """How a run ended or stands, with its context."""
        return await self.client.result(run_id)

    async def footprint(self, run_id: str) -> Footprint:
        """What a run has cost."""
        return await self.client.footprint(run_id)

    async def differences(self, run_id: str, other: str) -> list[Difference]:
        """In what two runs differ."""
        return list(differences(await self.client.export(other), await self.client.export(run_id)))

    # --- the place ------------------------------------------------------------------------------------------------

    async def workers(self) -> list[WorkerDescription]:
        """Who works here."""
        return await self.client.workers()

    async def queues(self) -> list[QueueDescription]:
        """The queues."""
        return await self.client.queues()

    async def schedules(self) -> tuple[list[StoredSchedule], bool]:
        """The schedules by their ids, and whether there are more than these."""
        found: list[StoredSchedule] = []
        async for schedule in self.client.schedules.list():
            if len(found) == MOST_SCHEDULES:
                return sorted(found, key=_id_of), True
            found.append(schedule)
        return sorted(found, key=_id_of), False

    async def letters(self, after: str | None, limit: int) -> RunsPage:
        """A page of dead letters."""
        return await self.client.runs_page("dead", after=after, limit=limit)

    async def letter(self, letter_id: str) -> StoredRun:
        """A dead letter.

        Raises:
            UnknownRunError: There is none of that id.
        """
        found = await self.client.status(letter_id)
        if found.state != "dead":
            raise UnknownRunError(f"there is no dead letter {letter_id!r:.300}")
        return found

    # --- changing -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Client]:
        """The client, for a change: what was kept is read anew after it."""
        try:
            yield self.client
        finally:
            self._described.clear()
            self._counted = (0.0, {})


def _id_of(schedule: StoredSchedule) -> str:
    return schedule.schedule_id


def _news(found: RunDescription) -> object:
    """What changes whenever something happens in a run, at whatever level one looks."""
    waits = [(wait.key, wait.due) for wait in found.waits]
    under_way = [(way.key, way.attempt, way.fraction, way.message) for way in found.under_way]
    passed = [(each.node_id, each.reason) for each in found.passed_on]
    return found.run.state, found.run.reason, found.steps, waits, under_way, passed, found.unserved


def home_of(key: str) -> str:
    """The key of the level that an instance stands in: ``pages[17]`` for ``pages[17].ocr``; empty for the run."""
    key = key.removesuffix(":entry")
    if key.endswith("]"):  # the verdict of a loop's pass
        return key
    return key[: max(key.rfind("."), key.rfind("/"), 0)]

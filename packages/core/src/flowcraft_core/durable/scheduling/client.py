"""``Client.schedules``: makes schedules, looks at them, and changes what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypedDict

import attrs
from typing_extensions import Unpack

from ...catalogue import Catalogue, FlowLike
from ...durations import Duration, parse_seconds
from ...errors import ConfigurationError
from ...ids import new_id, require_run_id
from ...schedules import Missed, Overlap, Timing, require_choice
from ...settings import by_name
from ...texts import require_name
from ..results import Started
from ..runs import RunRecord
from ..starting import start_run
from ..stored_runs import StoredRuns
from .firing import TAG, record_of, tags_of
from .revisions import Change, Revision, UnknownScheduleError, require_schedule_id
from .shapes import StoredSchedule
from .standing import Schedules

# A schedule says when it is due in one of these ways.
_TIMING = ("cron", "timezone", "every")


class ScheduleSettings(TypedDict, total=False):
    """What a schedule says beside its flow.

    Attributes:
        cron: When it is due, as a cron expression of five fields: ``"30 2 * * *"``. Needs the extra ``cron``.
        timezone: The time zone that the expression means, such as ``"Europe/Oslo"``; UTC by default.
        every: Instead of those, how long it is from one time to the next: seconds, a ``timedelta``, or text such as
            ``"6h"``; whole seconds. A reconciler looks every 15 seconds, unless it is told otherwise.
        missed: What becomes of times that were missed, as no reconciler ran: ``"all"`` are made up for, the
            ``"latest"`` (the default), or ``"none"``.
        grace: How late a time may be started that was not missed, whatever ``missed`` says: two minutes by default.
        overlap: What is done if the run that was started before is still under way: ``"start"`` the new one all the
            same (the default), ``"skip"`` it, or ``"cancel"`` the older one.
        tags: The tags of each run, beside ``schedule``, which is the schedule's id.
        timeout: How long each run may take until it fails, as for ``Client.start``.
    """

    cron: str | None
    timezone: str | None
    every: Duration | None
    missed: Missed
    grace: Duration
    overlap: Overlap
    tags: Mapping[str, str]
    timeout: Duration | None


class ScheduleClient:
    """Makes and steers schedules. A schedule is pinned to its flow as it was when it was made or edited."""

    def __init__(self, stored: StoredRuns, catalogue: Catalogue) -> None:
        """Use a client's runs and flows."""
        self._stored = stored
        self._catalogue = catalogue
        self._schedules = Schedules.on(stored)

    async def make(
        self,
        schedule_id: str,
        flow: FlowLike,
        context: Any = None,
        *,
        replace: bool = False,
        **settings: Unpack[ScheduleSettings],
    ) -> StoredSchedule:
        """Make a schedule, whose first time is the first one after now; or find it made just so already.

        One that was cut short is finished by making it again.

        Args:
            schedule_id: Its id; the run for a time has the id ``id@time``, such as ``nightly@2026-03-29T01:30:00Z``.
            flow: The flow to start, its blueprint, or its id.
            context: Each run's input, if the flow is a ``Flow``; else its initial context values, by name.
            replace: If there is one of that id that says otherwise, edit it: for programs that make their schedules
                whenever they are deployed.
            settings: See ``ScheduleSettings``; one of ``cron`` and ``every`` there has to be.

        Raises:
            ConfigurationError: There is one of that id that says otherwise; the flow is unknown or incomplete; or the
                id or a setting cannot be used.
            SerializationError: A context value, its name or a tag cannot be stored.
        """
        made = await self._said(
            Revision(
                schedule_id=require_schedule_id(schedule_id),
                at=self._stored.clock.now(),
                since=int(self._stored.clock.now()),
                flow="",
                blueprints={},
                timing=_timing(settings),
            ),
            {**settings, "flow": flow, "context": self._catalogue.begin(flow, context)},
        )
        await self._schedules.say_there_are()
        last = await self._schedules.chain.last(schedule_id)
        while True:
            if last is None or last.is_removed:
                new = made if last is None else attrs.evolve(made, number=last.number + 1)
                last = await self._schedules.chain.add(new)
            if not last.is_removed:
                break
        if (name := self._schedules.chain.difference(made, last)) is None:
            return await self._settled(last)
        if not replace:
            raise ConfigurationError(
                f"there is a schedule {schedule_id!r} that says otherwise (its {name}): edit it, or make it with "
                "replace=True"
            )
        return await self._change(schedule_id, "edited", lambda last: _as_edited(last, made))

    async def edit(
        self,
        schedule_id: str,
        *,
        flow: FlowLike | None = None,
        context: Any = None,
        **settings: Unpack[ScheduleSettings],
    ) -> StoredSchedule:
        """Change what a schedule says; what is not named stays as it is, and a paused one stays paused.

        With other times, those count from now on, and none is missed before.

        Args:
            schedule_id: The schedule.
            flow: Start this one; also its flow as it is now, to which the schedule is pinned then.
            context: The input, if ``flow`` is given and is a ``Flow``; else the initial context values, all of them.
            settings: See ``ScheduleSettings``.

        Raises:
            UnknownScheduleError: There is no such schedule.
            ConfigurationError: As for ``make``.
            SerializationError: As for ``make``.
        """
        changes: dict[str, Any] = {**settings}
        if flow is not None:
            changes["flow"] = flow
        if context is not None:
            changes["context"] = context if flow is None else self._catalogue.begin(flow, context)

        async def edited(last: Revision) -> Revision:
            return _as_edited(last, await self._said(last, changes))

        return await self._change(schedule_id, "edited", edited)

    async def pause(self, schedule_id: str) -> StoredSchedule:
        """Have a schedule start nothing until it is resumed. What it is just about to start it may start yet.

        Raises:
            UnknownScheduleError: There is no such schedule.
        """
        return await self._change(schedule_id, "paused", lambda last: attrs.evolve(last, is_paused=True))

    async def resume(self, schedule_id: str) -> StoredSchedule:
        """Have a paused schedule go on with its times from now on; those that have passed meanwhile were not missed.

        Raises:
            UnknownScheduleError: There is no such schedule.
        """

        def resumed(last: Revision) -> Revision:
            if not last.is_paused:
                return last
            return attrs.evolve(last, is_paused=False, since=self._since(last))

        return await self._change(schedule_id, "resumed", resumed)

    async def trigger(self, schedule_id: str, *, run_id: str | None = None) -> Started:
        """Start a run of a schedule now, paused or not; its times, and what it does about overlap, stay as they are.

        Args:
            schedule_id: The schedule.
            run_id: The run's id; one that begins with the schedule's by default.

        Raises:
            UnknownScheduleError: There is no such schedule.
        """
        last = await self._last(schedule_id)
        run_id = f"{schedule_id}@by-hand-{new_id()[:12]}" if run_id is None else require_run_id(run_id)
        graphs = await self._stored.runs.graphs(last.blueprints)
        record: RunRecord = record_of(last, run_id, graphs, self._stored.clock.now())
        recorded = await start_run(self._stored, record, tags_of(last))
        return Started(run_id, recorded.created, recorded.same)

    async def remove(self, schedule_id: str) -> None:
        """Remove a schedule; the runs that it has started stay. If that is cut off, remove it again.

        Its id can be used again. What it said is kept, as a record of a few lines.

        Raises:
            UnknownScheduleError: There never was such a schedule.
        """
        schedule_id = require_schedule_id(schedule_id)
        last = await self._stored.settled(lambda: self._schedules.chain.last(schedule_id))
        if last is None:
            raise UnknownScheduleError(f"there is no schedule {schedule_id!r}")
        while not last.is_removed:
            last = await self._schedules.chain.add(self._next(last, last, "removed"))
        await self._schedules.hint(last, None)

    async def show(self, schedule_id: str) -> StoredSchedule:
        """A schedule as it stands.

        Raises:
            UnknownScheduleError: There is no such schedule.
        """
        last = await self._last(schedule_id)
        return StoredSchedule.of(last, await self._schedules.done(schedule_id))

    async def list(self) -> AsyncIterator[StoredSchedule]:
        """All schedules, in any order; one that was made just now may not be among them yet."""
        async for revision in self._schedules.all():
            yield StoredSchedule.of(revision, await self._schedules.done(revision.schedule_id))

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _last(self, schedule_id: str) -> Revision:
        schedule_id = require_schedule_id(schedule_id)
        last = await self._stored.settled(lambda: self._schedules.chain.last(schedule_id))
        if last is None or last.is_removed:
            raise UnknownScheduleError(f"there is no schedule {schedule_id!r}")
        return last

    async def _change(self, schedule_id: str, change: Change, changed: Callable[[Revision], Any]) -> StoredSchedule:
        """Write a revision that is made of the last one, whichever that is by then; none if it says the same."""
        last = await self._last(schedule_id)
        while True:
            new = changed(last)
            wanted: Revision = new if isinstance(new, Revision) else await new
            if self._schedules.chain.difference(wanted, last) is None and wanted.is_paused == last.is_paused:
                return await self._settled(last)
            wanted = self._next(last, wanted, change)
            last = await self._schedules.chain.add(wanted)
            if last is wanted:
                return await self._settled(last)
            if last.is_removed:
                raise UnknownScheduleError(f"there is no schedule {schedule_id!r}")

    def _next(self, last: Revision, new: Revision, change: Change) -> Revision:
        since = new.since if new.timing == last.timing else self._since(last)
        return attrs.evolve(new, number=last.number + 1, change=change, at=self._stored.clock.now(), since=since)

    def _since(self, last: Revision) -> int:
        """From now on, by this clock; never from earlier than it was."""
        return max(last.since, int(self._stored.clock.now()))

    async def _settled(self, revision: Revision) -> StoredSchedule:
        done = await self._schedules.done(revision.schedule_id)
        await self._schedules.hint(revision, done)
        return StoredSchedule.of(revision, done)

    async def _said(self, revision: Revision, changes: Mapping[str, Any]) -> Revision:
        """A revision that says something else, which is looked at before anything is stored."""
        said: dict[str, Any] = {}
        unknown = [name for name in changes if name not in (*ScheduleSettings.__annotations__, "flow", "context")]
        if unknown:
            raise ConfigurationError(
                f"schedule: there is no setting {unknown[0]!r}; there are {', '.join(ScheduleSettings.__annotations__)}"
            )
        if any(name in changes for name in _TIMING):
            said["timing"] = _timing(changes, revision.timing)
        for name, choices in (("missed", Missed), ("overlap", Overlap)):
            if name in changes:
                require_choice(name, changes[name], choices)
                said[name] = changes[name]
        if "grace" in changes:
            said["grace"] = int(parse_seconds("schedule: grace", changes["grace"], zero=True))
        if "timeout" in changes:
            limit = changes["timeout"]
            said["timeout"] = None if limit is None else parse_seconds("schedule: timeout", limit)
        if "tags" in changes:
            said["tags"] = dict(by_name("schedule: tags", changes["tags"]))
            if TAG in said["tags"]:
                raise ConfigurationError(f"schedule: the tag {TAG!r} is the schedule's id: use another name")
        if "context" in changes:
            said["context"] = dict(by_name("schedule: context", changes["context"]))
        for name in (*said.get("context", ()), *(part for tag in said.get("tags", {}).items() for part in tag)):
            require_name(name, f"schedule {revision.schedule_id!r}: the name of a context value, or a tag,")
        if "flow" in changes:
            graph = self._catalogue.find(changes["flow"])
            said["flow"] = graph.blueprint.id
            said["blueprints"] = await self._stored.runs.store(self._catalogue.reachable(graph))
        return attrs.evolve(revision, **said)


def _timing(changes: Mapping[str, Any], standing: Timing | None = None) -> Timing:
    """When a schedule is due, by what is said and, for what is not, by what it said."""
    cron, timezone, every = (changes.get(name) for name in _TIMING)
    if cron is None and every is None and standing is not None:
        cron = standing.cron
        every = standing.every
    elif timezone is None and cron is not None and standing is not None and standing.cron is not None:
        timezone = standing.timezone
    return Timing.of(cron, timezone, every)


def _as_edited(last: Revision, new: Revision) -> Revision:
    """What a revision says, in the place of the last one."""
    return attrs.evolve(new, since=last.since, is_paused=last.is_paused)

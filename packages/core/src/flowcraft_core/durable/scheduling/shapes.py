"""What a client tells of schedules."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from ...schedules import Missed, Overlap
from .revisions import Revision
from .standing import Done

# So many of the times to come are told.
_TO_COME = 5


@attrs.frozen(kw_only=True)
class StoredSchedule:
    """A schedule as it stands. Times are seconds since the epoch.

    Attributes:
        schedule_id: Its id.
        state: Whether it starts runs.
        flow: The id of the flow that it starts.
        blueprints: The content hashes of the blueprints to which it is pinned, by id.
        cron: The cron expression by which it is due; None for an interval.
        timezone: The time zone of the expression.
        every: Seconds from one time to the next; None for a cron expression.
        missed: What becomes of times that nobody was there to start.
        grace: How long ago a time may be that was not missed, seconds.
        overlap: What is done if the run before is still under way.
        context: The initial context values of each run.
        tags: The tags of each run, beside ``schedule``, which is its id.
        timeout: How long each run may take, seconds; None for no limit.
        revision: How often it was changed since it was first made.
        changed: When it was changed last.
        since: Its times count from then on.
        last_due: The last time that it is done with: started, or left out; None if there is none yet.
        last_run: The run that was started last for one of its times; None if none was.
        upcoming: The next times; none while it is paused.
    """

    schedule_id: str
    state: Literal["active", "paused"]
    flow: str
    blueprints: Mapping[str, str]
    cron: str | None
    timezone: str
    every: int | None
    missed: Missed
    grace: int
    overlap: Overlap
    context: Mapping[str, Any]
    tags: Mapping[str, str]
    timeout: float | None
    revision: int
    changed: float
    since: int
    last_due: int | None
    last_run: str | None
    upcoming: tuple[int, ...]

    @property
    def next_due(self) -> int | None:
        """The next time; None if there is none."""
        return self.upcoming[0] if self.upcoming else None

    @classmethod
    def of(cls, revision: Revision, done: Done | None) -> StoredSchedule:
        """What is stored of one."""
        after = revision.since if done is None else max(revision.since, done.due)
        times = () if revision.is_paused else revision.timing.times(after, revision.since)
        return cls(
            schedule_id=revision.schedule_id,
            state="paused" if revision.is_paused else "active",
            flow=revision.flow,
            blueprints=revision.blueprints,
            cron=revision.timing.cron,
            timezone=revision.timing.timezone,
            every=revision.timing.every,
            missed=revision.missed,
            grace=revision.grace,
            overlap=revision.overlap,
            context=revision.context,
            tags=revision.tags,
            timeout=revision.timeout,
            revision=revision.number,
            changed=revision.at,
            since=revision.since,
            last_due=None if done is None else done.due,
            last_run=None if done is None else done.run_id,
            upcoming=tuple(itertools.islice(times, _TO_COME)),
        )

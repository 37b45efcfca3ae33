"""Where a schedule stands: its last revision, what it is done with, and the hint that says when to look at it.

What is done with is a context value of the schedule, whose position is the time: of two writers the later time stands,
whatever the order in which they write. So nothing that was started is started again, also once its run was purged, and
however old the hint is from which somebody begins: that is a status, which is written anew after each change and look.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from ...ports import RunStatus
from ...schedules import Plan, plan
from ..storage import Records
from ..stored_runs import StoredRuns
from .revisions import Chain, Revision, place_of, schedule_at

# That there are schedules at all is a fact, under the run id of no run: without it no reconciler looks for any.
_ANYWHERE, _THERE_ARE = ":schedules", ":any"

# The name of the value that says what a schedule is done with.
_DONE = "done"

# A schedule is looked at once a day, if nothing else is due: in case its hint was written by somebody who was late.
_LONGEST = 86_400.0

# Times that are started in one look; more are due again.
_AT_ONCE = 100


@attrs.frozen
class Done:
    """What a schedule is done with.

    Attributes:
        due: All times up to this one.
        run_id: The run that was started last; None if none was.
    """

    due: int
    run_id: str | None = None


@attrs.frozen
class Schedules:
    """The schedules on a backend.

    Attributes:
        stored: Where they are.
        chain: Their revisions.
    """

    stored: StoredRuns
    chain: Chain

    @classmethod
    def on(cls, stored: StoredRuns) -> Schedules:
        """Those in the same place as some runs."""
        return cls(stored, Chain(stored.records))

    async def say_there_are(self) -> None:
        """Have reconcilers look for schedules."""
        await self.stored.records.put(_ANYWHERE, _THERE_ARE, {})

    async def there_are(self) -> bool:
        """Whether anybody has ever made one."""
        return await self.stored.records.get(_ANYWHERE, _THERE_ARE) is not None

    async def done(self, schedule_id: str) -> Done | None:
        """What a schedule is done with; None if it has not come to any time."""
        found = (await self.stored.records.values(place_of(schedule_id), "", [_DONE])).get(_DONE)
        if found is None:
            return None
        ((_, _, due),), run_id = found
        return Done(due, run_id if isinstance(run_id, str) else None)

    def planned(self, revision: Revision, done: Done | None) -> Plan:
        """What is to be done about a schedule now."""
        return plan(
            revision.timing,
            since=revision.since,
            done=None if done is None else done.due,
            now=self.stored.clock.now(),
            missed=revision.missed,
            grace=revision.grace,
            most=_AT_ONCE,
        )

    async def hint(self, revision: Revision, done: Done | None) -> None:
        """Write when to look at a schedule, as the facts have it.

        Whoever does so may have been late, so they read once more: whoever has changed the schedule since they read it
        has written the hint before them, or does so yet.

        Args:
            revision: The last one that was read.
            done: What the schedule is done with.
        """
        while True:
            await self._write_hint(revision, done)
            if staleness := self.stored.backend.context.limits.staleness:
                await self.stored.clock.sleep(staleness)
            standing = await self.chain.last(revision.schedule_id)
            if standing is None or standing.number <= revision.number:
                return
            revision = standing

    async def _write_hint(self, revision: Revision, done: Done | None) -> None:
        store, place, now = self.stored.backend.status, place_of(revision.schedule_id), self.stored.clock.now()
        if revision.is_removed:
            await store.delete(place)
            return
        when = now + _LONGEST
        if not revision.is_paused:
            due = self.planned(revision, done)
            following = due.start[0] if due.start else due.next
            when = when if following is None else min(when, following)
        if not await store.touch(place, at=now, next_check=when):
            status = RunStatus(
                run_id=place, state="schedule", blueprint_id="", created=now, updated=now, next_check=when
            )
            if not await store.create(status):
                await store.touch(place, at=now, next_check=when)

    async def all(self) -> AsyncIterator[Revision]:
        """The last revisions of all schedules."""
        cursor: str | None = None
        while True:
            page = await self.stored.backend.status.find(state="schedule", cursor=cursor)
            for status in page.items:
                revision = await self.chain.last(schedule_at(status.run_id))
                if revision is not None and not revision.is_removed:
                    yield revision
            cursor = page.cursor
            if cursor is None:
                return


async def note_done(records: Records, schedule_id: str, done: Done) -> None:
    """Write down what a schedule is done with; of two times the later one stands."""
    await records.apply(place_of(schedule_id), "", ((0, _DONE, done.due),), {_DONE: done.run_id})


async def note_purged(stored: StoredRuns, schedule_id: str, due: int, run_id: str) -> None:
    """Have it seen that a schedule is done with a time, before the run for it is purged.

    Whoever started the run has said so, unless they died before that.
    """
    done = await Schedules.on(stored).done(schedule_id)
    if done is None or done.due < due:
        await note_done(stored.records, schedule_id, Done(due, run_id))
        await stored.clock.sleep(stored.backend.context.limits.staleness)

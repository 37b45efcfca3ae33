"""Starts what schedules are due for: each time once, whoever looks, how often, and wherever a look was cut off.

The run for a time has the id ``id@time``, so two who start it start one run, and whoever finds a start that was cut off
finishes it. What follows is written after that: what the schedule is done with, and then when to look again. Times are
started in their order, so what comes before one that is done with is done with, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...graph.scopes import Graph
from ...logging.catalogue import SCHEDULE_FIRED, SCHEDULE_MISSED, SCHEDULE_SKIPPED
from ...logging.journal import Journal
from ...ports import RunStatus
from ...schedules import as_text, firing_id
from ..ends import undoes
from ..runs import RunRecord
from ..signals import conclude, end_run
from ..starting import start_run
from ..tracing import stored_trace
from .revisions import Revision
from .standing import Done, Schedules, note_done

#: The tag that each run of a schedule has: the schedule's id.
TAG = "schedule"


@attrs.frozen
class Firing:
    """Looks at schedules.

    Attributes:
        schedules: Where they are.
        journal: Is told what happens.
    """

    schedules: Schedules
    journal: Journal

    async def look(self, schedule_id: str) -> int:
        """Start what a schedule is due for, and say when to look again; how many runs were started by this call."""
        revision = await self.schedules.chain.last(schedule_id)
        if revision is None:
            return 0  # its status is there before it is to be seen
        done = None if revision.is_removed else await self.schedules.done(schedule_id)
        fired = 0
        if not revision.is_paused and not revision.is_removed:
            plan = self.schedules.planned(revision, done)
            for due in plan.start:
                done, started = await self._fire(revision, due, done)
                fired += started
            if plan.done is not None and (done is None or done.due < plan.done):
                done = Done(plan.done, None if done is None else done.run_id)
                await note_done(self.schedules.stored.records, schedule_id, done)
            if plan.left_out is not None:
                first, last = plan.left_out
                self.journal.tell(SCHEDULE_MISSED, schedule=schedule_id, due=as_text(first), until=as_text(last))
        await self.schedules.hint(revision, done)
        return fired

    async def _fire(self, revision: Revision, due: int, done: Done | None) -> tuple[Done, bool]:
        """Start the run for a time, unless that is left out; what the schedule is done with, and whether it is new."""
        stored, schedule_id = self.schedules.stored, revision.schedule_id
        run_id, said = firing_id(schedule_id, due), as_text(due)
        before = None if revision.overlap == "start" else await self._under_way(schedule_id, done)
        if before is not None and revision.overlap == "skip":
            now_done = Done(due, before.run_id)
            await note_done(stored.records, schedule_id, now_done)
            self.journal.bind(run_id=before.run_id).tell(SCHEDULE_SKIPPED, schedule=schedule_id, due=said)
            return now_done, False
        if before is not None:
            await self._cancel(before, f"schedule {schedule_id!r} has come to its next time, {said}")
        graphs = await stored.runs.graphs(revision.blueprints)
        record = attrs.evolve(record_of(revision, run_id, graphs, stored.clock.now()), schedule=(schedule_id, due))
        created = (await start_run(stored, record, tags_of(revision))).created
        now_done = Done(due, run_id)
        await note_done(stored.records, schedule_id, now_done)
        if created:
            self.journal.bind(run_id=run_id).tell(SCHEDULE_FIRED, schedule=schedule_id, due=said)
        return now_done, created

    async def _under_way(self, schedule_id: str, done: Done | None) -> RunStatus | None:
        """The run before, if it has not ended: that for the last time, or the last one that is known to have started.

        Two who look at once may part over whether to leave a time out. If one has started it, the run has its id.
        """
        if done is None:
            return None
        status = self.schedules.stored.backend.status
        for run_id in dict.fromkeys((firing_id(schedule_id, done.due), done.run_id)):
            found = None if run_id is None else await status.get(run_id)
            if found is not None and found.state in ("running", "awaiting"):
                return found
        return None

    async def _cancel(self, run: RunStatus, reason: str) -> None:
        stored = self.schedules.stored
        record = await stored.runs.get(run.run_id)
        if record is not None and undoes(record):
            ending = stored.backend, stored.records, record
            await conclude(*ending, "cancelled", stored.clock, self.journal, reason)
            return
        await end_run(
            stored.backend,
            run.run_id,
            "cancelled",
            clock=stored.clock,
            journal=self.journal,
            flow=run.blueprint_id,
            since=run.created,
            trace=await stored_trace(stored.records, run.run_id, self.journal.telemetry),
            reason=reason,
        )


def record_of(revision: Revision, run_id: str, graphs: Mapping[str, Graph], now: float) -> RunRecord:
    """The record of a run as a schedule says that it is."""
    return RunRecord(
        run_id=run_id,
        blueprint_id=revision.flow,
        graphs=graphs,
        context=revision.context,
        started=now,
        deadline=None if revision.timeout is None else now + revision.timeout,
    )


def tags_of(revision: Revision) -> dict[str, str]:
    """The tags of a run that a schedule starts."""
    return {**revision.tags, TAG: revision.schedule_id}

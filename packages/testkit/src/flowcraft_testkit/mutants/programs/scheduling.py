"""Schedules that start something twice, or never, or at other times than they say."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import finding as finding_module
from flowcraft_core.durable import purging as purging_module
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.runs import Recorded
from flowcraft_core.durable.scheduling import firing as firing_module
from flowcraft_core.durable.scheduling import standing as standing_module
from flowcraft_core.durable.scheduling.client import ScheduleClient
from flowcraft_core.durable.scheduling.firing import Firing
from flowcraft_core.durable.scheduling.revisions import Chain, Revision, schedule_at
from flowcraft_core.durable.scheduling.standing import Done, Schedules
from flowcraft_core.schedules import Plan, firing_id

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (standing_module, "plan"),
    caught_by=BackendContract.test_a_schedule_starts_a_run_for_each_of_its_times_and_no_other,
    name="scheduling.NextFromTheClock",
)
def from_the_clock(original: Any, timing: Any, **options: Any) -> Plan:
    """Counts the next time from when it has looked, so that a schedule drifts by how late everybody is."""
    planned: Plan = original(timing, **options)
    return attrs.evolve(planned, start=tuple(int(options["now"]) for _ in planned.start))


@replaces(
    (standing_module, "plan"),
    caught_by=BackendContract.test_missed_times_are_made_up_for_as_the_schedule_says,
    name="scheduling.MissedIsLost",
)
def missed_is_lost(original: Any, timing: Any, **options: Any) -> Plan:
    """Starts nothing that was missed, whatever the schedule says."""
    planned: Plan = original(timing, **{**options, "missed": "none"})
    return planned


@replaces(
    (standing_module, "plan"),
    caught_by=BackendContract.test_missed_times_are_made_up_for_as_the_schedule_says,
    name="scheduling.EverythingMadeUpFor",
)
def everything_made_up_for(original: Any, timing: Any, **options: Any) -> Plan:
    """Starts all that was missed, whatever the schedule says."""
    planned: Plan = original(timing, **{**options, "missed": "all"})
    return planned


@replaces(
    (standing_module, "plan"),
    caught_by=BackendContract.test_reconcilers_whose_clocks_differ_start_each_time_once,
    name="scheduling.LateIsMissed",
)
def late_is_missed(original: Any, timing: Any, **options: Any) -> Plan:
    """Takes for missed what somebody with another clock has not started yet."""
    planned: Plan = original(timing, **{**options, "grace": 0})
    return planned


@replaces(
    (firing_module, "note_done"),
    caught_by=BackendContract.test_a_schedule_starts_a_run_for_each_of_its_times_and_no_other,
    name="scheduling.NothingIsNoted",
)
async def nothing_noted(original: Any, records: Any, schedule_id: str, done: Done) -> None:
    """Goes by the runs that are there, and writes down nowhere what it is done with."""


@replaces(
    (purging_module, "note_purged"),
    caught_by=BackendContract.test_a_purged_run_is_not_started_again,
    name="scheduling.PurgeLeavesNothing",
)
async def purge_leaves_nothing(original: Any, stored: Any, schedule_id: str, due: int, run_id: str) -> None:
    """Purges a run whose reconciler died before it wrote that it had started it, and leaves no mark."""


@replaces(
    (Firing, "_under_way"),
    caught_by=BackendContract.test_a_run_that_is_under_way_meets_the_next_time_as_the_schedule_says,
    name="scheduling.OverlapIgnored",
)
async def overlap_ignored(original: Any, self: Firing, schedule_id: str, done: Done | None) -> None:
    """Starts the next run beside the one before, whatever the schedule says."""


@replaces(
    (Firing, "_cancel"),
    caught_by=BackendContract.test_a_run_that_is_under_way_meets_the_next_time_as_the_schedule_says,
    name="scheduling.OlderGoesOn",
)
async def older_goes_on(original: Any, self: Firing, run: Any, reason: str) -> None:
    """Cancels nothing."""


@replaces(
    (Schedules, "planned"),
    caught_by=BackendContract.test_a_paused_schedule_starts_nothing_and_misses_nothing,
    name="scheduling.PauseIsMadeUpFor",
)
def pause_is_made_up_for(original: Any, self: Schedules, revision: Revision, done: Done | None) -> Plan:
    """Takes for missed what has passed while a schedule was paused."""
    planned: Plan = original(self, attrs.evolve(revision, since=revision.since - 10_800), done)
    return planned


@replaces(
    (Chain, "last"),
    caught_by=BackendContract.test_a_paused_schedule_starts_nothing_and_misses_nothing,
    name="scheduling.PauseIgnored",
)
async def pause_ignored(original: Any, self: Chain, schedule_id: str) -> Revision | None:
    """Reads that a schedule is paused, and starts on."""
    last: Revision | None = await original(self, schedule_id)
    return last and attrs.evolve(last, is_paused=False)


@replaces(
    (Chain, "last"),
    caught_by=BackendContract.test_a_schedule_goes_by_what_it_said_last,
    name="scheduling.FirstRevisionHolds",
)
async def first_holds(original: Any, self: Chain, schedule_id: str) -> Revision | None:
    """Goes by what a schedule said when it was made, but for whether it is there."""
    last: Revision | None = await original(self, schedule_id)
    if last is None or last.is_removed or last.number == 0:
        return last
    found = await self.records.get_all(f":schedule:{schedule_id}", [":revision:0"])
    first = self._read(schedule_id, 0, found[":revision:0"])
    return attrs.evolve(first, number=last.number, change=last.change, is_paused=last.is_paused)


@replaces(
    (ScheduleClient, "_since"),
    caught_by=BackendContract.test_a_schedule_goes_by_what_it_said_last,
    name="scheduling.EditCountsFromTheFirst",
)
def counts_from_the_first(original: Any, self: ScheduleClient, last: Revision) -> int:
    """Counts other times from when the schedule was made, and starts some that have passed before the edit."""
    return last.since


@replaces(
    (firing_module, "start_run"),
    caught_by=BackendContract.test_a_start_that_is_cut_off_is_finished_once,
    name="scheduling.CutStartLeft",
)
async def cut_start_left(original: Any, stored: Any, record: Any, tags: Any, **options: Any) -> Any:
    """Takes a run whose record is there for started."""
    is_there = await stored.runs.get(record.run_id) is not None
    return Recorded(created=False) if is_there else await original(stored, record, tags, **options)


@replaces(
    (Firing, "_fire"),
    caught_by=BackendContract.test_a_start_that_is_cut_off_is_finished_once,
    name="scheduling.NotedBeforeItIsStarted",
)
async def noted_before(original: Any, self: Firing, revision: Revision, due: int, done: Done | None) -> Any:
    """Writes that it has started a run, and then starts it."""
    run_id = firing_id(revision.schedule_id, due)
    await standing_module.note_done(self.schedules.stored.records, revision.schedule_id, Done(due, run_id))
    return await original(self, revision, due, done)


@replaces(
    (Schedules, "hint"),
    caught_by=BackendContract.test_a_hint_that_was_written_late_is_written_again,
    name="scheduling.HintWrittenOnce",
)
async def hint_written_once(original: Any, self: Schedules, revision: Revision, done: Done | None) -> None:
    """Says when to look at a schedule as it was when it was read, and does not see that it was changed."""
    await self._write_hint(revision, done)


@replaces(
    (Reconciler, "_fire_for_sure"),
    caught_by=BackendContract.test_due_schedules_are_found_by_a_round_of_a_reconciler,
    name="scheduling.StopsAtTheFirstError",
)
async def stops_at_the_first(original: Any, self: Reconciler, status: Any, done: Any) -> None:
    """Ends its round at a schedule that it cannot read."""
    done.fired += await self._firing.look(schedule_at(status.run_id))


@replaces(
    (Reconciler, "fire_schedules"),
    caught_by=BackendContract.test_due_schedules_are_found_by_a_round_of_a_reconciler,
    name="scheduling.NobodyLooks",
)
async def nobody_looks(original: Any, self: Reconciler, done: Any = None) -> Any:
    """Looks at runs, and at no schedule."""
    return done


@replaces(
    (finding_module, "_states"),
    caught_by=BackendContract.test_schedules_are_no_runs,
    name="scheduling.ListedAsRuns",
)
def listed_as_runs(original: Any, states: Any) -> Any:
    """Lists schedules where runs are asked for."""
    return ("schedule",) if "schedule" in states else original(states)


@replaces(
    (Chain, "difference"),
    caught_by=BackendContract.test_a_schedule_is_told_from_another_by_what_is_stored,
    name="scheduling.EqualIsTheSame",
)
def equal_is_the_same(original: Any, self: Any, one: Revision, other: Revision) -> str | None:
    """Loses an edit whose values Python calls equal to those that were there, as 1 and True."""
    difference: str | None = original(self, one, other)
    return None if one.context == other.context and difference == "context" else difference

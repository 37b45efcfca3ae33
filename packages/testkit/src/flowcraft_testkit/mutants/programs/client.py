"""Clients that start, resume, cancel, fork or purge wrongly."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest import mock

import attrs
from flowcraft_core import ResumeError
from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable import resuming as resuming_module
from flowcraft_core.durable import starting as starting_module
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.results import Purged, Started, StoredRun
from flowcraft_core.durable.runs import Recorded, Runs
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.stored_runs import FINAL, StoredRuns
from flowcraft_core.errors import SerializationError
from flowcraft_core.graph import failures as failures_module
from flowcraft_core.graph.facts import Suspension
from flowcraft_core.ids import new_id
from flowcraft_core.ports import RunStatus

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Runs, "create"),
    caught_by=BackendContract.test_a_second_start_with_the_id_starts_nothing,
    name="client.EveryStartIsTheFirst",
)
async def always_first(original: Any, self: Any, record: Any, **options: Any) -> Recorded:
    """Tells every caller that it was he who has started the run."""
    recorded: Recorded = await original(self, record, **options)
    return attrs.evolve(recorded, created=True)


@replaces(
    (Runs, "_alike"),
    caught_by=BackendContract.test_a_start_with_an_id_that_is_taken_says_by_what,
    name="client.AnyInputIsTheSame",
)
def any_input(original: Any, self: Any, standing: Any, given: Any) -> bool:
    """Takes a run of that id for the one that was meant, whatever it was started with."""
    return True


@replaces(
    (Runs, "_alike"),
    caught_by=BackendContract.test_a_start_with_an_id_that_is_taken_says_by_what,
    name="client.EqualInputIsTheSame",
)
def equal_input(original: Any, self: Any, standing: Any, given: Any) -> bool:
    """Takes a run of that id for the one that was meant if Python calls its input equal, as 1 and True."""
    return bool(original(self, standing, given) or standing == given)


@replaces(
    (Runs, "create"),
    caught_by=BackendContract.test_a_start_with_an_id_that_is_taken_says_by_what,
    name="client.AnyFlowIsTheSame",
)
async def any_flow(original: Any, self: Any, record: Any, **options: Any) -> Recorded:
    """Takes a run of that id for the one that was meant, if its input is alike, whatever its flow is."""
    recorded: Recorded = await original(self, record, **options)
    found = await self.get(record.run_id)
    return attrs.evolve(recorded, same=found is None or dict(found.context) == dict(record.context))


@replaces(
    (Runs, "create"),
    caught_by=BackendContract.test_a_start_with_an_id_that_is_taken_says_by_what,
    name="client.WhatIsThereIsAnother",
)
async def always_another(original: Any, self: Any, record: Any, **options: Any) -> Recorded:
    """Takes every run that was there already for another one than was meant."""
    recorded: Recorded = await original(self, record, **options)
    return attrs.evolve(recorded, same=recorded.created)


@replaces(
    (Client, "start"),
    caught_by=BackendContract.test_a_start_that_was_cut_short_is_finished,
    name="client.CutStartStaysCut",
)
async def not_finished(original: Any, self: Any, flow: Any, *args: Any, **options: Any) -> Started:
    """Takes a run that has a record for one that was started."""
    run_id = options.get("run_id")
    if run_id is not None and await self._runs.get(run_id) is not None:
        return Started(run_id, created=False)
    started: Started = await original(self, flow, *args, **options)
    return started


@replaces(
    (starting_module, "_is_anothers"),
    caught_by=BackendContract.test_a_start_that_another_finishes_meanwhile_sends_one_first_job,
    name="client.EveryStatusIsItsOwn",
)
def never_anothers(original: Any, standing: RunStatus, status: RunStatus) -> bool:
    """Sends a first job also for the start that another has finished, and sent one for."""
    return False


@replaces(
    (starting_module, "_is_anothers"),
    caught_by=BackendContract.test_a_start_whose_answer_was_lost_begins_at_once,
    name="client.StatusThatStandsIsAnothers",
)
def always_anothers(original: Any, standing: RunStatus, status: RunStatus) -> bool:
    """Leaves the first job to whoever wrote the status, and does not see that it did so itself."""
    return True


@replaces(
    (starting_module, "status_at_first"),
    caught_by=BackendContract.test_a_start_that_another_finishes_is_what_its_record_says,
    name="client.FinishedIsStartedThen",
)
def started_then(original: Any, record: Any, tags: Any, **options: Any) -> RunStatus:
    """Gives a run that another has begun the time of whoever finishes its start."""
    status: RunStatus = original(record, tags, **options)
    return attrs.evolve(status, created=status.updated)


@replaces(
    (resuming_module, "_suspension_of"),
    caught_by=BackendContract.test_a_wait_is_resumed_only_once_it_is_reached,
    name="client.ResumedBeforeItIsReached",
)
async def always_suspended(original: Any, stored: Any, run_id: str, instance: Any) -> Suspension:
    """Resumes a wait that the run has not come to."""
    return Suspension("wait")


@replaces(
    (Client, "resume"),
    caught_by=BackendContract.test_of_racing_resumes_one_stands,
    name="client.SecondResumeUntold",
)
async def untold(original: Any, self: Any, run_id: str, key: str, **options: Any) -> None:
    """Does not tell the second who resumes that he was second."""
    with contextlib.suppress(ResumeError):
        await original(self, run_id, key, **options)


@replaces(
    (Client, "resume"),
    caught_by=BackendContract.test_a_resume_takes_the_branch_of_its_action,
    name="client.ActionOfTheResumeLost",
)
async def no_action(original: Any, self: Any, run_id: str, key: str, **options: Any) -> None:
    """Resumes without the action that it was given."""
    await original(self, run_id, key, output=options.get("output"))


@replaces(
    (Client, "cancel"),
    caught_by=BackendContract.test_a_cancelled_run_starts_nothing_new,
    name="client.CancelledTwice",
)
async def always_cancelled(original: Any, self: Any, run_id: str, **options: Any) -> bool:
    """Tells everyone that it was he who has cancelled the run."""
    await original(self, run_id, **options)
    return True


@replaces(
    (forking_module, "instances"),
    caught_by=BackendContract.test_a_redriven_run_keeps_what_was_done,
    name="client.ForkStartsOver",
)
def nothing_kept(original: Any, state: Any) -> list[Any]:
    """Forks a run without what it has done."""
    return []


@replaces(
    (Records, "delete_values"),
    caught_by=BackendContract.test_a_purged_run_leaves_nothing,
    name="client.ValuesNotPurged",
)
async def values_left(original: Any, self: Any, run_id: str, sets: Any) -> None:
    """Purges the facts, and leaves the context values."""


@replaces(
    (Client, "send_back"),
    caught_by=BackendContract.test_what_is_no_job_becomes_a_dead_letter_with_its_reason,
    name="client.SentBackAndKept",
)
async def kept(original: Any, self: Any, dead_letter_id: str) -> None:
    """Sends a dead letter back, and keeps it."""
    letter = await self._backend.status.get(dead_letter_id)
    await original(self, dead_letter_id)
    await self._backend.status.create(letter)


@replaces(
    (forking_module, "failed"),
    caught_by=BackendContract.test_a_redrive_begins_again_at_every_failure,
    name="client.RedriveAtTheFirstFailureOnly",
)
def first_failure(original: Any, root: Any) -> list[Any]:
    """Tries the first failure again, and keeps the others as what the run has done."""
    found: list[Any] = original(root)
    return found[:1]


@replaces(
    (failures_module, "_behind"),
    caught_by=BackendContract.test_a_redrive_begins_again_at_every_failure,
    name="client.FirstFailureTold",
)
def first_told(original: Any, scope: Any, vertex: Any) -> Any:
    """Tells of failures inside a construct only that which came first."""
    return iter(list(original(scope, vertex))[:1] if scope.parent is None or scope.index == 1 else [])


@replaces(
    (forking_module, "redrive"),
    caught_by=BackendContract.test_a_run_is_redriven_once_and_linked_to_the_run_that_tries_again,
    name="client.RedrivenEachTime",
)
async def each_time(original: Any, stored: Any, run_id: str, new_run_id: str | None, changes: Any) -> Started:
    """Starts another run at each redrive."""
    old = await forking_module._Forked.read(stored, run_id)
    again = failures_module.failed(old.state.root)
    return await old.begin_again(again, new_run_id or new_id(), changes)


@replaces(
    (StoredRuns, "linked"),
    caught_by=BackendContract.test_a_run_is_redriven_once_and_linked_to_the_run_that_tries_again,
    name="client.ForksUnlinked",
)
async def unlinked(original: Any, self: Any, status: Any) -> StoredRun:
    """Shows runs without those that they are linked to."""
    return StoredRun.of(status)


@replaces(
    (Client, "redrive"),
    caught_by=BackendContract.test_a_run_is_redriven_once_and_linked_to_the_run_that_tries_again,
    name="client.TagsLeftBehind",
)
async def untagged(original: Any, self: Any, run_id: str, **options: Any) -> Started:
    """Starts forks without the run's tags."""
    create = self._backend.status.create

    async def without_tags(status: Any) -> bool:
        made: bool = await create(attrs.evolve(status, tags={}))
        return made

    with mock.patch.object(self._backend.status, "create", without_tags):
        started: Started = await original(self, run_id, **options)
    return started


@replaces(
    (forking_module._Forked, "graphs"),
    caught_by=BackendContract.test_a_fork_goes_on_in_another_version_of_its_flow_with_other_values,
    name="client.ForkStaysInTheOldVersion",
)
def old_version(original: Any, self: Any, changes: Any) -> Any:
    """Goes on in the version that the run was started in, whichever is asked for."""
    return self.record.graphs


@replaces(
    (forking_module, "refit"),
    caught_by=BackendContract.test_a_fork_goes_on_in_another_version_of_its_flow_with_other_values,
    name="client.ForkFitsAnything",
)
def fits_anything(original: Any, *of: Any) -> list[Any]:
    """Takes what does not fit another version of the flow for what fits."""
    original(*of)
    return []


@replaces(
    (forking_module._Forked, "begin_again"),
    caught_by=BackendContract.test_a_fork_goes_on_in_another_version_of_its_flow_with_other_values,
    name="client.ForkKeepsTheOldValues",
)
async def old_values(original: Any, self: Any, named: Any, run_id: str, changes: Any) -> Started:
    """Starts a fork with the run's own initial context values, whatever is to take their place."""
    started: Started = await original(self, named, run_id, attrs.evolve(changes, context={}))
    return started


@replaces(
    (forking_module._Forked, "_kept_keys"),
    caught_by=BackendContract.test_what_did_not_complete_keeps_its_idempotency_key,
    name="client.ForkActsUnderNewKeys",
)
def all_new(original: Any, self: Any, again: Any) -> dict[str, str]:
    """Gives every instance of a fork a new idempotency key."""
    return {}


@replaces(
    (forking_module._Forked, "_kept_keys"),
    caught_by=BackendContract.test_what_did_not_complete_keeps_its_idempotency_key,
    name="client.ForkActsUnderOldKeys",
)
def all_old(original: Any, self: Any, again: Any) -> dict[str, str]:
    """Lets what completed act under its old idempotency key when it is done again on purpose."""
    return {i.key: self.record.run_id for scope in self.state.root.walk() for i in scope.instances()}


@replaces(
    (Client, "purge_older"),
    caught_by=BackendContract.test_a_purge_by_age_goes_by_the_time_of_the_end,
    name="client.PurgedByTheStart",
)
async def by_the_start(original: Any, self: Any, age: float) -> Purged:
    """Purges runs by the time at which they were started."""
    before = self._clock.now() - age
    old = [s.run_id for state in FINAL async for s in self.runs(state) if s.created <= before]
    for run_id in old:
        await self.purge(run_id)
    return Purged(len(old))


@replaces(
    (Client, "purge_older"),
    caught_by=BackendContract.test_a_run_that_cannot_be_read_keeps_no_other_from_being_purged,
    name="client.PurgesUpToTheFirstDamaged",
)
async def up_to_the_first(original: Any, self: Any, age: float) -> Purged:
    """Ends at the first run that it cannot purge."""
    purged: Purged = await original(self, age)
    if purged.left:
        raise SerializationError(*purged.left.values())
    return purged


@replaces(
    (resuming_module, "resume"),
    caught_by=BackendContract.test_a_resume_brings_the_next_look_forward,
    name="client.ResumedAndLookedAtLate",
)
async def unseen(original: Any, stored: Any, *rest: Any, **options: Any) -> None:
    """Leaves the next look at a run that it resumes where it was."""

    async def nothing(*args: Any, **options: Any) -> bool:
        return True

    with mock.patch.object(stored.backend.status, "touch", nothing):
        await original(stored, *rest, **options)


@replaces(
    (forking_module._Forked, "require_free"),
    caught_by=BackendContract.test_a_redrive_that_is_refused_changes_nothing,
    name="client.RedriveSaidBeforeItIsRefused",
)
async def found_out_later(original: Any, self: Any, *args: Any) -> None:
    """Finds out that an id is taken once it has said that the run is redriven under it."""


@replaces(
    (resuming_module, "_refuse_if_stopped"),
    caught_by=BackendContract.test_a_run_that_is_undone_takes_no_answers,
    name="client.StoppedRunTakesAnswers",
)
async def takes_answers(original: Any, *args: Any) -> None:
    """Resumes waits of runs that are being undone."""

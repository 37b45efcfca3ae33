"""Clients that start, resume, cancel, fork or purge wrongly."""

from __future__ import annotations

import contextlib
from typing import Any

from flowcraft_core import ResumeError
from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable import resuming as resuming_module
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.results import Started
from flowcraft_core.durable.runs import Runs
from flowcraft_core.durable.storage import Records

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Runs, "create"),
    caught_by=BackendContract.test_a_second_start_with_the_id_starts_nothing,
    name="client.EveryStartIsTheFirst",
)
async def always_first(original: Any, self: Any, record: Any) -> bool:
    """Tells every caller that it was he who has started the run."""
    await original(self, record)
    return True


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
    (resuming_module, "_is_parked"),
    caught_by=BackendContract.test_a_wait_is_resumed_only_once_it_is_reached,
    name="client.ResumedBeforeItIsReached",
)
async def always_parked(original: Any, stored: Any, run_id: str, instance: Any) -> bool:
    """Resumes a wait that the run has not come to."""
    return True


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

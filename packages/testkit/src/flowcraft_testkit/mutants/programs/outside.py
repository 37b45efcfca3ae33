"""Programs that believe what comes from outside, or break down at it."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
from flowcraft_core.durable import storage as storage_module
from flowcraft_core.durable.caches import Memory
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import BackendError, FlowcraftError
from flowcraft_core.graph import decisions as decisions_module
from flowcraft_core.ports import Message

from ...contracts import BackendContract
from ..mutant import Mutant, clause_id, register, replaces


@replaces(
    (JobHandler, "_pass_on"),
    caught_by=BackendContract.test_an_error_of_the_programs_own_fails_the_run_by_name_in_the_end,
    name="handler.OwnErrorsLeftToVisibility",
)
async def left_to_visibility(original: Any, self: Any, job: Any, error: Exception, queue: str) -> None:
    """Leaves a job at which the engine itself fails to be delivered again and again."""
    if not isinstance(error, FlowcraftError):
        raise error
    await original(self, job, error, queue)


@replaces(
    (JobHandler, "_pass_on_newer"),
    caught_by=BackendContract.test_a_message_of_a_newer_format_becomes_a_dead_letter_in_the_end,
    name="handler.NewerPassedOnForEver",
)
async def newer_for_ever(original: Any, self: Any, body: str, error: Exception, queue: str) -> None:
    """Passes a message of a newer format on without end."""
    await self._backend.queue.send([Message(body)], delay=30.0)


@replaces(
    (JobHandler, "_in_time"),
    caught_by=BackendContract.test_a_message_from_the_future_is_no_younger_for_it,
    name="handler.BelievesAnyTime",
)
def believes(original: Any, self: Any, job: Any) -> Any:
    """Takes a job for one that was just sent when it says that it comes from the future."""
    return attrs.evolve(job, first_seen=min(job.first_seen, self._clock.now()))


@replaces(
    (Reconciler, "_look_in_vain"),
    caught_by=BackendContract.test_a_run_that_cannot_be_read_fails_by_name_in_the_end,
    name="reconciler.UnreadableLeftAlone",
)
async def left_alone(original: Any, self: Any, status: Any, error: Exception, done: Any) -> None:
    """Looks for ever at a run that cannot be read."""
    now = self._clock.now()
    await self._backend.status.touch(status.run_id, at=now, next_check=now)


@replaces(
    (storage_module, "weight_of"),
    caught_by=BackendContract.test_a_run_that_cannot_be_read_fails_by_name_in_the_end,
    name="storage.SmallRecordsUnpackedWhole",
)
def weightless(original: Any, text: bytes, limit: int = 0) -> int:
    """Reads a small record however many values it has."""
    return 0


async def _rounds_until_one_fails(self: Any, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await self.run_once()
        await self._clock.sleep(self._interval / 4)


async def _begun_once(self: Any, what: str, begin: Any) -> None:
    await begin()


register(
    Mutant(
        name="reconciler.EndsAtAnError",
        defect="Ends at the first round that fails, and nobody is told or begins it again.",
        clause=clause_id(BackendContract.test_a_reconciler_that_fails_once_goes_on),
        patches=((Reconciler, "run", _rounds_until_one_fails), (Worker, "_keep_up", _begun_once)),
    )
)


@replaces(
    (Worker, "_rest"),
    caught_by=BackendContract.test_a_worker_that_is_refused_for_a_moment_works_on,
    name="worker.EndsAtARefusal",
)
async def gives_up(original: Any, self: Any, seconds: float) -> None:
    """Ends when the queue refuses a receive once."""
    raise BackendError("refused")


@replaces(
    (decisions_module, "require_modest"),
    caught_by=BackendContract.test_transforms_that_multiply_fail_their_node_by_name,
    name="engine.TransformsMultiply",
)
def immodest(original: Any, value: Any, what: str) -> None:
    """Makes whatever transforms come to, and counts it afterwards."""


@replaces(
    (Memory, "end"),
    caught_by=BackendContract.test_a_worker_keeps_nothing_of_a_run_that_has_ended,
    name="storage.EndedRunsKept",
)
def kept(original: Any, self: Any, run_id: str) -> None:
    """Keeps the outcomes of runs that have ended until others take their room."""


@replaces(
    (storage_module, "place_of"),
    caught_by=BackendContract.test_no_two_records_have_one_place,
    name="storage.PlacesRunTogether",
)
def run_together(original: Any, run_id: str, key: str, kind: str) -> str:
    """Names a record's place by the run and the key with a space between, which both may have."""
    return f"{run_id} {key}"

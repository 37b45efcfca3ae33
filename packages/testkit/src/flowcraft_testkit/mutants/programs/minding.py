"""Programs that overlook times, one another, or their settings."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import attrs
from flowcraft_core.durable import handler as handler_module
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable import starting as starting_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.worker import Worker
from flowcraft_core.execution import Executor
from flowcraft_core.ports import RunStatus

from ...contracts import BackendContract
from ..mutant import replaces, sets


@replaces(
    (Engine, "_commit"),
    caught_by=BackendContract.test_an_event_is_of_an_outcome_that_stands,
    name="engine.LoserTellsToo",
)
async def told_anyway(original: Any, self: Any, instance: Any, outcome: Any) -> Any:
    """Tells of an outcome that did not stand."""
    stored = await original(self, instance, outcome)
    if stored is None and self.events is not None:
        self.events.outcome(instance, outcome)
    return stored


@replaces(
    (Executor, "cancel"),
    caught_by=BackendContract.test_a_plain_step_is_told_when_its_run_is_cancelled,
    name="worker.PlainStepsUntold",
)
def untold(original: Any, self: Any) -> None:
    """Ends what waits for a step, and does not tell the step."""


@replaces(
    (Worker, "_drain"),
    caught_by=BackendContract.test_a_plain_step_is_told_when_the_time_of_grace_is_over,
    name="worker.PlainStepsUntoldAtTheEnd",
)
async def left_alone(original: Any, self: Any) -> None:
    """Stops without telling the steps that it leaves behind."""
    for held in self._held:
        if held.engine is not None:
            held.engine.executor.under_way.clear()
    await original(self)


@replaces(
    (Worker, "_control"),
    caught_by=BackendContract.test_a_deadline_is_seen_by_the_worker_of_a_long_step,
    name="worker.DeadlineOverlooked",
)
async def no_deadline(original: Any, self: Any) -> None:
    """Does not look whether the runs that it works on are late."""

    async def never(*args: Any) -> bool:
        return False

    with mock.patch.object(handler_module, "fail_if_late", never):
        await original(self)


@replaces(
    (reconciler_module, "fail_if_late"),
    caught_by=BackendContract.test_a_deadline_is_seen_by_a_reconciler_when_it_is_there,
    name="reconciler.DeadlineOverlooked",
)
async def never_late(original: Any, *args: Any, **options: Any) -> bool:
    """Leaves runs that are late as they are."""
    return False


@replaces(
    (starting_module, "RunStatus"),
    caught_by=BackendContract.test_a_deadline_is_seen_by_a_reconciler_when_it_is_there,
    name="client.DeadlineIsNoReasonToLook",
)
def looked_at_later(original: Any, *, next_check: float, created: float, **fields: Any) -> RunStatus:
    """Has a run with a deadline looked at as late as any other."""
    status: RunStatus = original(next_check=created + 3600.0, created=created, **fields)
    return status


sets(
    handler_module,
    "_PASS_ON_PAUSES",
    (0.2,),
    caught_by=BackendContract.test_the_pauses_of_a_job_that_is_passed_on_grow,
    name="handler.PassedOnWithoutRest",
    defect="Passes a job on after the same short pause each time.",
)


@replaces(
    (Reconciler, "run"),
    caught_by=BackendContract.test_one_reconciler_looks_at_a_time,
    name="reconciler.AllLookAtOnce",
)
async def without_a_lease(original: Any, self: Any, stop: asyncio.Event) -> None:
    """Looks whether or not another one does."""

    async def always(*args: Any, **options: Any) -> bool:
        return True

    with mock.patch.object(self._backend.coordination, "set_if_absent", always):
        await original(self, stop)


@replaces(
    (Reconciler, "_wake"),
    caught_by=BackendContract.test_what_is_queued_already_is_not_sent_early,
    name="reconciler.QueuedIsSentAgain",
)
async def sent_again(
    original: Any, self: Any, record: Any, state: Any, suspended: Any, now: float, **options: Any
) -> Any:
    """Takes every sleep for one of which no job is on its way."""
    unsent = {key: attrs.evolve(suspension, queued=False) for key, suspension in suspended.items()}
    return await original(self, record, state, unsent, now, **options)


@replaces(
    (Engine, "_must_hand_on"),
    caught_by=BackendContract.test_a_message_is_held_no_longer_than_was_said,
    name="engine.HeldForAsLongAsItTakes",
)
def never_too_long(original: Any, self: Any) -> bool:
    """Counts the steps of a chain, and not their time."""
    steps: bool = self._steps >= self.settings.max_steps
    return steps


@replaces(
    (Worker, "_receive"),
    caught_by=BackendContract.test_no_more_is_held_than_was_said,
    name="worker.HoldsWhatItCanGet",
)
async def greedy(original: Any, self: Any) -> None:
    """Holds more messages in reserve than it was told."""
    self._prefetch += 5
    await original(self)


@replaces(
    (Worker, "_receive"),
    caught_by=BackendContract.test_no_more_is_held_than_was_said,
    name="worker.NothingInReserve",
)
async def nothing_ahead(original: Any, self: Any) -> None:
    """Holds no message in reserve, whatever it was told."""
    self._prefetch = 0
    await original(self)

"""Workers that hold, let go or stop wrongly."""

from __future__ import annotations

from typing import Any

from flowcraft_core.durable.worker import Worker

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Worker, "_work"),
    caught_by=BackendContract.test_a_killed_workers_job_is_done_by_another,
    name="worker.AcknowledgedBeforeTheWork",
)
async def acknowledged_first(original: Any, self: Any, held: Any) -> None:
    """Acknowledges a message as soon as it has it."""
    await self._backend.queue.acknowledge([held.delivery])
    await original(self, held)


@replaces(
    (Worker, "_acknowledge"),
    caught_by=BackendContract.test_what_is_no_job_becomes_a_dead_letter_with_its_reason,
    name="worker.NeverAcknowledges",
)
async def never_acknowledges(original: Any, self: Any) -> None:
    """Leaves what is done to come again."""


@replaces(
    (Worker, "_extend"),
    caught_by=BackendContract.test_a_step_longer_than_the_visibility_runs_once,
    name="worker.HeartbeatLost",
)
async def no_heartbeat(original: Any, self: Any) -> None:
    """Lets the visibility of what it works on run out."""


@replaces(
    (Worker, "_extend"),
    caught_by=BackendContract.test_a_step_longer_than_the_visibility_runs_once,
    name="worker.OldHandleKept",
)
async def old_handles(original: Any, self: Any) -> None:
    """Goes on with the handle that it had before it extended."""
    before = {held: held.delivery for held in self._held}
    await original(self)
    for held, delivery in before.items():
        held.delivery = delivery


@replaces(
    (Worker, "_hand_over"),
    caught_by=BackendContract.test_a_run_longer_than_the_longest_visibility_is_handed_over,
    name="worker.LongStepNotHandedOver",
)
async def not_handed_over(original: Any, self: Any, held: Any) -> None:
    """Holds the message of a step that is longer than any message can be held."""


@replaces(
    (Worker, "_control"),
    caught_by=BackendContract.test_a_cancelled_run_starts_nothing_new,
    name="worker.CancellationUntold",
)
async def untold(original: Any, self: Any) -> None:
    """Does not look whether what it works on was cancelled."""


@replaces(
    (Worker, "_drain"),
    caught_by=BackendContract.test_a_worker_that_stops_ends_what_it_runs_and_gives_the_rest_back,
    name="worker.NothingGivenBack",
)
async def keeps_messages(original: Any, self: Any) -> None:
    """Leaves what it could not end to its visibility when it stops."""

    async def nothing(deliveries: Any) -> None: ...

    self._backend.queue.release = nothing
    await original(self)


@replaces(
    (Worker, "_drain"),
    caught_by=BackendContract.test_a_worker_that_stops_ends_what_it_runs_and_gives_the_rest_back,
    name="worker.NoGrace",
)
async def no_grace(original: Any, self: Any) -> None:
    """Cuts off what runs as soon as it is told to stop."""
    self._grace = 0.0
    await original(self)


@replaces(
    (Worker, "_drain"),
    caught_by=BackendContract.test_a_worker_that_stops_ends_what_it_runs_and_gives_the_rest_back,
    name="worker.CutOffIsDone",
)
async def cut_off_is_done(original: Any, self: Any) -> None:
    """Acknowledges what it could not end when it stops."""
    self._backend.queue.release = self._backend.queue.acknowledge
    await original(self)


@replaces(
    (Worker, "_receive"),
    caught_by=BackendContract.test_an_idle_worker_asks_once_per_poll,
    name="worker.ImpatientPoll",
)
async def impatient(original: Any, self: Any) -> None:
    """Asks for messages ten times as often as it was told."""
    self._intake.wait /= 10
    await original(self)

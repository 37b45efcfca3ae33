"""Programs that remind too often, too rarely, in vain or for ever."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import storage as storage_module
from flowcraft_core.durable.describing import reading as reading_module
from flowcraft_core.execution import Executor
from flowcraft_core.graph.facts import Attempt, Suspension
from flowcraft_core.reminders import Reminders

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Reminders, "next"),
    caught_by=BackendContract.test_a_wait_reminds_until_it_is_answered,
    name="engine.RemindsOnce",
)
def only_once(original: Any, self: Any, since: float, now: float) -> Any:
    """Reminds after the first delay, and never again."""
    return original(self, since, now) if now == since else None


@replaces(
    (Executor, "reminds"),
    caught_by=BackendContract.test_reminders_do_not_postpone_the_end_of_a_wait,
    name="engine.RemindsPastTheEnd",
)
def past_the_end(original: Any, self: Any, instance: Any, suspension: Any) -> bool:
    """Reminds where the wait's time is up, and waits on."""
    return instance.vertex.reminders is not None


@replaces(
    (Executor, "remind"),
    caught_by=BackendContract.test_reminders_do_not_postpone_the_end_of_a_wait,
    name="engine.WaitsAnewWithEachReminder",
)
async def anew(original: Any, self: Any, instance: Any, suspension: Any) -> Suspension:
    """Counts the times of a wait from its last reminder on."""
    now = self.clock.now()
    again: Suspension = await original(self, instance, attrs.evolve(suspension, ended=now, due=now))
    return again


@replaces(
    (Executor, "remind"),
    caught_by=BackendContract.test_a_reminder_that_fails_is_told_and_the_wait_goes_on,
    name="engine.FailedReminderFailsTheWait",
)
async def fails(original: Any, self: Any, instance: Any, suspension: Any) -> Any:
    """Fails a wait whose reminder fails."""
    again = await original(self, instance, suspension)
    return again if again.error is None else self.failure(RuntimeError(str(again.error)), instance, 1)


@replaces(
    (reading_module, "OpenWait"),
    caught_by=BackendContract.test_a_reminder_that_fails_is_told_and_the_wait_goes_on,
    name="describe.FailedReminderUntold",
)
def untold(original: Any, **told: Any) -> Any:
    """Does not tell why a reminder has failed."""
    return original(**{**told, "reason": None})


@replaces(
    (Executor, "_executed"),
    caught_by=BackendContract.test_a_wait_reminds_until_it_is_answered,
    name="engine.RemindersShareAKey",
)
async def one_key(
    original: Any, self: Any, implementation: Any, instance: Any, node: Any, attempt: Attempt, role: str, *given: Any
) -> Any:
    """Gives all reminders of a wait one idempotency key."""
    role = role.removesuffix(f":{attempt.number}") if ":reminder:" in role else role
    return await original(self, implementation, instance, node, attempt, role, *given)


@replaces(
    (Reminders, "next"),
    caught_by=BackendContract.test_of_reminders_that_were_missed_one_is_called,
    name="engine.MissedRemindersAreMadeUpFor",
)
def made_up_for(original: Any, self: Any, since: float, now: float) -> Any:
    """Reminds in the next moment where times were missed, until it has made up for them."""
    due = original(self, since, now)
    missed = self.repeats and now - since > 2 * self.delays[0]
    return now + self.delays[0] / 10 if missed else due


@replaces(
    (storage_module, "suspension_windows"),
    caught_by=BackendContract.test_a_wait_reminds_until_it_is_answered,
    name="engine.RemindersForgotten",
)
def without_reminders(original: Any, instance: Any) -> Any:
    """Overlooks that a wait has reminded, and reminds for the first time again and again."""
    return [window for window in original(instance) if window.numbered != "reminded"]

"""Engines that mistake what a step asks for when it wants to be tried again later."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core import RetryAfter, RetryPolicy
from flowcraft_core.durable import engine as engine_module
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable.admission import Admission
from flowcraft_core.durable.suspensions import SuspensionWindow
from flowcraft_core.execution import Executor

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Executor, "_again"),
    caught_by=BackendContract.test_what_does_not_count_uses_up_no_attempt,
    name="engine.DeferralIsAnAttempt",
)
def counts_all(original: Any, self: Any, error: Any, instance: Any, node: Any, attempt: Any) -> Any:
    """Counts each time that a step asks for later as one of its attempts."""
    if isinstance(error, RetryAfter):
        error.counts = True
    return original(self, error, instance, node, attempt)


@replaces(
    (Executor, "_again"),
    caught_by=BackendContract.test_a_step_that_only_ever_asks_for_later_fails_in_the_end,
    name="engine.DeferralsWithoutEnd",
)
def without_end(original: Any, self: Any, error: Any, instance: Any, node: Any, attempt: Any) -> Any:
    """Lets a step ask for later as often as it likes."""
    suspension = original(self, error, instance, node, attrs.evolve(attempt, deferred=0))
    return suspension and attrs.evolve(suspension, deferred=suspension.deferred + attempt.deferred)


@replaces(
    (Admission, "is_ours"),
    caught_by=BackendContract.test_who_asks_for_later_is_not_called_twice,
    name="engine.EveryJobMakesItsAttempt",
)
async def every_job(original: Any, self: Any, instance: Any, attempt: Any) -> bool:
    """Has each job of an attempt make it, also while another one is at it."""
    return True


@replaces(
    (RetryAfter, "delay"),
    caught_by=BackendContract.test_a_step_is_tried_again_when_it_says,
    name="engine.AskedForLaterGivenAtOnce",
)
def at_once(original: Any, self: Any, now: float) -> float:
    """Tries a step again at once, whatever it asks for."""
    return 0.0


@replaces(
    (engine_module, "send_suspended"),
    (reconciler_module, "send_suspended"),
    caught_by=BackendContract.test_what_does_not_count_uses_up_no_attempt,
    name="engine.DeferralsForgotten",
)
async def forgotten(
    original: Any, backend: Any, record: Any, instance: Any, suspension: Any, clock: Any, **options: Any
) -> None:
    """Sends the job of the next attempt without how often the step has asked for later."""
    await original(backend, record, instance, attrs.evolve(suspension, deferred=0), clock, **options)


@replaces(
    (SuspensionWindow, "next"),
    caught_by=BackendContract.test_a_purge_takes_every_attempt_that_did_not_count,
    name="engine.DeferralsBeyondTheFirstWindow",
)
def no_further(original: Any, self: Any) -> Any:
    """Looks for a few records of attempts that did not count, and for no more."""
    return attrs.evolve(original(self), keys=original(self).keys[:4], beyond=None)


@replaces(
    (RetryPolicy, "retries"),
    caught_by=BackendContract.test_a_policy_may_look_at_the_error,
    name="engine.PolicyThatDoesNotLook",
)
def looks_at_nothing(original: Any, self: Any, error: BaseException) -> bool:
    """Asks no function whether an error is worth another attempt."""
    object.__setattr__(self, "retry_if", None)
    return original(self, error)  # type: ignore[no-any-return]


@replaces(
    (RetryPolicy, "delay_after"),
    caught_by=BackendContract.test_a_policy_may_look_at_the_error,
    name="engine.TableOfDelaysUnread",
)
def last_of_table(original: Any, self: Any, attempt: int, seed: str) -> float:
    """Waits for the last of a table's delays each time."""
    return original(self, len(self.delays) or attempt, seed)  # type: ignore[no-any-return]

"""Programs that keep to themselves what whoever operates them must know, or say it over and over."""

from __future__ import annotations

from logging import LogRecord
from typing import Any

import flowcraft_core.durable.signals as signals_module
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.transient import RetryingBackend
from flowcraft_core.durable.worker_log import WorkerLog
from flowcraft_core.execution import Executor
from flowcraft_core.logging.catalogue import (
    ATTEMPT_FAILED,
    DEAD_LETTER,
    FALLBACK_TAKEN,
    NODE_FAILED,
    REDELIVERED,
    REVIVED,
    RUN_AWAITING,
    RUN_FAILED,
    RUN_RESUMED,
    RUN_STARTED,
    LogEvent,
)
from flowcraft_core.logging.journal import Journal, Rarely

from ...contracts import BackendContract
from ..mutant import Mutant, clause_id, register, replaces


def _silent_about(event: LogEvent, *, caught_by: Any, name: str, defect: str) -> None:
    original = Journal.tell

    def tell(self: Journal, told: LogEvent, *args: Any, **fields: Any) -> None:
        if told is not event:
            original(self, told, *args, **fields)

    register(Mutant(name=name, defect=defect, clause=clause_id(caught_by), patches=((Journal, "tell", tell),)))


_silent_about(
    RUN_STARTED,
    caught_by=BackendContract.test_a_run_is_told_once_when_it_starts_and_once_when_it_ends,
    name="telling.StartUntold",
    defect="Says nothing of runs that begin.",
)
_silent_about(
    RUN_AWAITING,
    caught_by=BackendContract.test_a_wait_is_told_when_it_is_reached_and_when_it_is_resumed,
    name="telling.WaitUntold",
    defect="Says nothing of runs that wait for somebody.",
)
_silent_about(
    RUN_RESUMED,
    caught_by=BackendContract.test_a_wait_is_told_when_it_is_reached_and_when_it_is_resumed,
    name="telling.ResumeUntold",
    defect="Says nothing of answers by which runs go on.",
)
_silent_about(
    RUN_FAILED,
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.FailedRunUntold",
    defect="Says nothing of runs that fail.",
)
_silent_about(
    NODE_FAILED,
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.LastAttemptUntold",
    defect="Says nothing of the attempt with which a node fails for good.",
)
_silent_about(
    ATTEMPT_FAILED,
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.RetryUntold",
    defect="Says nothing of attempts that are made again.",
)
_silent_about(
    FALLBACK_TAKEN,
    caught_by=BackendContract.test_a_fallback_is_told_with_the_error_that_led_to_it,
    name="telling.FallbackUntold",
    defect="Says nothing of fallbacks, which hide their errors for ever.",
)
_silent_about(
    DEAD_LETTER,
    caught_by=BackendContract.test_what_is_no_job_is_told_as_a_dead_letter,
    name="telling.DeadLetterUntold",
    defect="Puts dead letters aside without a word.",
)
_silent_about(
    REDELIVERED,
    caught_by=BackendContract.test_a_job_that_comes_again_is_told,
    name="telling.RedeliveryUntold",
    defect="Says nothing of jobs that come again.",
)
_silent_about(
    REVIVED,
    caught_by=BackendContract.test_a_revived_run_is_told,
    name="telling.RevivalUntold",
    defect="Brings runs on whose messages were lost, and does not say so.",
)


@replaces(
    (JobHandler, "_say_passed_on"),
    caught_by=BackendContract.test_a_missing_step_is_told_at_once_by_its_node,
    name="telling.MissingStepToldLate",
)
def told_late(original: Any, self: Any, job: Any, error: Exception, waited: float) -> None:
    """Waits for ten minutes before it says which step is missing."""
    if waited > 600:
        original(self, job, error, waited)


@replaces(
    (WorkerLog, "ended"),
    caught_by=BackendContract.test_a_worker_tells_who_it_is_and_that_it_has_stopped,
    name="telling.StopUntold",
)
def leaves_silently(original: Any, self: Any, now: float, error: BaseException | None) -> None:
    """Stops without a word."""


@replaces(
    (LogRecord, "__init__"),
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.TracebackLost",
)
def no_traceback(
    original: Any,
    self: Any,
    name: str,
    level: int,
    pathname: str,
    lineno: int,
    msg: object,
    args: Any,
    exc_info: Any,
    func: Any = None,
    sinfo: Any = None,
    **kwargs: Any,
) -> None:
    """Says that a step has failed, and not where."""
    original(self, name, level, pathname, lineno, msg, args, None, func, sinfo, **kwargs)


@replaces(
    (signals_module, "tell_end"),
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.ReasonLost",
)
def no_reason(original: Any, journal: Any, state: Any, **fields: Any) -> None:
    """Says that a run has failed, and not why."""
    original(journal, state, **(fields | {"reason": ""}))


@replaces(
    (Executor, "failure"),
    caught_by=BackendContract.test_a_failed_attempt_is_told_with_its_traceback_and_when_the_next_one_is,
    name="telling.LastAttemptToldTwice",
)
def told_twice(original: Any, self: Any, error: Exception, instance: Any, number: int) -> Any:
    """Says twice that a node has failed for good."""
    self.journal.tell(NODE_FAILED, error, at=instance, attempt=number)
    return original(self, error, instance, number)


@replaces(
    (JobHandler, "_say_begun"),
    caught_by=BackendContract.test_a_run_is_told_once_when_it_starts_and_once_when_it_ends,
    name="telling.StartToldTwice",
)
def begun_twice(original: Any, self: Any, record: Any, events: Any = None) -> None:
    """Says twice that a run has begun."""
    original(self, record, events)
    self._begun.pop(record.incarnation)
    original(self, record, events)


@replaces(
    (Rarely, "times"),
    caught_by=BackendContract.test_calls_that_are_refused_are_told_rarely_and_counted,
    name="telling.EveryRefusalTold",
)
def every_time(original: Any, self: Any, what: Any, now: float) -> int:
    """Writes a line for each call that is tried again."""
    return 1


@replaces(
    (RetryingBackend, "_say"),
    caught_by=BackendContract.test_calls_that_are_refused_are_told_rarely_and_counted,
    name="telling.RefusalsUntold",
)
def refusals_untold(original: Any, self: Any, operation: str, error: Any) -> None:
    """Tries again what was refused, and does not say so."""

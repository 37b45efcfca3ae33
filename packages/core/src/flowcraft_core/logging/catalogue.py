"""Every log event of the engine: its name, level, message and fields. The core logs nothing else.

One thing that happens is one line. A failed attempt is told by what follows it: ``attempt_failed`` if it is made again,
``fallback_taken`` if another step takes its place, else ``node_failed``. A run's start and end are told by whichever
program brought them about, so by one of all.

Levels: ERROR is for what has failed for good and may need a person; WARNING for what is going wrong and is tried again;
INFO for the life of runs and workers; DEBUG for what is to be expected.
"""

from __future__ import annotations

import logging
from typing import Final

import attrs

#: What the fields of records mean. Durations are in seconds.
FIELDS: Final[dict[str, str]] = {
    "event": "the event's name, as in this list",
    "worker": "the worker's name, a new one for each; missing in process and from clients",
    "run_id": "the run",
    "flow": "the run's flow: its blueprint's id",
    "node_id": "the node's id in its blueprint",
    "instance": "the instance's key; of a node in a loop, batch or subflow it says which pass, item or call",
    "attempt": "which attempt at the node it was, from 1 on; of the fallback's, if that stands in",
    "error": "the class of the exception",
    "reason": "why, in a sentence for people",
    "seconds": "how long it lasted",
    "timeout": "the node's timeout; without one, what is kept for a step",
    "retry_in": "after how many seconds it is tried again",
    "reminder": "which reminder of the wait it is: 1, 2, ...",
    "fallback": "the fallback node's id; `fallback` for the method of that name of a step that is a class",
    "handlers": "the nodes to which edges on failure, or always, have led",
    "waiting": "the keys of the waits that are open",
    "deliveries": "how often the queue has delivered the job",
    "times": "how often it has happened since the last such line",
    "jobs": "how many jobs were sent",
    "revivals": "how often the run was revived at the same place",
    "nodes": "what was under way, as `run_id:instance`",
    "place": "the function and the line that held up the event loop",
    "operation": "what was called: a port and its method",
    "letter": "the dead letter's id, for `send_back`",
    "steps": "how many steps",
    "threads": "how many threads plain steps have",
    "backend": "the kind of backend and where it is, without credentials",
    "queues": "the queues that are worked on",
    "flows": "the flows that are known, each with the version in its blueprint's metadata or the start of its hash",
    "version": "of flowcraft-core",
    "concurrency": "how many steps run at once",
    "host": "the machine's name",
    "pid": "the process",
    "schedule": "the schedule's id",
    "due": "the time that it is about, in UTC; where there are several, the first of them",
    "until": "the last of those times",
    "given_back": "how many jobs were cut off and given back to the queue",
}

#: On the records of every run.
_RUN = ("run_id",)
#: On the records of every instance.
_NODE = ("run_id", "node_id", "instance")


@attrs.frozen
class LogEvent:
    """One kind of thing that is logged.

    Attributes:
        name: What it is called, in the field ``event``.
        level: At which it is logged; where the catalogue says so, one that is lower.
        logger: Under which name.
        message: The text, with its fields as ``%(name)s``.
        fields: The names of its fields, besides ``event`` and, in the records of a worker, ``worker``.
        has_traceback: Whether an exception goes with it.
        lower: The level at which it is logged instead where that is all that it deserves, and when that is.
        target: The logger itself: to look it up each time would cost more than all the rest.
    """

    name: str
    level: int
    logger: str
    message: str
    fields: tuple[str, ...]
    has_traceback: bool = False
    lower: tuple[int, str] | None = None
    target: logging.Logger = attrs.field(init=False, repr=False, eq=False)

    @target.default
    def _find_target(self) -> logging.Logger:
        return logging.getLogger(self.logger)


#: All of them, by name.
EVENTS: Final[dict[str, LogEvent]] = {}


def _event(
    name: str,
    level: int,
    logger: str,
    message: str,
    *fields: str,
    traceback: bool = False,
    lower: tuple[int, str] | None = None,
) -> LogEvent:
    event = EVENTS[name] = LogEvent(name, level, f"flowcraft.{logger}", message, fields, traceback, lower)
    return event


# --- runs -------------------------------------------------------------------------------------------------------------

RUN_STARTED = _event("run_started", logging.INFO, "run", "run %(run_id)s of flow %(flow)r has started", *_RUN, "flow")
RUN_RESUMED = _event("run_resumed", logging.INFO, "run", "run %(run_id)s of flow %(flow)r goes on", *_RUN, "flow")
RUN_AWAITING = _event(
    "run_awaiting",
    logging.INFO,
    "run",
    "run %(run_id)s of flow %(flow)r waits to be resumed at %(waiting)s",
    *_RUN,
    "flow",
    "waiting",
)
RUN_STOPPED = _event(
    "run_stopped",
    logging.INFO,
    "run",
    "run %(run_id)s of flow %(flow)r is stopped, and what it has done is undone before it ends: %(reason)s",
    *_RUN,
    "flow",
    "reason",
)
RUN_COMPLETED = _event(
    "run_completed",
    logging.INFO,
    "run",
    "run %(run_id)s of flow %(flow)r has completed after %(seconds).1f s",
    *_RUN,
    "flow",
    "seconds",
)
RUN_FAILED = _event(
    "run_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s of flow %(flow)r has failed after %(seconds).1f s: %(reason)s",
    *_RUN,
    "flow",
    "seconds",
    "reason",
)
RUN_CANCELLED = _event(
    "run_cancelled",
    logging.INFO,
    "run",
    "run %(run_id)s of flow %(flow)r was cancelled after %(seconds).1f s: %(reason)s",
    *_RUN,
    "flow",
    "seconds",
    "reason",
)
RUN_LEFT = _event(
    "run_left",
    logging.INFO,
    "run",
    "run %(run_id)s of flow %(flow)r was left before its end: whoever waited for it was interrupted",
    *_RUN,
    "flow",
)
STEPS_LEFT = _event(
    "steps_left",
    logging.WARNING,
    "run",
    "run %(run_id)s was left without %(steps)d steps that do not end when they are cancelled",
    *_RUN,
    "steps",
)

STEPS_WAIT = _event(
    "steps_wait",
    logging.INFO,
    "run",
    "%(steps)d plain steps wait for one of max_threads=%(threads)d threads",
    "steps",
    "threads",
)

# --- attempts ---------------------------------------------------------------------------------------------------------

ATTEMPT_FAILED = _event(
    "attempt_failed",
    logging.WARNING,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s failed, the next one is in %(retry_in).1f s",
    *_NODE,
    "attempt",
    "error",
    "retry_in",
    traceback=True,
)
CALL_STOPPED = _event(
    "call_stopped",
    logging.INFO,
    "run",
    "run %(run_id)s: the call %(instance)s has failed, and what it has done is undone before that counts: %(reason)s",
    *_NODE,
    "reason",
)
UNDONE = _event(
    "undone",
    logging.INFO,
    "run",
    "run %(run_id)s: %(instance)s is undone, at attempt %(attempt)d",
    *_NODE,
    "attempt",
)
UNDO_FAILED = _event(
    "undo_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s: attempt %(attempt)d at the undo of %(instance)s failed, and with it the undo for good",
    *_NODE,
    "attempt",
    "error",
    traceback=True,
)
ATTEMPT_DEFERRED = _event(
    "attempt_deferred",
    logging.INFO,
    "run",
    "run %(run_id)s: %(instance)s asks to be tried again in %(retry_in).1f s: %(error)s",
    *_NODE,
    "attempt",
    "error",
    "retry_in",
)
FALLBACK_TAKEN = _event(
    "fallback_taken",
    logging.WARNING,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s failed, the last one; %(fallback)r takes its place",
    *_NODE,
    "attempt",
    "error",
    "fallback",
    traceback=True,
)
REMINDER_FAILED = _event(
    "reminder_failed",
    logging.WARNING,
    "run",
    "run %(run_id)s: reminder %(reminder)d of wait %(instance)s failed; it waits on",
    *_NODE,
    "reminder",
    "error",
    traceback=True,
)
NODE_FAILED = _event(
    "node_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s failed, and with it the node for good",
    *_NODE,
    "attempt",
    "error",
    traceback=True,
    lower=(logging.WARNING, "if contained by an `any` join, a batch's tolerance or an edge of the construct around"),
)
FAILURE_HANDLED = _event(
    "failure_handled",
    logging.WARNING,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s failed, the last one; the failure is handled by %(handlers)s",
    *_NODE,
    "attempt",
    "error",
    "handlers",
    traceback=True,
)
CONSTRUCT_HANDLED = _event(
    "construct_handled",
    logging.INFO,
    "run",
    "run %(run_id)s: what failed at %(instance)s is handled by %(handlers)s: %(reason)s",
    *_NODE,
    "handlers",
    "reason",
)
EDGE_UNTAKEN = _event(
    "edge_untaken",
    logging.WARNING,
    "run",
    "run %(run_id)s: %(instance)s failed, and an edge from it was not taken, since that failed, too: %(reason)s",
    *_NODE,
    "reason",
)
NODE_LEFT = _event(
    "node_left",
    logging.INFO,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s has stopped, since its result is of no use any more",
    *_NODE,
    "attempt",
    "error",
)
TIMEOUT_MISSED = _event(
    "timeout_missed",
    logging.WARNING,
    "run",
    "run %(run_id)s: attempt %(attempt)d at %(instance)s came back after %(seconds).3g s with a timeout of %(timeout)g"
    " s: the event loop was blocked meanwhile, by this step or another; what blocks belongs in a plain def step",
    *_NODE,
    "attempt",
    "seconds",
    "timeout",
)
RECOVER_FAILED = _event(
    "recover_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s: recover failed after attempt %(attempt)d at %(instance)s; the step's own error stands",
    *_NODE,
    "attempt",
    "error",
    traceback=True,
)
SINK_FAILED = _event(
    "sink_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s: the event sink failed",
    *_RUN,
    "error",
    traceback=True,
)

TELEMETRY_FAILED = _event(
    "telemetry_failed",
    logging.ERROR,
    "telemetry",
    "telemetry has failed (times: %(times)d) in %(operation)s; runs go on",
    "error",
    "operation",
    "times",
    traceback=True,
)

# --- workers ----------------------------------------------------------------------------------------------------------

WORKER_STARTED = _event(
    "worker_started",
    logging.INFO,
    "worker",
    "worker %(worker)s has started on %(backend)s (queues %(queues)s; flows %(flows)s; concurrency %(concurrency)d;"
    " flowcraft-core %(version)s)",
    "backend",
    "queues",
    "flows",
    "version",
    "concurrency",
    "host",
    "pid",
)
WORKER_STOPPED = _event(
    "worker_stopped",
    logging.INFO,
    "worker",
    "worker %(worker)s has stopped after %(seconds).1f s; it gave back %(given_back)d jobs",
    "seconds",
    "given_back",
)
WORKER_FAILED = _event(
    "worker_failed",
    logging.CRITICAL,
    "worker",
    "worker %(worker)s has ended by an error after %(seconds).1f s; its jobs will be delivered to others",
    "seconds",
    "error",
    traceback=True,
)
WORKER_REPLACED = _event(
    "worker_replaced",
    logging.WARNING,
    "worker",
    "the adapter's worker has ended by an error; another one begins in %(retry_in).1f s: %(reason)s",
    "error",
    "reason",
    "retry_in",
)
ADAPTER_ENDED = _event(
    "adapter_ended",
    logging.CRITICAL,
    "worker",
    "the adapter has ended for good, and works no more: %(reason)s",
    "error",
    "reason",
)
LOOP_BLOCKED = _event(
    "loop_blocked",
    logging.WARNING,
    "worker",
    "the event loop has stood still for %(seconds).1f s, in %(place)s, with %(nodes)s under way: an async step must"
    " await what takes long, or be a plain def",
    "seconds",
    "nodes",
    "place",
)
REDELIVERED = _event(
    "redelivered",
    logging.INFO,
    "worker",
    "run %(run_id)s: the job for %(instance)s is delivered, time number %(deliveries)d",
    *_NODE,
    "deliveries",
)
PASSED_ON = _event(
    "passed_on",
    logging.WARNING,
    "worker",
    "run %(run_id)s: the job for %(instance)s is passed on (times: %(times)d, for %(seconds).0f s so far): %(reason)s",
    *_NODE,
    "error",
    "reason",
    "seconds",
    "times",
    lower=(logging.DEBUG, "for a read that lags no longer than the store says that it may"),
)
GIVEN_UP = _event(
    "given_up",
    logging.ERROR,
    "worker",
    "run %(run_id)s: the job for %(instance)s is given up after it was passed on for %(seconds).0f s: %(reason)s",
    *_NODE,
    "error",
    "reason",
    "seconds",
)
MESSAGE_FAILED = _event(
    "message_failed",
    logging.ERROR,
    "worker",
    "a message could be neither done nor passed on, in delivery number %(deliveries)d; it will be delivered again",
    "deliveries",
    "error",
    traceback=True,
)
LETTER_CUT = _event(
    "letter_cut",
    logging.ERROR,
    "worker",
    "the dead letter %(letter)s is kept without its message, which the store does not take: %(reason)s",
    "letter",
    "error",
    "reason",
)
TASK_ENDED = _event(
    "task_ended",
    logging.ERROR,
    "worker",
    "of worker %(worker)s, %(operation)s has ended by itself; it is begun again",
    "operation",
    "error",
    traceback=True,
)
DEAD_LETTER = _event(
    "dead_letter",
    logging.ERROR,
    "worker",
    "a message is kept as the dead letter %(letter)s: %(reason)s",
    "letter",
    "reason",
)
JOB_DROPPED = _event(
    "job_dropped",
    logging.INFO,
    "worker",
    "run %(run_id)s: a job of a run that was purged is dropped",
    *_RUN,
)
HOST_ENDS = _event(
    "host_ends",
    logging.WARNING,
    "worker",
    "run %(run_id)s: %(reason)s",
    *_NODE,
    "reason",
)
HOST_TOO_SHORT = _event(
    "host_too_short",
    logging.INFO,
    "worker",
    "run %(run_id)s: the job for %(instance)s is passed on: its host has %(seconds).0f s left, and it may take"
    " %(timeout).0f s",
    *_NODE,
    "seconds",
    "timeout",
)
JOB_FAILED = _event(
    "job_failed",
    logging.ERROR,
    "worker",
    "run %(run_id)s: the engine failed at the job for %(instance)s, which is tried again",
    *_NODE,
    "error",
    traceback=True,
)
ENGINE_FAILED = _event(
    "engine_failed",
    logging.ERROR,
    "run",
    "run %(run_id)s: the engine failed; this is a defect of Flowcraft's",
    *_RUN,
    "error",
    traceback=True,
)

# --- backends ---------------------------------------------------------------------------------------------------------

THROTTLED = _event(
    "throttled",
    logging.WARNING,
    "backend",
    "%(operation)s was refused or not answered (times: %(times)d), and is tried again: %(reason)s",
    "operation",
    "error",
    "reason",
    "times",
)
UNAVAILABLE = _event(
    "unavailable",
    logging.WARNING,
    "backend",
    "%(operation)s has failed (times: %(times)d), and is done again later",
    "operation",
    "error",
    "times",
    traceback=True,
)

# --- reconcilers ------------------------------------------------------------------------------------------------------

REVIVED = _event(
    "revived",
    logging.INFO,
    "reconciler",
    "run %(run_id)s is revived, time number %(revivals)d at this place: %(jobs)d jobs are sent, the first for"
    " %(instance)s",
    *_NODE,
    "jobs",
    "revivals",
)
NOT_STARTED = _event(
    "not_started",
    logging.WARNING,
    "reconciler",
    "run %(run_id)s of flow %(flow)r is not started: %(reason)s",
    *_RUN,
    "flow",
    "reason",
)
SCHEDULE_FIRED = _event(
    "schedule_fired",
    logging.INFO,
    "reconciler",
    "schedule %(schedule)r has started run %(run_id)s for %(due)s",
    *_RUN,
    "schedule",
    "due",
)
SCHEDULE_SKIPPED = _event(
    "schedule_skipped",
    logging.WARNING,
    "reconciler",
    "schedule %(schedule)r leaves %(due)s out: run %(run_id)s is still under way",
    *_RUN,
    "schedule",
    "due",
)
SCHEDULE_MISSED = _event(
    "schedule_missed",
    logging.WARNING,
    "reconciler",
    "schedule %(schedule)r leaves out what was missed from %(due)s to %(until)s: no reconciler was there",
    "schedule",
    "due",
    "until",
)
SCHEDULE_FAILED = _event(
    "schedule_failed",
    logging.ERROR,
    "reconciler",
    "schedule %(schedule)r could not be looked at, and is looked at again: %(reason)s",
    "schedule",
    "error",
    "reason",
    traceback=True,
    lower=(logging.WARNING, "if the backend did not answer"),
)
LOOK_FAILED = _event(
    "look_failed",
    logging.ERROR,
    "reconciler",
    "run %(run_id)s could not be looked at, and is looked at again: %(reason)s",
    *_RUN,
    "error",
    "reason",
    traceback=True,
    lower=(logging.WARNING, "if the backend did not answer"),
)
STATUS_LEFT_OUT = _event(
    "status_left_out",
    logging.ERROR,
    "reconciler",
    "a status is left out of those that were looked for (times: %(times)d), mend or remove it: %(reason)s",
    "reason",
    "times",
)
ROUND_FAILED = _event(
    "round_failed",
    logging.ERROR,
    "reconciler",
    "a round of the reconciler has failed; the next one is in %(retry_in).1f s",
    "error",
    "retry_in",
    traceback=True,
)

"""What programs tell one another: jobs by the queue, hints by the coordination store, a run's end by its status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ..clock import Clock
from ..graph.facts import NodeError, Park
from ..graph.failures import errors_of
from ..graph.instances import Instance, Phase
from ..graph.queues import queue_of
from ..graph.state import RunState
from ..jobs import encode_job
from ..logging.journal import Journal
from ..logging.runs import tell_end
from ..ports import Backend, FinalState, Message
from ..texts import safe_text
from ..traces import Trace
from .queues import queue_named
from .runs import RunRecord

#: When a reconciler looks at a run that nobody has touched since, seconds.
CHECK_AFTER = 60.0

# For how long it is known of a run that something in it waits for a reconciler, unless one says so again; seconds.
_PARKED_SAID = 7 * 86400.0

# How many of the errors of a failed run its status tells, and how much of each, characters.
_ERRORS_TOLD, _LONGEST_ERROR = 10, 2_000


async def end_run(
    backend: Backend,
    run_id: str,
    state: FinalState,
    *,
    clock: Clock,
    journal: Journal,
    flow: str,
    since: float,
    trace: Trace | None,
    reason: str | None = None,
) -> bool:
    """End a run, and say so if it was this call that ended it; whether it was.

    Args:
        backend: Where the run is.
        run_id: Its id.
        state: How it ends.
        clock: Tells the time.
        journal: Who says so.
        flow: The run's flow.
        since: When it was started, seconds since the epoch.
        trace: Where its spans go.
        reason: Why it ends so, for people.
    """
    now = clock.now()
    has_ended = await backend.status.finish(run_id, state, at=now, reason=reason)
    if has_ended:
        journal = journal.bind(run_id=run_id)
        tell_end(journal, state, flow=flow, since=since, now=now, reason=reason or "", trace=trace)
    return has_ended


async def finish_run(
    backend: Backend, record: RunRecord, state: RunState, clock: Clock, journal: Journal
) -> FinalState | None:
    """End a run whose facts say that it has ended; its state, if it was this call that ended it."""
    if state.phase is Phase.RUNNING:
        return None
    ended: FinalState = "completed" if state.phase is Phase.COMPLETED else "failed"
    # For people, who read the first of them; the result has them all.
    reason = _reason(errors_of(state.root))
    return ended if await _end(backend, record, ended, clock, journal, reason) else None


def _reason(errors: Sequence[NodeError]) -> str | None:
    """The failures in a line; of many the first, since a status has bounds."""
    said = [safe_text(str(error), _LONGEST_ERROR) for error in errors[:_ERRORS_TOLD]]
    if len(errors) > _ERRORS_TOLD:
        said.append(f"and {len(errors) - _ERRORS_TOLD} more")
    return "; ".join(said) or None


async def fail_if_late(backend: Backend, record: RunRecord, clock: Clock, journal: Journal) -> bool:
    """Fail a run that has taken longer than its timeout; whether it has."""
    now, limit = clock.now(), record.deadline
    if limit is None or now < limit:
        return False
    reason = f"it took longer than its timeout of {limit - record.started:g} s"
    await _end(backend, record, "failed", clock, journal, reason)
    return True


async def _end(
    backend: Backend, record: RunRecord, state: FinalState, clock: Clock, journal: Journal, reason: str | None
) -> bool:
    return await end_run(
        backend,
        record.run_id,
        state,
        clock=clock,
        journal=journal,
        flow=record.blueprint_id,
        since=record.started,
        trace=record.trace,
        reason=reason,
    )


def held_key(record: RunRecord, key: str) -> str:
    """Where a worker says, in the coordination store, that it works on an instance and lives. A hint."""
    return f"held:{record.life}:{key}"


def busy_key(record: RunRecord) -> str:
    """Where workers say, in the coordination store, that they get on with a run. A hint."""
    return f"busy:{record.life}"


async def say_parked(backend: Backend, record: RunRecord) -> None:
    """Say, in the coordination store, that something in a run waits for a reconciler to wake it. A hint."""
    await backend.coordination.set_if_absent(parked_key(record), "yes", ttl=_PARKED_SAID)


def parked_key(record: RunRecord) -> str:
    """Where it is said that something in a run waits for a reconciler to wake it."""
    return f"parked:{record.life}"


async def send_parked(
    backend: Backend, record: RunRecord, instance: Instance, park: Park, clock: Clock, *, trace: Trace | None = None
) -> None:
    """Send the job that goes on with a parked instance when it is due; from a span, if one is under way."""
    now = clock.now()
    due = max(now, park.due or now)
    attempt = park.attempt + 1 if park.kind == "retry" else 0
    job = record.job(
        instance.key,
        due,
        attempt=attempt,
        deferred=park.deferred,
        standing_in=park.standing_in,
        trace=trace or record.trace,
    )
    queue = queue_named(backend, queue_of(instance, record.queue))
    await queue.send([Message(encode_job(job), record.run_id)], delay=due - now)


async def send_jobs(
    backend: Backend,
    record: RunRecord,
    instances: Iterable[Instance],
    clock: Clock,
    *,
    trace: Trace | None = None,
    **fields: Any,
) -> None:
    """Send a job per instance of a run, each to its queue; from a span, if one is under way.

    Args:
        backend: Where the run is.
        record: Its record.
        instances: The instances.
        clock: Tells the time.
        trace: The span.
        fields: Others of ``Job``.
    """
    now, by_queue = clock.now(), defaultdict[str, list[Message]](list)
    for instance in instances:
        job = record.job(instance.key, now, trace=trace or record.trace, **fields)
        by_queue[queue_of(instance, record.queue)].append(Message(encode_job(job), record.run_id))
    for name, messages in by_queue.items():
        await queue_named(backend, name).send(messages)

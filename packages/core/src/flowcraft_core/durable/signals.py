"""What programs tell one another: jobs by the queue, hints by the coordination store, a run's end by its status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..graph.facts import NodeError, Suspension
from ..graph.failures import errors_of
from ..graph.instances import Instance, Phase, ScopeState
from ..graph.queues import queue_of
from ..graph.state import RunState
from ..jobs import encode_job
from ..logging.catalogue import CALL_STOPPED
from ..logging.journal import Journal
from ..logging.runs import tell_end, tell_stop
from ..ports import Backend, FinalState, Message
from ..texts import safe_text
from ..traces import Trace
from .ends import End, agree, send_stop, undoes
from .queues import queue_named
from .runs import RunRecord
from .storage import Records

#: When a reconciler looks at a run that nobody has touched since, seconds.
CHECK_AFTER = 60.0

#: For how long it is known what a reconciler has sent again, and that somebody took it; seconds.
REVIVALS_KEPT = 7 * 86400.0

# For how long it is known of a run that something in it waits for a reconciler, unless one says so again; seconds.
_SUSPENDED_SAID = 7 * 86400.0

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
    backend: Backend,
    records: Records,
    record: RunRecord,
    state: RunState,
    clock: Clock,
    journal: Journal,
    *,
    again: bool = False,
) -> FinalState | None:
    """End a run whose facts say that it has ended; its state, if it was this call that ended it.

    One that is undone first has only been stopped; see ``conclude``, also for ``again``.
    """
    if state.phase is Phase.RUNNING:
        return None
    ended: FinalState = "completed" if state.phase is Phase.COMPLETED else "failed"
    # For people, who read the first of them; the result has them all.
    reason = reason_of_failures(errors_of(state.root))
    has_ended = await conclude(backend, records, record, ended, clock, journal, reason, again=again)
    return ended if has_ended and not (ended == "failed" and undoes(record)) else None


def reason_of_failures(errors: Sequence[NodeError]) -> str | None:
    """The failures in a line; of many the first, since a status has bounds."""
    said = [safe_text(str(error), _LONGEST_ERROR) for error in errors[:_ERRORS_TOLD]]
    if len(errors) > _ERRORS_TOLD:
        said.append(f"and {len(errors) - _ERRORS_TOLD} more")
    return "; ".join(said) or None


async def fail_if_late(
    backend: Backend, records: Records, record: RunRecord, clock: Clock, journal: Journal, *, again: bool = False
) -> bool:
    """Fail a run that has taken longer than its timeout; whether it has. For ``again`` see ``conclude``."""
    now, limit = clock.now(), record.deadline
    if limit is None or now < limit:
        return False
    reason = f"it took longer than its timeout of {limit - record.started:g} s"
    await conclude(backend, records, record, "failed", clock, journal, reason, again=again)
    return True


async def conclude(
    backend: Backend,
    records: Records,
    record: RunRecord,
    state: FinalState,
    clock: Clock,
    journal: Journal,
    reason: str | None,
    *,
    again: bool = False,
) -> bool:
    """End a run, or stop it if its flows name an undo; whether it was this call that did.

    Args:
        backend: Where it is.
        records: The backend's records.
        record: Its record.
        state: How it is to end.
        clock: Tells the time.
        journal: Is told of its end.
        reason: Why, for people.
        again: Whoever has stopped it may have died before they said so to anybody.
    """
    if undoes(record):
        end, is_ours = await agree(records, record.run_id, End(state, reason, clock.now()))
        if end.is_stop:
            if is_ours:
                tell_stop(journal.bind(run_id=record.run_id), record.blueprint_id, end.reason)
            if is_ours or again:
                await have_undone(backend, record, clock)
            return is_ours
        return await end_recorded(backend, record, end.state, clock, journal, end.reason) and state == end.state
    return await end_recorded(backend, record, state, clock, journal, reason)


async def have_undone(backend: Backend, record: RunRecord, clock: Clock) -> None:
    """Have a run undone that is stopped; again, where whoever has stopped it may have died before that."""
    await backend.status.touch(record.run_id, at=clock.now(), next_check=clock.now() + CHECK_AFTER)
    await send_stop(backend, record, clock)


async def stop_call(
    backend: Backend, records: Records, record: RunRecord, call: ScopeState, clock: Clock, journal: Journal
) -> bool:
    """Stop a call that has failed, so that it is undone before that counts; whether it was this call that did.

    Args:
        backend: Where the run is.
        records: The backend's records.
        record: The run's record.
        call: The call, of which all is resolved by what is known.
        clock: Tells the time.
        journal: Is told of it.
    """
    end = End("failed", reason_of_failures(call.errors), clock.now())
    _, is_ours = await agree(records, record.run_id, end, call.prefix)
    if is_ours:
        bound = journal.bind(run_id=record.run_id)
        bound.tell(CALL_STOPPED, at=call.prefix[:-1], reason=end.reason or "no reason is known")
        await send_stop(backend, record, clock, root=call.prefix)
    return is_ours


async def end_recorded(
    backend: Backend, record: RunRecord, state: FinalState, clock: Clock, journal: Journal, reason: str | None
) -> bool:
    """``end_run``, for one whose record is known."""
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
    return f"held:{record.incarnation}:{key}"


def busy_key(record: RunRecord) -> str:
    """Where workers say, in the coordination store, that they get on with a run. A hint."""
    return f"busy:{record.incarnation}"


def taken_key(record: RunRecord, name: str) -> str:
    """Where whoever takes a job that a reconciler has sent again says so. A hint."""
    return f"taken:{record.incarnation}:{name}"


async def say_suspended(backend: Backend, record: RunRecord) -> None:
    """Say, in the coordination store, that something in a run waits for a reconciler to wake it. A hint."""
    await backend.coordination.set_if_absent(suspended_key(record), "yes", ttl=_SUSPENDED_SAID)


def suspended_key(record: RunRecord) -> str:
    """Where it is said that something in a run waits for a reconciler to wake it."""
    return f"suspended:{record.incarnation}"


async def send_suspended(
    backend: Backend,
    record: RunRecord,
    instance: Instance,
    suspension: Suspension,
    clock: Clock,
    *,
    trace: Trace | None = None,
    revival: str = "",
) -> None:
    """Send the job that goes on with a suspended instance when it is due; from a span, if one is under way."""
    now = clock.now()
    due = max(now, suspension.due or now)
    attempt = suspension.attempt + 1 if suspension.kind == "retry" else 0
    job = record.job(
        instance.key,
        due,
        attempt=attempt,
        deferred=suspension.deferred,
        standing_in=suspension.standing_in,
        timer=due > now,
        trace=trace or record.trace,
        revival=revival,
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
    revivals: Mapping[str, str] | None = None,
    **fields: Any,
) -> None:
    """Send a job per instance of a run, each to its queue; from a span, if one is under way.

    Args:
        backend: Where the run is.
        record: Its record.
        instances: The instances.
        clock: Tells the time.
        trace: The span.
        revivals: Of what is sent again, what whoever takes it is to note, by the instances' keys.
        fields: Others of ``Job``.
    """
    fields_of = {key: {**fields, "revival": revival} for key, revival in (revivals or {}).items()}
    now, by_queue = clock.now(), defaultdict[str, list[Message]](list)
    for instance in instances:
        job = record.job(instance.key, now, trace=trace or record.trace, **fields_of.get(instance.key, fields))
        by_queue[queue_of(instance, record.queue)].append(Message(encode_job(job), record.run_id))
    for name, messages in by_queue.items():
        await queue_named(backend, name).send(messages)

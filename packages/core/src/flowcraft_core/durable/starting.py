"""How a run starts: by its record, its status and its first job, together where the backend can do that."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.queues import queue_of_start
from ..jobs import encode_job
from ..ports import Fact, Joined, Message, RunStatus, Starts, StatusStore
from ..queues import DEFAULT_QUEUE
from .queues import queue_named
from .runs import Recorded, RunRecord
from .signals import CHECK_AFTER
from .stored_runs import StoredRuns
from .transient import AS_STORED


async def start_run(
    stored: StoredRuns,
    record: RunRecord,
    tags: Mapping[str, str],
    *,
    delay: float = 0.0,
    joined: Joined | None = None,
) -> Recorded:
    """Start a run; of one that was started already, finish what was cut short.

    Args:
        stored: Where it is.
        record: Its record, as it would be written now.
        tags: Its tags.
        delay: Seconds before its first step.
        joined: The transaction that the start is part of.
    """
    backend, now = stored.backend, record.started
    statuses = (joined or backend).status
    is_in_reach = delay <= backend.queue.limits.max_delay  # what is not is the reconciler's to end
    next_check = now + delay + (CHECK_AFTER if is_in_reach else 0.0)
    status = status_at_first(record, tags, next_check=next_check)
    at_once: Starts | None = getattr(backend, "starts", None)
    if at_once is not None and joined is None and is_in_reach:
        recorded = await _start_at_once(stored, at_once, record, status, delay)
        if recorded.created:
            return recorded
    else:
        recorded = await (stored.runs if joined is None else stored.runs.within(joined.context)).create(record)
    if not recorded.created:
        if await statuses.get(record.run_id) is not None:
            return recorded
        record = await stored.record(record.run_id)
        status = status_at_first(record, tags if recorded.same else {}, next_check=next_check, finished=now)
    if not await write_first(statuses, status, is_own=recorded.created):
        return recorded
    if is_in_reach:
        message = _first_job(record, now, delay, is_new=recorded.created)
        name = queue_of_start(record.graph, record.queue)
        if joined is None:
            await queue_named(backend, name).send([message], delay=delay)
        else:
            await joined.send([message], delay=delay, **_named(name))
    return recorded


def status_at_first(
    record: RunRecord, tags: Mapping[str, str], *, next_check: float, finished: float | None = None
) -> RunStatus:
    """The status of a run that begins.

    Args:
        record: The run's record.
        tags: Its tags.
        next_check: When a reconciler should look at it, if it has not ended and may go on so long.
        finished: When somebody finishes a start that was another's; None for who has written the record.
    """
    # Who has written the record has to see whether another has written the status, whatever their clocks say.
    updated = record.started if finished is None else max(finished, record.started + 2 * AS_STORED)
    return RunStatus(
        run_id=record.run_id,
        state="running",
        blueprint_id=record.blueprint_id,
        created=record.started,
        updated=updated,
        next_check=next_check if record.deadline is None else min(next_check, record.deadline),
        tags=dict(tags),
    )


async def write_first(statuses: StatusStore, status: RunStatus, *, is_own: bool) -> bool:
    """Write the status of a run that begins; whether it was written here, and not by somebody else.

    Of those who start a run at once, whoever does that sends its first job: of two, both might be executed.

    Args:
        statuses: Where it is written.
        status: As ``status_at_first`` gives it.
        is_own: The record was written here, too.
    """
    if await statuses.create(status):
        return True
    # A call of which the answer was lost was made again, by a client below, say. Or another has finished this start.
    standing = await statuses.get(status.run_id) if is_own else None
    return standing is not None and not _is_anothers(standing, status)


def _is_anothers(standing: RunStatus, status: RunStatus) -> bool:
    """Whether a status is of this run, and was not written by who has written its record."""
    is_of_this_run = abs(standing.created - status.created) < AS_STORED
    return is_of_this_run and standing.updated - status.updated > AS_STORED


async def _start_at_once(
    stored: StoredRuns, at_once: Starts, record: RunRecord, status: RunStatus, delay: float
) -> Recorded:
    """Start a run by one request, if there is none of its id."""
    message = _first_job(record, record.started, delay, is_new=True)
    name = queue_of_start(record.graph, record.queue)

    async def begin(run_id: str, key: str, fact: Fact) -> Fact | None:
        return await at_once.begin(run_id, key, fact, status, message, delay=delay, **_named(name))

    return await stored.runs.create(record, by=begin)


def _first_job(record: RunRecord, now: float, delay: float, *, is_new: bool) -> Message:
    # With a hop, or as a timer, a worker looks before it begins: the run may have got on, or been cancelled, meanwhile.
    job = record.job("", now + delay, hops=0 if is_new else 1, timer=delay > 0)
    return Message(encode_job(job), record.run_id)


def _named(queue: str) -> dict[str, str]:
    """A backend that has no others than the default knows no names."""
    return {} if queue == DEFAULT_QUEUE else {"queue": queue}

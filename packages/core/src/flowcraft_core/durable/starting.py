"""How a run starts: by its record, its status and its first job, together where the backend can do that."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.queues import queue_of_start
from ..jobs import encode_job
from ..ports import Fact, Joined, Message, RunStatus, Starts
from ..queues import DEFAULT_QUEUE
from .queues import queue_named
from .runs import Recorded, RunRecord
from .signals import CHECK_AFTER
from .stored_runs import StoredRuns


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
    is_in_reach = delay <= backend.queue.limits.max_delay  # what is not is the reconciler's to end
    next_check = now + delay + (CHECK_AFTER if is_in_reach else 0.0)
    status = RunStatus(
        run_id=record.run_id,
        state="running",
        blueprint_id=record.blueprint_id,
        created=now,
        updated=now,
        next_check=next_check if record.deadline is None else min(next_check, record.deadline),
        tags=dict(tags),
    )
    at_once: Starts | None = getattr(backend, "starts", None)
    if at_once is not None and joined is None and is_in_reach:
        recorded = await _start_at_once(stored, at_once, record, status, delay)
        if recorded.created:
            return recorded
    else:
        recorded = await (stored.runs if joined is None else stored.runs.within(joined.context)).create(record)
    unfinished = await (joined or backend).status.create(status)
    if (recorded.created or unfinished) and is_in_reach:
        standing = record if recorded.created else await stored.record(record.run_id)
        message = _first_job(standing, now, delay, is_new=recorded.created)
        name = queue_of_start(standing.graph, standing.queue)
        if joined is None:
            await queue_named(backend, name).send([message], delay=delay)
        else:
            await joined.send([message], delay=delay, **_named(name))
    return recorded


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

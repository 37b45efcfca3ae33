"""The second half of a start, after the run's record: its status, and its first job."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.queues import queue_of_start
from ..jobs import encode_job
from ..ports import Joined, Message, RunStatus
from ..queues import DEFAULT_QUEUE
from .queues import queue_named
from .runs import RunRecord
from .signals import CHECK_AFTER
from .stored_runs import StoredRuns


async def start_recorded(
    stored: StoredRuns,
    record: RunRecord,
    tags: Mapping[str, str],
    *,
    created: bool,
    delay: float = 0.0,
    joined: Joined | None = None,
) -> None:
    """Start a run whose record stands; of one that was started already, finish what was cut short.

    Args:
        stored: Where it is.
        record: Its record, as it would have been written now.
        tags: Its tags.
        created: Whether the record was written now; else there was one already.
        delay: Seconds before its first step.
        joined: The transaction that the start is part of.
    """
    backend, now = stored.backend, record.started
    ports = joined or backend
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
    unfinished = await ports.status.create(status)
    if (created or unfinished) and is_in_reach:
        # With a hop, a worker looks before it begins: the run may have got on, or been cancelled, meanwhile.
        hops = 0 if created and not delay else 1
        standing = record if created else await stored.record(record.run_id)
        job = standing.job("", now + delay, hops=hops)
        messages = [Message(encode_job(job), record.run_id)]
        name = queue_of_start(standing.graph, standing.queue)
        if joined is None:
            await queue_named(backend, name).send(messages, delay=delay)
        elif name == DEFAULT_QUEUE:  # a backend that has no others knows no names
            await joined.send(messages, delay=delay)
        else:
            await joined.send(messages, delay=delay, queue=name)

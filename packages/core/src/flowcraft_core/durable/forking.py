"""Starts a run that keeps what another has done, but for some instances and all that follows from them."""

from __future__ import annotations

import attrs

from ..errors import ConfigurationError
from ..graph.fold import instances
from ..graph.forks import dropped, failed, kept_claims
from ..graph.instances import Instance
from ..graph.state import RunState
from ..ids import new_id, require_run_id
from ..jobs import encode_job
from ..ports import Message, RunStatus
from .results import Started
from .runs import RunRecord
from .signals import CHECK_AFTER
from .stored_runs import StoredRuns


async def fork(stored: StoredRuns, run_id: str, keys: tuple[str, ...], new_run_id: str | None) -> Started:
    """See ``Client.fork``."""
    status = await stored.status(run_id)
    record = await stored.record(run_id)
    state = await stored.state(record, status)
    by_key = {instance.key: instance for scope in state.root.walk() for instance in scope.instances()}
    unknown = [key for key in keys if key not in by_key]
    if unknown or not keys:
        raise ConfigurationError(f"run {run_id!r} has no instance {', '.join(unknown) or 'to fork from was named'}")
    return await _begin_again(stored, record, state, [by_key[key] for key in keys], new_run_id)


async def redrive(stored: StoredRuns, run_id: str, new_run_id: str | None) -> Started:
    """See ``Client.redrive``."""
    status = await stored.status(run_id)
    record = await stored.record(run_id)
    state = await stored.state(record, status)
    again = failed(state) or list(state.ready)
    if status.state != "failed" or not again:
        raise ConfigurationError(f"run {run_id!r} is {status.state}; only a failed run can be redriven")
    return await _begin_again(stored, record, state, again, new_run_id)


async def _begin_again(
    stored: StoredRuns, record: RunRecord, state: RunState, again: list[Instance], new_run_id: str | None
) -> Started:
    run_id, now = require_run_id(new_run_id or new_id()), stored.clock.now()
    limit = None if record.deadline is None else now + record.deadline - record.started
    new = attrs.evolve(
        record,
        run_id=run_id,
        started=now,
        deadline=limit,
        redrive_of=record.run_id,
        again=tuple(sorted(instance.key for instance in again)),
        nonce=new_id(),
    )
    if not await stored.runs.create(new):
        standing = await stored.record(run_id)
        cut_short = await stored.backend.status.get(run_id) is None
        if not cut_short or (standing.redrive_of, standing.again) != (new.redrive_of, new.again):
            raise ConfigurationError(f"there is a run {run_id!r} already: fork under another id")
        new = standing  # the same fork, which was cut short: all that it copied is copied again
    job = new.job("", now)
    await _copy(stored, run_id, state, again, job.id)
    status = RunStatus(
        run_id=run_id,
        state="running",
        blueprint_id=record.blueprint_id,
        created=now,
        updated=now,
        next_check=now + CHECK_AFTER if limit is None else min(now + CHECK_AFTER, limit),
    )
    await stored.backend.status.create(status)
    await stored.backend.queue.send([Message(encode_job(job), run_id)])
    return Started(run_id, created=True)


async def _copy(stored: StoredRuns, run_id: str, state: RunState, again: list[Instance], job_id: str) -> None:
    """Write what is kept of a run's facts as those of another run."""
    records, without = stored.records, dropped(again)
    for instance in instances(state):
        if (id(instance.scope), instance.vertex.index) in without:
            continue
        await records.put_outcome(run_id, instance.key, instance.outcome, job_id)
        if instance.outcome.sets:
            position = instance.scope.position(instance.vertex)
            await records.apply(run_id, instance.scope.namespace.prefix, position, instance.outcome.sets)
    for key, place in kept_claims(state, without):
        await records.put_claim(run_id, key, place, job_id)

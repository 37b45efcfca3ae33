"""Starts a run that keeps what another has done, but for some instances and all that follows from them.

A fork never begins with what failed the run: such failures are begun again from, named or not, or the fork would end
with them at once. What was handed to other services stays known to them: an instance that did not complete keeps its
idempotency key.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..errors import ConfigurationError
from ..graph.failures import failed
from ..graph.fold import instances
from ..graph.forks import dropped, kept_claims
from ..graph.instances import Instance
from ..graph.state import RunState
from ..ids import new_id
from ..jobs import encode_job
from ..ports import Message, RunStatus
from .results import Started
from .runs import FORK_KEY, REDRIVEN_KEY, RunRecord
from .signals import CHECK_AFTER
from .stored_runs import StoredRuns


async def fork(
    stored: StoredRuns, run_id: str, keys: tuple[str, ...], new_run_id: str | None, *, new_keys: bool
) -> Started:
    """See ``Client.fork``."""
    old = await _Forked.read(stored, run_id)
    by_key = {instance.key: instance for scope in old.state.root.walk() for instance in scope.instances()}
    unknown = [key for key in keys if key not in by_key]
    if unknown or not keys:
        raise ConfigurationError(f"run {run_id!r} has no instance {', '.join(unknown) or 'to fork from was named'}")
    started = await old.begin_again([by_key[key] for key in keys], new_run_id or new_id(), new_keys=new_keys)
    # Once it stands: a fork that was cut short before is linked when it is finished.
    await stored.note_fork(run_id, started.run_id)
    return started


async def redrive(stored: StoredRuns, run_id: str, new_run_id: str | None, *, new_keys: bool) -> Started:
    """See ``Client.redrive``."""
    old = await _Forked.read(stored, run_id)
    if old.status.state != "failed":
        raise ConfigurationError(f"run {run_id!r} is {old.status.state}; only a failed run can be redriven")
    again = failed(old.state.root) or list(old.state.ready)
    if not again:
        raise ConfigurationError(f"run {run_id!r} leaves nothing to try again: {old.status.reason}")
    if new_run_id is not None and not await old.may_become(new_run_id):
        raise ConfigurationError(f"there is a run {new_run_id!r} already: redrive under another id")
    # The first to say so stands, so that whoever comes later, or finishes what was cut short, gets the same run.
    said = await stored.records.put(run_id, REDRIVEN_KEY, {"as": new_run_id or new_id()})
    return await old.begin_again(again, str(said.value["as"]), new_keys=new_keys)


@attrs.frozen
class _Forked:
    """The run that is forked from.

    Attributes:
        stored: Where it is.
        status: Its status.
        record: Its record.
        state: What its facts say.
    """

    stored: StoredRuns
    status: RunStatus
    record: RunRecord
    state: RunState

    @classmethod
    async def read(cls, stored: StoredRuns, run_id: str) -> _Forked:
        status = await stored.status(run_id)
        record = await stored.record(run_id)
        return cls(stored, status, record, await stored.state(record, status))

    async def may_become(self, run_id: str) -> bool:
        """Whether there is no run of that id, or one that was forked from this one."""
        standing = await self.stored.runs.get(run_id)
        return standing is None or standing.redrive_of == self.record.run_id

    async def begin_again(self, named: list[Instance], run_id: str, *, new_keys: bool) -> Started:
        """Start the new run, or go on with starting it."""
        stored, old, now = self.stored, self.record, self.stored.clock.now()
        again = {instance.key: instance for instance in (*named, *failed(self.state.root))}
        starting = None
        if stored.telemetry is not None:
            starting = stored.telemetry.start(run_id, old.blueprint_id, now, link=old.trace)
        new = attrs.evolve(
            old,
            run_id=run_id,
            started=now,
            deadline=None if old.deadline is None else now + old.deadline - old.started,
            redrive_of=old.run_id,
            again=tuple(sorted(again)),
            kept_keys={} if new_keys else self._kept_keys(again.values()),
            trace=None if starting is None else starting.trace,
            nonce=new_id(),
        )
        if await stored.runs.create(new):
            if starting is not None:
                starting.done(stored.clock.now())
        else:
            standing = await stored.record(run_id)
            if not self._is_the_same(standing, named):
                raise ConfigurationError(f"there is a run {run_id!r} already: fork under another id")
            if await stored.backend.status.get(run_id) is not None:
                return Started(run_id, created=False)
            # The same fork, which was cut short: all that it copied is copied again. What has failed since then is
            # begun again from as well.
            found = {i.key: i for scope in self.state.root.walk() for i in scope.instances()}
            again |= {key: found[key] for key in standing.again if key in found}
            new = standing
        job = new.job("", now)
        await stored.records.put(run_id, FORK_KEY, {"of": old.run_id})
        await self._copy(run_id, again.values(), job.id)
        limit, look = new.deadline, now + CHECK_AFTER
        status = RunStatus(
            run_id=run_id,
            state="running",
            blueprint_id=old.blueprint_id,
            created=now,
            updated=now,
            next_check=look if limit is None else min(look, limit),
            tags=self.status.tags,
        )
        created = await stored.backend.status.create(status)
        await stored.backend.queue.send([Message(encode_job(job), run_id)])
        return Started(run_id, created)

    def _is_the_same(self, standing: RunRecord, named: Iterable[Instance]) -> bool:
        """Whether a run was forked from this one, at these instances; at failures it begins again in any case."""
        failures = {instance.key for instance in failed(self.state.root)}
        own = {instance.key for instance in named}
        return standing.redrive_of == self.record.run_id and set(standing.again) - failures == own - failures

    def _kept_keys(self, again: Iterable[Instance]) -> dict[str, str]:
        """By instance: the run under whose idempotency key it acts, if it may have acted and did not complete."""
        without, base = dropped(again), self.record.kept_keys
        open_keys = {instance.key for instance in self.state.ready}
        completed: set[str] = set()
        for scope, vertex in instances(self.state):
            if scope.outcomes[vertex.index].error is None:
                completed.add(scope.key(vertex))
            elif (id(scope), vertex.index) in without:
                open_keys.add(scope.key(vertex))
        return {key: base.get(key, self.record.run_id) for key in open_keys | (base.keys() - completed)}

    async def _copy(self, run_id: str, again: Iterable[Instance], job_id: str) -> None:
        """Write what is kept of the run's facts as those of the new one."""
        records, without = self.stored.records, dropped(again)
        for instance in instances(self.state):
            if (id(instance.scope), instance.vertex.index) in without:
                continue
            await records.put_outcome(run_id, instance.key, instance.outcome, job_id)
            if instance.outcome.sets:
                position = instance.scope.position(instance.vertex)
                await records.apply(run_id, instance.scope.namespace.prefix, position, instance.outcome.sets)
        for key, place in kept_claims(self.state, without):
            await records.put_claim(run_id, key, place, job_id)

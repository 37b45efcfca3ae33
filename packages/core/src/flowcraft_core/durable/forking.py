"""Starts a run that keeps what another has done, but for some instances and all that follows from them.

A fork never begins with what failed the run: such failures are begun again from, named or not, or the fork would end
with them at once. What was handed to other services stays known to them: an instance that did not complete keeps its
idempotency key. A fork may go on in another version of the flow, where all that is kept fits, and with other initial
context values: what is kept stays as it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ..blueprint import WAIT
from ..errors import ConfigurationError, UnknownNodeError
from ..graph.facts import Suspension
from ..graph.failures import failed, lacking
from ..graph.fold import claims, instances
from ..graph.forks import dropped, kept_claims
from ..graph.instances import Instance, ScopeState
from ..graph.queues import queue_of_start
from ..graph.refits import refit
from ..graph.scopes import Graph
from ..graph.state import RunState
from ..ids import new_id
from ..jobs import encode_job
from ..ports import Message, RunStatus
from ..serialization.sameness import is_same
from .answers import copy_answers
from .ends import END_KEY, UNDONE_KEY
from .queues import queue_named, require_queues
from .results import Started
from .runs import FORK_KEY, REDRIVEN_KEY, RunRecord
from .signals import CHECK_AFTER
from .starting import status_at_first, write_first
from .storage import KEPT
from .stored_runs import StoredRuns
from .undone import settled_undone, void_instances

# So many of the instances that do not fit are named.
_NAMED = 5


@attrs.frozen
class Changes:
    """In what a fork differs from the run that it is made of.

    Attributes:
        flow: The id of the flow that another version is given of; None to go on in the run's own.
        graphs: That version, and all that it can call, compiled, by id.
        context: Initial context values in the place of the run's, by name.
        new_keys: Instances that did not complete get new idempotency keys, too.
    """

    flow: str | None = None
    graphs: Mapping[str, Graph] = attrs.field(factory=dict)
    context: Mapping[str, Any] = attrs.field(factory=dict)
    new_keys: bool = False


async def fork(
    stored: StoredRuns, run_id: str, keys: tuple[str, ...], new_run_id: str | None, changes: Changes
) -> Started:
    """See ``Client.fork``."""
    old = await _Forked.read(stored, run_id)
    by_key = {instance.key: instance for scope in old.state.root.walk() for instance in scope.instances()}
    unknown = [key for key in keys if key not in by_key]
    if unknown:
        raise UnknownNodeError(f"run {run_id!r} has no instance {', '.join(unknown)}")
    started = await old.begin_again([by_key[key] for key in keys], new_run_id or new_id(), changes)
    # Once it stands: a fork that was cut short before is linked when it is finished.
    await stored.note_fork(run_id, started.run_id)
    return started


async def redrive(stored: StoredRuns, run_id: str, new_run_id: str | None, changes: Changes) -> Started:
    """See ``Client.redrive``."""
    old = await _Forked.read(stored, run_id)
    if old.status.state != "failed":
        raise ConfigurationError(f"run {run_id!r} is {old.status.state}; only a failed run can be redriven")
    again = old.lost() or list(old.state.ready) or await old.lacking(changes)
    if not again:
        raise ConfigurationError(f"run {run_id!r} leaves nothing to try again: {old.status.reason}")
    old.kept(again, old.graphs(changes))  # what does not fit there is no redrive
    require_queues(stored.backend, old.graphs(changes), old.record.queue)
    if new_run_id is not None:  # nor is what another run is in the place of
        await old.require_free(new_run_id, again, changes)
    # The first to say so stands, so that whoever comes later, or finishes what was cut short, gets the same run.
    said = await stored.records.put(run_id, REDRIVEN_KEY, {"as": new_run_id or new_id()})
    return await old.begin_again(again, str(said.value["as"]), changes)


@attrs.frozen
class _Kept:
    """What a fork keeps.

    Attributes:
        instances: The instances with outcomes, in the version of the flow in which the fork goes on.
        claims: The claims of joins, by key, with the places of the edges, slot by slot.
        undone: The roots of the calls that are undone, and in which nothing had to be.
    """

    instances: Sequence[Instance]
    claims: Sequence[tuple[str, tuple[int, ...]]]
    undone: Sequence[str] = ()


@attrs.frozen
class _Forked:
    """The run that is forked from.

    Attributes:
        stored: Where it is.
        status: Its status.
        record: Its record.
        state: What its facts say.
        undone: The keys of the instances that were undone.
    """

    stored: StoredRuns
    status: RunStatus
    record: RunRecord
    state: RunState
    undone: frozenset[str] = frozenset()

    @classmethod
    async def read(cls, stored: StoredRuns, run_id: str) -> _Forked:
        status = await stored.status(run_id)
        record = await stored.record(run_id)
        state = await stored.state(record, status)
        is_bad = status.state in ("failed", "cancelled")
        undone, _ = await settled_undone(stored.records, run_id, state, stored.clock, has_ended=is_bad)
        return cls(stored, status, record, state, frozenset(key for key, each in undone.items() if each.error is None))

    def lost(self) -> list[Instance]:
        """What no fork can keep: what failed the run, what was undone, and what was voided.

        A call that has undone itself is begun again as a whole, the failure included for which it did.
        """
        undone = [i for scope in self.state.root.walk() for i in scope.instances() if i.key in self.undone]
        lost = [*failed(self.state.root), *undone, *void_instances(self.state)]
        keys = {instance.key for instance in lost}
        calls = [call for call in self._undone_calls() if any(each.key in keys for each in _inside(call))]
        return [*lost, *(call.at(start) for call in calls for start in call.scope.starts)]

    async def lacking(self, changes: Changes) -> list[Instance]:
        """The joins that failed the run since too few edges lead to them.

        Raises:
            ConfigurationError: There are some, it was not redriven, and they would fail it at once in the same flow.
        """
        joins = lacking(self.state.root)
        is_same = _hashes(self.graphs(changes)) == _hashes(self.record.graphs)
        if joins and is_same and await self.stored.records.get(self.record.run_id, REDRIVEN_KEY) is None:
            named = ", ".join(repr(join.key) for join in joins[:_NAMED])
            raise ConfigurationError(
                f"run {self.record.run_id!r} has nothing to try again: too few edges led to {named}, and would again. "
                "Redrive it onto a version of its flow in which they are enough, or fork it from what led there"
            )
        return joins

    def _undone_calls(self) -> list[ScopeState]:
        return [scope for scope in self.state.root.walk() if scope.undone]

    async def require_free(self, run_id: str, named: Iterable[Instance], changes: Changes) -> None:
        """See to it that there is no run of an id, unless it is the very one that is asked for.

        Raises:
            ConfigurationError: There is.
        """
        standing = await self.stored.runs.get(run_id)
        if standing is not None:
            self._require_the_same(standing, named, changes)

    async def begin_again(self, named: list[Instance], run_id: str, changes: Changes) -> Started:
        """Start the new run, or go on with starting it."""
        stored, old, now = self.stored, self.record, self.stored.clock.now()
        again = {instance.key: instance for instance in (*named, *self.lost())}
        graphs = self.graphs(changes)
        kept = self.kept(again.values(), graphs)
        require_queues(stored.backend, graphs, old.queue)
        starting = None
        if stored.telemetry is not None:
            starting = stored.telemetry.start(run_id, old.blueprint_id, now, link=old.trace)
        new = attrs.evolve(
            old,
            run_id=run_id,
            graphs=graphs,
            context={**old.context, **changes.context},
            started=now,
            deadline=None if old.deadline is None else now + old.deadline - old.started,
            redrive_of=old.run_id,
            again=tuple(sorted(again)),
            kept_keys={} if changes.new_keys else self._kept_keys(again.values()),
            schedule=None,
            trace=None if starting is None else starting.trace,
            nonce=new_id(),
        )
        is_new = (await stored.runs.create(new)).created
        if is_new:
            if starting is not None:
                starting.done(stored.clock.now())
        else:
            standing = await stored.record(run_id)
            self._require_the_same(standing, named, changes)
            if await stored.backend.status.get(run_id) is not None:
                return Started(run_id, created=False)
            # The same fork, which was cut short: all that it copied is copied again. What has failed since then is
            # begun again from as well.
            found = {i.key: i for scope in self.state.root.walk() for i in scope.instances()}
            again |= {key: found[key] for key in standing.again if key in found}
            new, kept = standing, self.kept(again.values(), standing.graphs)
        await stored.records.put(run_id, FORK_KEY, {"of": old.run_id})
        await self._copy(run_id, kept)
        status = status_at_first(
            new, self.status.tags, next_check=now + CHECK_AFTER, finished=None if is_new else stored.clock.now()
        )
        created = await write_first(stored.backend.status, status, is_own=is_new)
        if created:
            job = new.job("", stored.clock.now())  # whoever begins with it waits until all that was copied is visible
            queue = queue_named(stored.backend, queue_of_start(new.graph, new.queue))
            await queue.send([Message(encode_job(job), run_id)])
        return Started(run_id, created)

    def graphs(self, changes: Changes) -> Mapping[str, Graph]:
        """The flows in whose versions the new run goes on.

        Raises:
            ConfigurationError: They are of another flow.
        """
        own = self.record.blueprint_id
        if changes.flow is None:
            return self.record.graphs
        if changes.flow != own:
            raise ConfigurationError(f"run {self.record.run_id!r} is one of flow {own!r}, not of {changes.flow!r}")
        return changes.graphs

    def kept(self, again: Iterable[Instance], graphs: Mapping[str, Graph]) -> _Kept:
        """What is kept in a version of the flow if the run is begun again from some instances.

        Raises:
            ConfigurationError: It does not fit there.
        """
        without, old = dropped(again), self.record
        if _hashes(graphs) == _hashes(old.graphs):
            own = [i for i in instances(self.state) if (id(i.scope), i.vertex.index) not in without]
            undone = [
                call.prefix
                for call in self._undone_calls()
                if not any((id(each.scope), each.vertex.index) in without for each in _inside(call))
            ]
            return _Kept(own, [(join.key, places) for join, places in kept_claims(self.state, without)], undone)
        state = RunState(graphs[old.blueprint_id], graphs.__getitem__, old.context)
        if misfits := refit(self.state, without, state, graphs):
            named = "; ".join(str(misfit) for misfit in misfits[:_NAMED])
            more = f"; and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else ""
            raise ConfigurationError(
                f"run {old.run_id!r} has done what does not fit this version of flow {old.blueprint_id!r}: "
                f"{named}{more}. Begin again from what does not fit, too, or stay in the version that it was started in"
            )
        undone = [scope.prefix for scope in state.root.walk() if scope.undone]
        return _Kept(list(instances(state)), list(claims(state)), undone)

    def _require_the_same(self, standing: RunRecord, named: Iterable[Instance], changes: Changes) -> None:
        """Refuse to take another run for the fork that is asked for; at failures each begins again in any case."""
        run_id = standing.run_id
        failures = {instance.key for instance in self.lost()}
        own = {instance.key for instance in named}
        if standing.redrive_of != self.record.run_id or set(standing.again) - failures != own - failures:
            raise ConfigurationError(f"there is a run {run_id!r} already: fork under another id")
        as_stored = self.stored.records.serializer.to_data
        is_other = changes.flow is not None and _hashes(changes.graphs) != _hashes(standing.graphs)
        if is_other or any(
            name not in standing.context or not is_same(as_stored(value), as_stored(standing.context[name]))
            for name, value in changes.context.items()
        ):
            raise ConfigurationError(
                f"run {self.record.run_id!r} was begun again as {run_id!r} already, in another version of its flow or "
                "with other initial context values: fork it under another id"
            )

    def _kept_keys(self, again: Iterable[Instance]) -> dict[str, str]:
        """By instance: the run under whose idempotency key it acts, if it may have acted and did not complete."""
        without, base = dropped(again), self.record.kept_keys
        open_keys = {instance.key for instance in (*self.state.ready, *void_instances(self.state))}
        completed: set[str] = set()
        for scope, vertex in instances(self.state):
            if scope.outcomes[vertex.index].error is None:
                completed.add(scope.key(vertex))
            elif (id(scope), vertex.index) in without:
                open_keys.add(scope.key(vertex))
        mine = (open_keys | (base.keys() - completed)) - self.undone
        return {key: base.get(key, self.record.run_id) for key in mine}

    async def _copy(self, run_id: str, kept: _Kept) -> None:
        """Write what is kept of the run's facts as those of the new one."""
        records, old = self.stored.records, self.record.run_id
        for instance in kept.instances:
            await records.put_outcome(run_id, instance.key, instance.outcome, KEPT, copied_from=old)
            if instance.outcome.sets:
                position = instance.scope.position(instance.vertex)
                await records.apply(run_id, instance.scope.namespace.prefix, position, instance.outcome.sets)
            if instance.vertex.node.uses == WAIT:  # so that nobody answers it who comes after it
                at = instance.outcome.started
                await records.put_suspension(run_id, instance.key, Suspension("wait", started=at, ended=at), KEPT)
        for call in kept.undone:
            end = await records.get(old, call + END_KEY)
            if end is not None:
                await records.put(run_id, call + UNDONE_KEY, {"at": end["at"]})
                await records.put(run_id, call + END_KEY, end)
        for key, places in kept.claims:
            for slot, place in enumerate(places):
                await records.put_claim(run_id, key, slot, place, KEPT)
        await copy_answers(records, self.record, self.state, run_id)


def _inside(call: ScopeState) -> Iterable[Instance]:
    return (instance for scope in call.walk() for instance in scope.instances())


def _hashes(graphs: Mapping[str, Graph]) -> dict[str, str]:
    return {flow_id: graph.hash for flow_id, graph in graphs.items()}

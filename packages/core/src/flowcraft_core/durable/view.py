"""What one program knows of one run: some of its facts, and a state that they were fed to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs

from ..clock import Clock
from ..contexts import Values
from ..errors import BackendError
from ..graph.facts import Outcome
from ..graph.instances import Claim, Instance, Phase, ScopeState
from ..graph.partial import (
    Unknown,
    awaited,
    context_names,
    find,
    find_call,
    is_decided,
    joins_ahead,
    looks_into,
    named,
    needs,
    settle,
    waits_for,
)
from ..graph.scopes import Kind, Vertex
from ..graph.state import RunState
from ..serialization import Serializer
from .ends import are_undone
from .gathered import StoredResults
from .lanes import BegunItems
from .runs import RunRecord
from .storage import Records, StaleReadError, Stored, read_once_visible

T = TypeVar("T")


class RunView:
    """Some of a run's facts. Facts never change, so what was read once is known for good.

    Attributes:
        record: The run's record.
        state: What the known facts say.
        trouble: Why something that an expression or a step looks up could not be read, if it could not.
    """

    def __init__(self, record: RunRecord, records: Records, clock: Clock, *, since: float | None = None) -> None:
        """Know nothing yet.

        Args:
            record: The run's record.
            records: Where facts are read.
            clock: Tells when what was written lately is visible to everybody.
            since: When the job that is worked on was sent: what comes before its instance was stored earlier than that.
                Now, by default.
        """
        self.record = record
        self.state = RunState(record.graph, record.graphs.__getitem__, record.context, whole=False)
        self.trouble: BackendError | None = None
        self._clock = clock
        self._records = records
        self._settled = 0.0
        self._gathers: list[Instance] = []  # whose results nobody has read yet
        self.hear(since)

    def hear(self, when: float | None = None) -> None:
        """Note that somebody else has told of what they wrote: it may take as long as the store says to be visible.

        Args:
            when: When they did; now, by default. A clock that is ahead of this one makes nobody wait for longer.
        """
        now = self._clock.now()
        when = now if when is None else min(when, now)
        self._settled = max(self._settled, when + self._records.store.limits.staleness)

    async def settle(self) -> None:
        """Wait until what others have told of is visible, at most for as long as the store's reads may lag."""
        early = min(self._settled - self._clock.now(), self._records.store.limits.staleness)
        if early > 0:
            await self._clock.sleep(early)
        self._settled = 0.0

    async def learn(self, instances: Iterable[Instance], before: float | None = None) -> list[Instance]:
        """Look up the outcomes of instances, and the claims of joins among them; gives those of which there is news.

        Args:
            instances: Which.
            before: Leave out the outcomes that ended later than this.
        """
        by_key = {
            instance.key: instance for instance in instances if instance.vertex.index not in instance.scope.outcomes
        }
        joins = {
            key: instance
            for key, instance in by_key.items()
            if instance.vertex.quorum and not instance.scope.winners(instance.vertex)
        }
        if not by_key:
            return []
        run_id = self.record.run_id
        outcomes, claims = await asyncio.gather(
            self._records.outcomes(run_id, by_key),
            self._records.claims(run_id, {key: join.vertex.quorum for key, join in joins.items()}),
        )
        new = []
        for key, slots in claims.items():
            if sum(self.state.learn_claim(*joins[key], slot, place) for slot, place in slots.items()):
                new.append(joins[key])
        for key, stored in outcomes.items():
            if before is None or stored.value.ended <= before:
                self._take_in(by_key[key], stored.value)
                new.append(by_key[key])
        return new

    def take_in(self, instance: Instance, outcome: Outcome) -> None:
        """Take in an outcome that stands."""
        if isinstance(outcome.output, StoredResults):
            outcome = attrs.evolve(outcome, output=outcome.output.through(self._read))
            self._gathers.append(instance)
        self.state.learn(*instance, outcome)

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read what must be there, for a step that has asked for it, as soon as it is visible."""
        try:
            return await read_once_visible(read, self._records.store, self._clock)
        except BackendError as error:  # stale, newer or unreachable: never the step's failure
            self.trouble = error
            raise

    def _take_in(self, instance: Instance, outcome: Outcome) -> None:
        """Take in what another job has come to, perhaps since this one was sent: what led to it may be as new."""
        self.take_in(instance, outcome)
        self.hear(outcome.started)  # the context values of what came before it were applied by then

    async def look(self, frontier: Iterable[Instance]) -> dict[str, Stored[Outcome]]:
        """The outcomes of instances that may be there already, by key, without taking them in.

        What the instances need to run is learned in the same request.
        """
        own = {instance.key: instance for instance in frontier}
        others = {needed.key: needed for instance in own.values() for needed in needs(self.state, instance)}
        found = await self._records.outcomes(self.record.run_id, [*own, *others])
        for key, needed in others.items():
            if key in found and key not in own:
                self._take_in(needed, found[key].value)
        for key in own.keys() & found.keys():
            self.hear(found[key].value.started)
        return {key: found[key] for key in own if key in found}

    async def find(self, key: str) -> Instance | None:
        """The instance with a key; None if the run has no such instance.

        Raises:
            StaleReadError: Something around it is not visible yet.
        """
        while True:
            found = find(self.state, key)
            if not isinstance(found, Unknown):
                return found
            if not await self.learn([found.instance]):
                raise StaleReadError(f"run {self.record.run_id!r}: {found.instance.key!r} has no outcome yet")

    async def find_call(self, root: str) -> ScopeState | None:
        """The call inside of which keys begin with ``root``; None if the run has no such call.

        Raises:
            StaleReadError: Something around it is not visible yet.
        """
        return await _found_call(self.state, root, self.learn, self.record.run_id)

    async def is_undone(self, call: ScopeState) -> bool:
        """Whether a call is undone that others have stopped, as soon as that must be visible."""
        await self.settle()
        return bool(await are_undone(self._records, self.record.run_id, [call]))

    async def hear_of_undone(self) -> bool:
        """Look up which of the calls are undone that have failed, as far as is known, and are to be; whether some are.

        Of the others it is left to the caller to see to that, see ``RunState.to_undo``.
        """
        calls = list(self.state.to_undo)
        undone = await are_undone(self._records, self.record.run_id, calls) if calls else []
        for call in undone:
            self.state.to_undo.remove(call)
            self.state.learn_undone(call)
        return bool(undone)

    async def resolve(self, scope: ScopeState, vertex: Vertex | None, *, if_moot: bool = False) -> bool:
        """Learn what decides about a join, a construct's exit, or (without a vertex) a scope's end; whether it does.

        Args:
            scope: Where it is.
            vertex: Which; None for the scope's end.
            if_moot: Also about what need not run any more, since somebody names what came of it all the same.
        """
        while True:
            missing = settle(self.state, scope, vertex)
            if self.is_resolved(scope, vertex, if_moot=if_moot):
                return True
            if not (await self.hear_of_undone() or await self.learn(missing)):
                return False

    async def glance(self, scope: ScopeState, vertex: Vertex | None, before: float) -> list[Instance]:
        """Learn, in one request, what there is of what leads to a join, an exit or a scope's end; gives what was new.

        Args:
            scope: Where the join is.
            vertex: The join or exit; None for the scope's end.
            before: Leave out the outcomes that ended later than this.
        """
        missing = settle(self.state, scope, vertex)
        found = await self.learn(missing, before)
        settle(self.state, scope, vertex)
        return found

    async def is_moot(self, instance: Instance) -> bool:
        """Whether the facts say that an instance need not run any more: the joins that it leads to have fired."""
        joins = joins_ahead(instance)
        if joins:
            await self.learn(joins)
            await self.learn(scope.at(winner.source) for scope, join in joins for winner in scope.winners(join))
        return instance.scope.is_moot(instance.vertex)

    def is_resolved(self, scope: ScopeState, vertex: Vertex | None, *, if_moot: bool = False) -> bool:
        """Whether the known facts decide about a join, a construct's exit, or (without a vertex) a scope's end."""
        if self.state.phase is not Phase.RUNNING:
            return True
        if vertex is None:
            return self.state.has_ended(scope)
        if vertex.index in scope.outcomes or self.state.decide(scope, vertex) is not None:
            return True
        if scope.is_moot(vertex) and not if_moot:
            return True
        # All that leads to it is known, and enough ways are taken: it only wants to be claimed.
        return vertex.quorum > 0 and all(scope.mark_of(link) is not None for link in vertex.incoming)

    async def prepare(self, instance: Instance) -> bool:
        """Learn what an instance needs to run; whether the facts say that it is to."""
        scope, vertex = instance
        if vertex.quorum and not scope.winners(vertex):
            await self.learn([instance, *needs(self.state, instance)])
        while await self.learn(needs(self.state, instance)):
            pass
        if not is_decided(self.state, instance):
            if len(vertex.incoming) > 1 or vertex.kind is Kind.EXIT:
                await self.resolve(scope, vertex)
            elif (before := waits_for(self.state, instance)) is not None:
                await self.resolve(before, None)
        await self._bring(instance)
        return is_decided(self.state, instance)

    async def refresh(self, instance: Instance) -> None:
        """Read what deciding about an instance may look up: context values as they stand now, and outputs of nodes.

        Raises:
            BackendError: They cannot be read; ``StaleReadError`` if what must be there is not visible yet.
        """
        try:
            for scope, names in context_names(instance):
                await self.load_values(scope, names)
            while await self.learn(named(self.state, instance)):
                pass
            if named(self.state, instance):
                await self._look_closely(instance)
            await self._bring(instance)
        except BackendError as error:  # stale, newer or unreachable: never the step's failure
            self.trouble = error
            raise

    async def _bring(self, instance: Instance) -> None:
        """Read what of an instance's input stands in pages, but for what a step reads itself."""
        await self._records.pages.give(self.record.run_id, instance.scope)
        for gather in [gather for gather in self._gathers if looks_into(instance, gather.vertex.id)]:
            await self._records.pages.load(gather)
            self._gathers.remove(gather)

    async def _look_closely(self, instance: Instance) -> None:
        """Of what an instance names some has no outcome: it was passed by, is still under way, or is not visible yet.

        What an expression names without coming before it for certain is taken as it is by now, but of what was there
        when the job was sent nothing is left out.
        """
        await self._resolve_named(instance)
        if named(self.state, instance):
            await self.settle()
            await self._resolve_named(instance)
        for missed in awaited(self.state, instance):
            if not await self.is_moot(missed):
                names = f"{missed.key!r}, which {instance.key!r} names,"
                raise StaleReadError(f"run {self.record.run_id!r}: {names} is not visible yet")

    async def _resolve_named(self, instance: Instance) -> None:
        """Learn what became of all that an instance names: of what was passed by, too, and so has no outcome."""
        while missing := named(self.state, instance):
            for missed in missing:
                await self.resolve(*missed, if_moot=True)
            await self.learn(named(self.state, instance))  # what is to run by the facts may have run
            if named(self.state, instance) == missing:
                return

    async def load_values(self, scope: ScopeState, names: Iterable[str]) -> None:
        """Read context values as they stand now, with all that came before the job.

        A name that was never set looks like one whose value is not visible yet: so the first read waits for as long as
        the store says that this may be.
        """
        namespace = scope.namespace
        try:
            await self.settle()
            found = await self._records.values(self.record.run_id, namespace.prefix, names)
        except BackendError as error:  # stale, newer or unreachable: never the step's failure
            self.trouble = error
            raise
        for name, standing in found.items():
            known = namespace.values.get(name)
            if known is None or known[0] <= standing[0]:
                namespace.values[name] = standing


class StoredValues(Values):
    """The context as a step on a worker sees it: read from the store when it is asked for."""

    __slots__ = ("_loop", "_view")

    def __init__(self, view: RunView, scope: ScopeState, serializer: Serializer) -> None:
        super().__init__(scope, serializer)
        self._view = view
        self._loop = asyncio.get_running_loop()

    async def fetch(self, name: str) -> Any:
        """The value as it stands now, or what this attempt has set."""
        if name not in self.sets:
            await self._view.load_values(self._scope, [name])
        return super().find(name)

    def find(self, name: str) -> Any:
        """``fetch`` from a plain step's thread."""
        if name in self.sets:
            return super().find(name)
        return asyncio.run_coroutine_threadsafe(self.fetch(name), self._loop).result()


async def whole_state(
    record: RunRecord,
    records: Records,
    *,
    claimant: str | None = None,
    due_only: bool = False,
    stopped: bool = False,
    root: str = "",
) -> RunState:
    """The state that all of a run's facts give: what is ready in it is the run's frontier.

    Reads scope by scope: as many rounds as constructs are nested and loops have passes, each of one batched read; and
    some more for each batch, to find out how far its lanes have come.

    Args:
        record: The run's record.
        records: Where facts are read.
        claimant: In whose name a join is claimed that somebody has reached and nobody has claimed: he may have died, or
            his job may be lost. None to leave such joins in ``wanted``.
        due_only: It is to say what is due, and no more: of each lane of a batch the item is read at which it stands.
        stopped: The run is: what is moot, and what is behind a failure, may be under way, and is among what is ready.
        root: Of a call what the keys inside of it begin with: of the rest of the run no more is read than leads there.

    Raises:
        StaleReadError: What leads to the call is not visible yet.
    """
    state = RunState(record.graph, record.graphs.__getitem__, record.context, stopped=stopped)
    top = state.root if not root else await _begin_at(state, root, record, records)
    known: dict[str, Outcome] = {}
    claims: dict[str, dict[int, int]] = {}
    read: set[int] = set()
    frontier: list[Instance] = []
    unclaimed: list[Claim] = []
    due: list[Instance] | None = None  # all that is, once it is known
    to_undo: list[ScopeState] = []
    items = BegunItems(record, records, state, known, top=top, due_only=due_only)
    while True:
        fresh = [scope for scope in top.walk() if id(scope) not in read]
        read.update(id(scope) for scope in fresh)
        instances = [instance for scope in fresh if not _has_passed(scope) for instance in scope.instances()]
        joins = {instance.key: instance.vertex.quorum for instance in instances}
        outcomes, standing = await asyncio.gather(
            records.outcomes(record.run_id, [instance.key for instance in instances if instance.key not in known]),
            records.claims(record.run_id, joins),
        )
        known.update((key, stored.value) for key, stored in outcomes.items())
        claims.update(standing)
        state.ready.extend(frontier)
        frontier = []
        while state.ready or state.wanted or state.to_undo:
            while state.wanted:
                claim = state.wanted.popleft()
                scope, join, _ = claim
                if not scope.prefix.startswith(root):
                    continue  # around the call that is asked about
                key = scope.key(join)
                for slot, place in claims.pop(key, {}).items():
                    state.claim(scope, join, slot, place)
                is_due = due is None and (stopped or state.phase is Phase.RUNNING)
                while claimant is not None and is_due and (free := claim.slot) is not None:
                    held = await records.put_claim(record.run_id, key, free, claim.place, claimant)
                    state.claim(scope, join, free, held.value)
                if claim.slot is not None and due is None:
                    unclaimed.append(claim)
            if not state.ready:
                calls = list(state.to_undo)
                state.to_undo.clear()
                undone = await are_undone(records, record.run_id, calls) if calls else []
                to_undo += [call for call in calls if call not in undone]
                for call in undone:
                    state.undone(call)
                continue
            instance = state.ready.popleft()
            outcome = known.get(instance.key)
            if outcome is None:
                frontier += [] if _has_passed(instance.scope) else [instance]
            else:
                state.add(*instance, outcome)
        await items.find()
        if not all(id(scope) in read for scope in top.walk()):
            continue
        if due is None:
            due, frontier = frontier, _kept_behind(state, known) if record.redrive_of is not None else []
            if frontier:
                continue
        state.ready.extend(
            i for i in due if i.scope.prefix.startswith(root) and (stopped or not i.scope.is_moot(i.vertex))
        )
        state.to_undo.extend(to_undo)
        state.wanted.extend(c for c in unclaimed if c.slot is not None and not c.scope.is_moot(c.vertex))
        return state


async def _begin_at(state: RunState, root: str, record: RunRecord, records: Records) -> ScopeState:
    """The call with a root, in a whole state that begins there, as if nothing were around it but what leads there."""
    state.ready.clear()

    async def learn(instances: Iterable[Instance]) -> list[Instance]:
        by_key = {instance.key: instance for instance in instances}
        found = await records.outcomes(record.run_id, by_key)
        for key, stored in found.items():
            state.learn(*by_key[key], stored.value)
        return [by_key[key] for key in found]

    call = await _found_call(state, root, learn, record.run_id)
    if call is None or call.parent is None or call.construct is None:
        raise StaleReadError(f"run {record.run_id!r} has no call {root!r}")
    state.start(call.parent, call.construct, call.index)
    return call


async def _found_call(
    state: RunState, root: str, learn: Callable[[Iterable[Instance]], Awaitable[list[Instance]]], run_id: str
) -> ScopeState | None:
    while True:
        found = find_call(state, root)
        if not isinstance(found, Unknown):
            return found
        if not await learn([found.instance]):
            raise StaleReadError(f"run {run_id!r}: {found.instance.key!r} has no outcome yet")


def _has_passed(scope: ScopeState) -> bool:
    parent, construct = scope.parent, scope.construct
    return parent is not None and construct is not None and parent.has_passed(construct, scope.index or 0)


def _kept_behind(state: RunState, known: Mapping[str, Outcome]) -> list[Instance]:
    """The starts of items that a fork keeps and that stand in their lane behind one that it begins again.

    Nothing leads to them before that one has ended, and what follows from them is not due.
    """
    return [
        scope.at(start)
        for scope in state.root.walk()
        if scope.construct is not None and scope.construct.kind == "batch"
        for start in scope.scope.starts
        if start not in scope.told and scope.at(start).key in known
    ]

"""What one program knows of one run: some of its facts, and a state that they were fed to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..clock import Clock
from ..contexts import Values
from ..errors import BackendError, TransientError
from ..graph.facts import Outcome
from ..graph.instances import Instance, Phase, ScopeState
from ..graph.partial import Unknown, context_names, find, is_decided, joins_ahead, missing, needs
from ..graph.scopes import Kind, Vertex
from ..graph.state import RunState
from ..serialization import Serializer
from .runs import RunRecord
from .storage import NewerRecordError, Records, StaleReadError, Stored


class RunView:
    """Some of a run's facts. Facts never change, so what was read once is known for good.

    Attributes:
        record: The run's record.
        state: What the known facts say.
        trouble: Why context values could not be read, if they could not.
        own: The keys of outcomes of this very job that were looked up for the sake of something else, in order.
    """

    def __init__(
        self, record: RunRecord, records: Records, clock: Clock, *, job: str = "", since: float | None = None
    ) -> None:
        """Know nothing yet.

        Args:
            record: The run's record.
            records: Where facts are read.
            clock: Tells when what was written lately is visible to everybody.
            job: The job that is worked on.
            since: When it was sent: what comes before its instance was stored earlier than that. Now, by default.
        """
        self.trouble: BackendError | None = None
        self.own: dict[str, None] = {}
        self._clock = clock
        self._settled = (clock.now() if since is None else since) + records.store.limits.staleness
        self.record = record
        self._job = job
        self.state = RunState(record.graph, record.graphs.__getitem__, record.context, whole=False)
        self._records = records

    def anew(self) -> RunView:
        """A view of the same run, for the same job, that knows nothing yet."""
        view = RunView(self.record, self._records, self._clock, job=self._job)
        view._settled = self._settled
        return view

    async def learn(
        self, instances: Iterable[Instance], join: str | None = None, before: float | None = None
    ) -> list[Instance]:
        """Look up the outcomes of instances, and the claims of joins among them; gives those of which there is news.

        An outcome of the join itself, which may be among them, leaves nothing to be done; but one that this very job
        wrote before it was delivered again is to be gone on from, so it is left for the walk to find.

        Args:
            instances: Which.
            join: The key of the join for whose sake they are looked up.
            before: Leave out the outcomes that ended later than this.
        """
        by_key = {
            instance.key: instance for instance in instances if instance.vertex.index not in instance.scope.outcomes
        }
        joins = {
            key: instance
            for key, instance in by_key.items()
            if instance.vertex.joins_any and instance.vertex.index not in instance.scope.claims
        }
        if not by_key:
            return []
        run_id = self.record.run_id
        outcomes, claims = await asyncio.gather(
            self._records.outcomes(run_id, by_key), self._records.claims(run_id, joins)
        )
        for key, place in claims.items():
            self.state.claim(*joins[key], place, loud=False)
        new = [joins[key] for key in claims]
        for key, stored in outcomes.items():
            if (key != join or stored.job != self._job) and (before is None or stored.value.ended <= before):
                self._take_in(by_key[key], stored)
                new.append(by_key[key])
        return new

    async def look(self, frontier: Iterable[Instance]) -> dict[str, Stored[Outcome]]:
        """The outcomes of instances that may be there already, by key, without taking them in.

        What the instances need to run is learned in the same request.
        """
        own = {instance.key: instance for instance in frontier}
        others = {needed.key: needed for instance in own.values() for needed in needs(self.state, instance)}
        found = await self._records.outcomes(self.record.run_id, [*own, *others])
        for key, needed in others.items():
            if key in found and key not in own:
                self._take_in(needed, found[key])
        return {key: found[key] for key in own if key in found}

    def _take_in(self, instance: Instance, stored: Stored[Outcome]) -> None:
        self.state.add(*instance, stored.value, loud=False)
        if stored.job and stored.job == self._job:
            self.own[instance.key] = None

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

    async def resolve(self, scope: ScopeState, vertex: Vertex | None) -> None:
        """Learn what decides about a join, a construct's exit, or (without a vertex) a scope's end."""
        while await self.glance(scope, vertex):
            if scope.ended or (vertex is not None and vertex.index in scope.decided):
                return

    async def glance(self, scope: ScopeState, vertex: Vertex | None, before: float | None = None) -> list[Instance]:
        """Learn, in one request, what there is of what leads to a join, an exit or a scope's end; gives what was new.

        Args:
            scope: Where the join is.
            vertex: The join or exit; None for the scope's end.
            before: Leave out the outcomes that ended later than this.
        """
        unresolved = missing(self.state, scope, vertex)
        found = await self.learn(unresolved, None if vertex is None else scope.key(vertex), before)
        for instance in unresolved:
            self.state.attend(*instance)
        return found

    async def is_moot(self, instance: Instance) -> bool:
        """Whether the facts say that an instance need not run any more: the joins that it leads to have fired."""
        joins = joins_ahead(instance)
        if joins:
            await self.learn(joins)
            claimed = [(join, join.scope.claims.get(join.vertex.index)) for join in joins]
            winners = [join.vertex.incoming[place].source for join, place in claimed if place is not None]
            scopes = [join.scope for join, place in claimed if place is not None]
            await self.learn(
                Instance(scope, scope.scope.vertices[source]) for scope, source in zip(scopes, winners, strict=True)
            )
            for join in joins:
                self.state.attend(*join)
        return instance.scope.is_moot(instance.vertex)

    def is_resolved(self, scope: ScopeState, vertex: Vertex | None) -> bool:
        """Whether the known facts decide about a join, a construct's exit, or (without a vertex) a scope's end."""
        if vertex is None:
            return scope.ended or self.state.phase is not Phase.RUNNING
        index = vertex.index
        return (
            index in scope.decided
            or index in scope.outcomes
            or index in scope.marks
            or scope.is_moot(vertex)
            or self.state.phase is not Phase.RUNNING
        )

    async def prepare(self, instance: Instance) -> bool:
        """Learn what an instance needs to run; whether the facts say that it is to."""
        if instance.vertex.joins_any and instance.vertex.index not in instance.scope.claims:
            await self.learn([instance, *needs(self.state, instance)])
        while await self.learn(needs(self.state, instance)):
            pass
        self.state.attend(*instance)
        if not is_decided(instance) and (len(instance.vertex.incoming) > 1 or instance.vertex.kind is Kind.EXIT):
            await self.resolve(*instance)
        return is_decided(instance)

    async def refresh(self, instance: Instance) -> None:
        """Read the context values that deciding about an instance may look up, as they stand now."""
        names = context_names(instance.vertex)
        if names:
            await self.load_values(instance.scope, names)
            # Outputs that an expression names without being an ancestor: whatever there is by now.
            while await self.learn(needs(self.state, instance)):
                pass

    async def load_values(self, scope: ScopeState, names: Iterable[str]) -> None:
        """Read context values as they stand now, with all that came before the job.

        A name that was never set looks like one whose value is not visible yet: so the first read waits for as long as
        the store says that this may be.
        """
        namespace = scope.namespace
        try:
            if (early := self._settled - self._clock.now()) > 0:
                await self._clock.sleep(early)
            found = await self._records.values(self.record.run_id, namespace.prefix, names)
        except (TransientError, StaleReadError, NewerRecordError) as error:
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


async def whole_state(record: RunRecord, records: Records) -> RunState:
    """The state that all of a run's facts give: what is ready in it is the run's frontier.

    Reads scope by scope: as many rounds as constructs are nested and loops have passes, each of one batched read.
    """
    state = RunState(record.graph, record.graphs.__getitem__, record.context)
    known: dict[str, Outcome] = {}
    claims: dict[str, int] = {}
    read: set[int] = set()
    frontier: list[Instance] = []
    while True:
        fresh = [scope for scope in state.root.walk() if id(scope) not in read]
        read.update(id(scope) for scope in fresh)
        instances = [instance for scope in fresh for instance in scope.instances()]
        joins = [instance.key for instance in instances if instance.vertex.joins_any]
        outcomes, standing = await asyncio.gather(
            records.outcomes(record.run_id, [instance.key for instance in instances]),
            records.claims(record.run_id, joins),
        )
        known.update((key, stored.value) for key, stored in outcomes.items())
        claims.update(standing)
        state.ready.extend(frontier)
        frontier = []
        while state.ready or state.wanted:
            while state.wanted:
                scope, vertex, _ = state.wanted.popleft()
                place = claims.get(scope.key(vertex))
                if place is not None:
                    state.claim(scope, vertex, place)
            if not state.ready:
                break
            instance = state.ready.popleft()
            outcome = known.get(instance.key)
            if outcome is None:
                frontier.append(instance)
            else:
                state.add(*instance, outcome)
        if all(id(scope) in read for scope in state.root.walk()):
            state.ready.extend(i for i in frontier if not i.scope.is_moot(i.vertex))
            return state

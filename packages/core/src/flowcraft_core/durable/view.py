"""What one program knows of one run: some of its facts, and a state that they were fed to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import attrs

from ..clock import Clock
from ..contexts import Values
from ..errors import BackendError, FlowcraftError
from ..graph.decisions import item_result, output_key
from ..graph.facts import Outcome
from ..graph.instances import Instance, Phase, ScopeState
from ..graph.lanes import total_of
from ..graph.pages import page_size_for
from ..graph.partial import (
    Unknown,
    awaited,
    context_names,
    find,
    find_call,
    is_decided,
    is_large,
    joins_ahead,
    looks_into,
    named,
    names_any,
    needs,
    settle,
    waits_for,
)
from ..graph.scopes import Kind, Vertex
from ..graph.state import RunState
from ..serialization import Serializer
from .ends import are_undone
from .gathered import StoredResults
from .runs import RunRecord
from .storage import Records, StaleReadError, Stored, read_once_visible

T = TypeVar("T")

# So many items of a large batch are read at once.
_ITEMS_AT_ONCE = 200


class UnknownInstanceError(FlowcraftError):
    """A job names an instance that its run cannot have."""


class RunView:
    """Some of a run's facts. Facts never change, so what was read once is known for good.

    Attributes:
        record: The run's record.
        state: What the known facts say.
        trouble: Why something that an expression or a step looks up could not be read, if it could not.
        loop: The event loop in which facts are read.
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
        self.loop = asyncio.get_running_loop()
        self.hear(since)

    def close(self) -> None:
        """Know nothing more: scopes hold what is inside them, and that holds them, until garbage is collected."""
        if self.state.root.inside:
            for scope in list(self.state.root.walk()):
                scope.inside = {}

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

    async def learn(
        self, instances: Iterable[Instance], before: float | None = None, *, keep: bool = True
    ) -> list[Instance]:
        """Look up the outcomes of instances, and the claims of joins among them; gives those of which there is news.

        Args:
            instances: Which.
            before: Leave out the outcomes that ended later than this.
            keep: The worker remembers them for other jobs.
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
        run_id, claims = self.record.run_id, dict[str, dict[int, int]]()
        if joins:
            outcomes, claims = await asyncio.gather(
                self._records.outcomes(run_id, by_key, keep=keep),
                self._records.claims(run_id, {key: join.vertex.quorum for key, join in joins.items()}),
            )
        else:
            outcomes = await self._records.outcomes(run_id, by_key, keep=keep)
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
        if type(outcome.output) is StoredResults:
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
        own, others = dict[str, None](), dict[str, Instance]()
        for instance in frontier:
            own[instance.key] = None
            others.update((needed.key, needed) for needed in needs(self.state, instance))
        found = await self._records.outcomes(self.record.run_id, own | others)
        for key, needed in others.items():
            if key in found and key not in own:
                self._take_in(needed, found[key].value)
        standing = {key: found[key] for key in own if key in found}
        for stored in standing.values():
            self.hear(stored.value.started)
        return standing

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
        return await found_call(self.state, root, self.learn, self.record.run_id)

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

    async def resolve(
        self, scope: ScopeState, vertex: Vertex | None, *, if_unneeded: bool = False, all_came: bool = False
    ) -> bool:
        """Learn what decides about a join, a construct's exit, or (without a vertex) a scope's end; whether it does.

        Args:
            scope: Where it is.
            vertex: Which; None for the scope's end.
            if_unneeded: Also about what need not run any more, since somebody names what came of it all the same.
            all_came: All that lead there are said to have arrived.
        """
        while True:
            missing = settle(self.state, scope, vertex)
            if self.is_resolved(scope, vertex, if_unneeded=if_unneeded):
                return True
            if await self.hear_of_undone() or await self.learn(missing):
                continue
            # What is left to look at are the items of large batches. Of another one it only helps to know that it was
            # passed by or has failed; else its own outcome tells.
            large = [gather for gather in missing if is_large(gather)]
            decided = [
                gather
                for gather in large
                if (all_came and gather == (scope, vertex) and self._take_for_ended(gather))
                or await self._look_through(gather)
            ]
            if not any(gather.vertex is vertex or gather.vertex.index in gather.scope.marks for gather in decided):
                return self.is_resolved(scope, vertex, if_unneeded=if_unneeded)

    def _take_for_ended(self, gather: Instance) -> bool:
        """Take all items of a large batch for ended, whose lanes have all come to its gather; whether that decides.

        It saves to go through them twice. That they came is a hint, and the gather looks at the facts: it goes through
        all items for their results, and does not go on with one that has not ended. Not where it could find more than
        it is told here: items that have failed, those behind one that a fork begins again, or what is not visible yet.
        """
        scope, exit_ = gather
        batch = exit_.construct
        assert batch is not None  # an exit always has one
        may_lag = self._records.store.limits.staleness > 0
        if may_lag or self.record.redrive_of is not None or self.state.goes_on_past_failures(scope, exit_):
            return False
        total = total_of(scope.outcomes[batch.entry])
        scope.pass_items(batch, total, slice(0, total))
        return self.state.decide(scope, exit_) is not None

    async def _look_through(self, gather: Instance) -> bool:
        """Learn whether the items of a large batch have ended, some at a time; whether that decides about its gather.

        Of those that have ended nothing is kept but that, and of those that have not begun nothing.
        """
        scope, exit_ = gather
        batch = exit_.construct
        assert batch is not None  # an exit always has one
        for first in range(0, total_of(scope.outcomes[batch.entry]), _ITEMS_AT_ONCE):
            async for item in self._items(gather, first):
                self.state.let_go(item)
            if self.state.decide(scope, exit_) is not None:
                return True
        return self.state.phase is not Phase.RUNNING

    async def _items(self, gather: Instance, first: int, *, again: bool = False) -> AsyncIterator[ScopeState]:
        """Some items of a large batch, one after the other, with all that there is of what says whether they ended.

        Args:
            gather: The batch's exit.
            first: The first of them.
            again: Also those that are known to have ended.
        """
        scope, exit_ = gather
        batch = exit_.construct
        assert batch is not None  # an exit always has one
        some = range(first, min(first + _ITEMS_AT_ONCE, total_of(scope.outcomes[batch.entry])))
        indexes = [index for index in some if again or not scope.has_passed(batch, index)]
        known = scope.inside.get(batch.entry, {}).keys() & set(indexes)
        items = [self.state.child(scope, batch, index) for index in indexes]
        while await self._learn_ends(items):
            pass
        for item in items:
            yield item
            if not item.outcomes and item.index not in known:
                scope.inside[batch.entry].pop(item.index or 0, None)  # it has not begun
        await asyncio.sleep(0)  # others have their turn, also where a store answers at once

    async def _learn_ends(self, items: Sequence[ScopeState]) -> bool:
        """Learn more of what says whether items have ended; whether there was some."""
        if await self.learn([missing for item in items for missing in settle(self.state, item, None)], keep=False):
            return True
        for item in items:
            settle(self.state, item, None)
            self.state.has_ended(item)  # which says, too, whether it is to be undone before that counts
        return await self.hear_of_undone()

    async def gather(self, instance: Instance) -> Sequence[Any] | None:
        """The results of a large batch, read some items at a time and stored page by page; of anything else None.

        Where an expression of the batch's looks into them, or a context value is made of them, they are a list.

        Raises:
            BackendError: They cannot be read; ``StaleReadError`` if one is not visible yet.
        """
        scope, exit_ = instance
        if not is_large(instance) or exit_.construct is None:
            return None
        total = total_of(scope.outcomes[exit_.construct.entry])
        size = page_size_for(exit_.construct, total)
        is_list = size is None or exit_.all_taken is None or output_key(exit_) is not None
        written = self._records.pages.results(self.record.run_id, instance.key, total, size or total)
        every: list[Any] = []
        try:
            for first in range(0, total, _ITEMS_AT_ONCE):
                results = await self._results(instance, first)
                if is_list:
                    every += results
                else:
                    await written.add(results)
            return every if is_list else await written.close()
        except BackendError as error:  # stale, newer or unreachable: never the batch's failure
            self.trouble = error
            raise

    def results(self, instance: Instance) -> AsyncIterator[Sequence[Any]] | None:
        """The results of a large batch, some at a time; of anything else None. See ``gather``."""
        return self._some_results(instance) if is_large(instance) else None

    async def _some_results(self, gather: Instance) -> AsyncIterator[Sequence[Any]]:
        scope, batch = gather.scope, gather.vertex.construct
        assert batch is not None  # an exit always has one
        for first in range(0, total_of(scope.outcomes[batch.entry]), _ITEMS_AT_ONCE):
            try:
                results = await self._results(gather, first)
            except BackendError as error:  # stale, newer or unreachable: never the batch's failure
                self.trouble = error
                raise
            yield results

    async def _results(self, gather: Instance, first: int) -> list[Any]:
        results = []
        async for item in self._items(gather, first, again=True):
            if not item.ended:
                raise StaleReadError(f"run {self.record.run_id!r}: {item.prefix!r} has ended, and is not visible yet")
            results.append(item_result(item))
            self.state.let_go(item)
        return results

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

    async def is_unneeded(self, instance: Instance) -> bool:
        """Whether the facts say that an instance need not run any more: the joins that it leads to have fired."""
        if not any(graph.has_races for graph in self.record.graphs.values()):
            return False
        joins = joins_ahead(instance)
        if joins:
            await self.learn(joins)
            await self.learn(scope.at(winner.source) for scope, join in joins for winner in scope.winners(join))
        return instance.scope.is_unneeded(instance.vertex)

    def is_resolved(self, scope: ScopeState, vertex: Vertex | None, *, if_unneeded: bool = False) -> bool:
        """Whether the known facts decide about a join, a construct's exit, or (without a vertex) a scope's end."""
        if self.state.phase is not Phase.RUNNING:
            return True
        if vertex is None:
            return self.state.has_ended(scope)
        if vertex.index in scope.outcomes or self.state.decide(scope, vertex) is not None:
            return True
        if scope.is_unneeded(vertex) and not if_unneeded:
            return True
        # All that leads to it is known, and enough ways are taken: it only wants to be claimed.
        return vertex.quorum > 0 and all(scope.mark_of(link) is not None for link in vertex.incoming)

    async def prepare(self, instance: Instance) -> bool:
        """Learn what an instance needs to run; whether the facts say that it is to."""
        scope, vertex = instance
        if self.is_at_hand(instance) and is_decided(self.state, instance):
            return True  # as a chain goes on
        if vertex.quorum and not scope.winners(vertex):
            await self.learn([instance, *needs(self.state, instance)])
        while (needed := needs(self.state, instance)) and await self.learn(needed):
            pass
        decided = is_decided(self.state, instance)
        if not decided:
            if len(vertex.incoming) > 1 or vertex.kind is Kind.EXIT:
                await self.resolve(scope, vertex)
            elif (before := waits_for(self.state, instance)) is not None:
                await self.resolve(before, None)
            decided = is_decided(self.state, instance)
        await self._bring(instance)
        return decided

    def is_at_hand(self, instance: Instance) -> bool:
        """Whether nothing has to be read for what an instance names: it names nothing, and is inside of nothing."""
        return not (self._gathers or instance.scope.parent is not None or names_any(instance.vertex))

    def before_deciding(self, instance: Instance) -> Awaitable[None] | None:
        """``refresh``; None where there is nothing to be read."""
        return None if self.is_at_hand(instance) else self.refresh(instance)

    async def refresh(self, instance: Instance) -> None:
        """Read what deciding about an instance may look up: context values as they stand now, and outputs of nodes.

        Raises:
            BackendError: They cannot be read; ``StaleReadError`` if what must be there is not visible yet.
        """
        try:
            if names_any(instance.vertex):
                for scope, names in context_names(instance):
                    await self.load_values(scope, names)
                while (missing := named(self.state, instance)) and await self.learn(missing):
                    pass
                if missing:
                    await self._look_closely(instance)
            await self._bring(instance)
        except BackendError as error:  # stale, newer or unreachable: never the step's failure
            self.trouble = error
            raise

    async def _bring(self, instance: Instance) -> None:
        """Read what of an instance's input stands in pages, but for what a step reads itself."""
        if instance.scope.parent is not None:
            await self._records.pages.give(self.record.run_id, instance.scope)
        if self._gathers:
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
            if not await self.is_unneeded(missed):
                names = f"{missed.key!r}, which {instance.key!r} names,"
                raise StaleReadError(f"run {self.record.run_id!r}: {names} is not visible yet")

    async def _resolve_named(self, instance: Instance) -> None:
        """Learn what became of all that an instance names: of what was passed by, too, and so has no outcome."""
        while missing := named(self.state, instance):
            for missed in missing:
                await self.resolve(*missed, if_unneeded=True)
            await self.learn(named(self.state, instance))  # what is to run by the facts may have run
            if named(self.state, instance) == missing:
                return

    def values(self, scope: ScopeState, serializer: Serializer) -> StoredValues:
        """The context as a step in a scope sees it."""
        return StoredValues(self, scope, serializer)

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

    __slots__ = ("_view",)

    def __init__(self, view: RunView, scope: ScopeState, serializer: Serializer) -> None:
        super().__init__(scope, serializer)
        self._view = view

    async def fetch(self, name: str) -> Any:
        """The value as it stands now, or what this attempt has set."""
        if name not in self.sets:
            await self._view.load_values(self._scope, [name])
        return super().find(name)

    def find(self, name: str) -> Any:
        """``fetch`` from a plain step's thread."""
        if name in self.sets:
            return super().find(name)
        return asyncio.run_coroutine_threadsafe(self.fetch(name), self._view.loop).result()


async def found_call(
    state: RunState, root: str, learn: Callable[[Iterable[Instance]], Awaitable[list[Instance]]], run_id: str
) -> ScopeState | None:
    """The call that has a root, once what leads to it was learned; None if there is none.

    Raises:
        StaleReadError: Something around it is not visible yet.
    """
    while True:
        found = find_call(state, root)
        if not isinstance(found, Unknown):
            return found
        if not await learn([found.instance]):
            raise StaleReadError(f"run {run_id!r}: {found.instance.key!r} has no outcome yet")

"""A run as a whole: the state that all of its facts give, read some scopes at a time.

What is read is fed to the state, scope by scope as they come to be known; and of what will follow, the next passes of a
loop and the next items of a lane, more is read ahead each time, so that rounds are few. Whoever wants no more of the
items of a batch once they have ended has them let go of: however many there are, few are held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import attrs

from ..graph.facts import Outcome
from ..graph.instances import Claim, Instance, Phase, ScopeState
from ..graph.lanes import lanes_of, total_of
from ..graph.scopes import Construct
from ..graph.state import RunState
from .ends import are_undone
from .lanes import begun_items, ends_of_lanes
from .runs import RunRecord
from .storage import Records, StaleReadError
from .view import found_call

# So many scopes are read in one request, those that are read ahead among them; and of one loop.
_SCOPES_AT_ONCE = 200
_PASSES_AHEAD = 64


class Passing(Protocol):
    """What becomes of the items of batches that have ended."""

    def begin(self) -> None:
        """Be told that a run is read, perhaps once more: what was told before does not count."""

    def lets_go(self, item: ScopeState) -> bool:
        """Whether no more is wanted of an item that has ended, which is told once at least before it is let go of."""


class Everything:
    """Wants no more of any item that has ended."""

    def begin(self) -> None:
        """See ``Passing``."""

    def lets_go(self, item: ScopeState) -> bool:
        """See ``Passing``."""
        return True


async def whole_state(
    record: RunRecord,
    records: Records,
    *,
    claimant: str | None = None,
    due_only: bool = False,
    stopped: bool = False,
    passing: Passing | None = None,
    root: str = "",
) -> RunState:
    """The state that all of a run's facts give: what is ready in it is the run's frontier.

    Args:
        record: The run's record.
        records: Where facts are read.
        claimant: In whose name a join is claimed that somebody has reached and nobody has claimed: he may have died, or
            his job may be lost. None to leave such joins in ``wanted``.
        due_only: It is to say what is due, and no more: of a batch that was left nothing is read, and of each lane of
            another one the item at which it stands.
        stopped: The run is: what is unneeded, and what is behind a failure, may be under way, and is among what is
        ready.
        passing: Says of which items of batches nothing is kept once they have ended; of none by default.
        root: Of a call what the keys inside of it begin with: of the rest of the run no more is read than leads there.

    Raises:
        StaleReadError: What leads to the call is not visible yet.
    """
    reading = WholeReading.of(
        record, records, claimant=claimant, due_only=due_only, stopped=stopped, passing=passing, root=root
    )
    await reading.read()
    return await reading.told()


@attrs.define(eq=False)
class _Ahead:
    """Which items of a lane, or passes of a loop, were read: from one up to another; how many are read ahead next."""

    first: int
    upto: int
    depth: int = 0


@attrs.define(eq=False, kw_only=True)
class WholeReading:
    """Reads the facts of a run, and feeds them to its state.

    Attributes:
        record: The run's record.
        records: Where facts are read.
        state: A whole state, which tells of scopes; it knows nothing yet.
        claimant: As for ``whole_state``.
        due_only: Likewise.
        passing: Likewise.
        stopped: Likewise.
        root: Likewise.
    """

    record: RunRecord
    records: Records
    state: RunState
    claimant: str | None = None
    due_only: bool = False
    passing: Passing | None = None
    stopped: bool = False
    root: str = ""
    _known: dict[str, Outcome] = attrs.field(factory=dict)
    _claims: dict[str, dict[int, int]] = attrs.field(factory=dict)
    _read: set[ScopeState] = attrs.field(factory=set)
    _waiting: dict[ScopeState, list[Instance]] = attrs.field(factory=dict)  # ready, in scopes that are to be read
    _ahead: dict[tuple[ScopeState, int, int], _Ahead] = attrs.field(factory=dict)
    _due: list[Instance] = attrs.field(factory=list)
    _unclaimed: list[Claim] = attrs.field(factory=list)
    _to_undo: list[ScopeState] = attrs.field(factory=list)
    _is_due_known: bool = False
    _has_begun: bool = False

    @classmethod
    def of(cls, record: RunRecord, records: Records, *, stopped: bool = False, **options: Any) -> WholeReading:
        """Begin to read a run; for the arguments see ``whole_state``."""
        state = RunState(record.graph, record.graphs.__getitem__, record.context, stopped=stopped, tells=True)
        if (passing := options.get("passing")) is not None:
            passing.begin()
        return cls(record=record, records=records, state=state, stopped=stopped, **options)

    async def read(self) -> None:
        """Read all that there is, of scopes that were not read before."""
        state = self.state
        if not self._has_begun and self.root:
            await self._begin_at_root()
        self._has_begun = True
        await self._feed([])
        while state.entered or state.opened:
            while state.opened:
                await self._open(*state.opened.popleft())
            fresh = [state.entered.popleft() for _ in range(min(len(state.entered), _SCOPES_AT_ONCE))]
            await self._look(fresh)
            await self._feed([instance for scope in fresh for instance in self._waiting.pop(scope, ())])
            self._let_go()

    async def _begin_at_root(self) -> None:
        """Begin at a call, as if nothing were around it but what leads there."""
        state, record, records = self.state, self.record, self.records
        state.ready.clear()

        async def learn(instances: Iterable[Instance]) -> list[Instance]:
            by_key = {instance.key: instance for instance in instances}
            found = await records.outcomes(record.run_id, by_key)
            for key, stored in found.items():
                state.learn(*by_key[key], stored.value)
            return [by_key[key] for key in found]

        call = await found_call(state, self.root, learn, record.run_id)
        if call is None or call.parent is None or call.construct is None:
            raise StaleReadError(f"run {record.run_id!r} has no call {self.root!r}")
        state.entered.clear()
        state.entered.append(call)
        state.start(call.parent, call.construct, call.index)

    async def told(self) -> RunState:
        """The state, with its frontier, once all was read."""
        state, self._is_due_known = self.state, True
        due, self._due = self._due, []
        if self.record.redrive_of is not None:
            await self._feed(self._kept_behind())
            await self.read()
        state.ready.extend(
            i
            for i in due
            if i.scope.prefix.startswith(self.root) and (self.stopped or not i.scope.is_unneeded(i.vertex))
        )
        state.to_undo.extend(self._to_undo)
        state.wanted.extend(c for c in self._unclaimed if c.slot is not None and not c.scope.is_unneeded(c.vertex))
        return state

    async def items(self, scope: ScopeState, batch: Construct, indexes: Iterable[int]) -> list[ScopeState]:
        """Some items of a batch that was entered, with all that is stored in them, whatever became of those before.

        Args:
            scope: Where the batch stands.
            batch: The batch.
            indexes: Which.
        """
        items = [self.state.look_into(scope, batch, index) for index in indexes]
        await self.read()
        self._due.clear()
        return items

    def outcome_of(self, instance: Instance) -> Outcome | None:
        """What an instance ended with, also where the facts do not say that it was to run."""
        return instance.scope.outcomes.get(instance.vertex.index) or self._known.get(instance.key)

    def forget(self, item: ScopeState) -> None:
        """Keep nothing of an item of a batch, to which nobody will come any more."""
        self._forget(item.walk())
        if item.parent is not None and item.construct is not None:
            item.parent.inside[item.construct.entry].pop(item.index or 0, None)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _look(self, fresh: list[ScopeState]) -> None:
        """Read the facts of some scopes, but for those that were read ahead, and of those that may follow."""
        self._read.update(fresh)
        scopes: list[ScopeState] = []
        for scope in fresh:
            if not self._was_read_ahead(scope):
                scopes += [scope, *self._following(scope)]
        instances = [instance for scope in scopes for instance in scope.instances()]
        if not instances:
            return
        joins = {instance.key: instance.vertex.quorum for instance in instances if instance.vertex.quorum}
        keys = [key for instance in instances if (key := instance.key) not in self._known]
        outcomes, claims = await asyncio.gather(
            self.records.outcomes(self.record.run_id, keys), self.records.claims(self.record.run_id, joins)
        )
        self._known.update((key, stored.value) for key, stored in outcomes.items())
        self._claims.update(claims)

    def _was_read_ahead(self, scope: ScopeState) -> bool:
        lane = self._lane_of(scope)
        ahead = None if lane is None else self._ahead.get(lane)
        return ahead is not None and ahead.first <= (scope.index or 0) <= ahead.upto

    def _following(self, scope: ScopeState) -> Iterator[ScopeState]:
        """The passes or items that may come after one, so many more of them each time."""
        lane, parent, construct = self._lane_of(scope), scope.parent, scope.construct
        if lane is None or parent is None or construct is None:
            return
        index, step, end, most = scope.index or 0, 1, _PASSES_AHEAD, _PASSES_AHEAD
        if construct.kind == "batch":
            entry = parent.outcomes[construct.entry]
            step, end = lanes_of(entry), total_of(entry)
            most = max(1, _SCOPES_AT_ONCE // step)
        else:
            end += index
        ahead = self._ahead.setdefault(lane, _Ahead(index, index))
        if index < ahead.first:
            return
        following = range(index + step, end, step)[: ahead.depth]
        ahead.depth = min(max(1, 2 * ahead.depth), most)
        ahead.upto = following[-1] if following else index
        yield from (self.state.imagined(parent, construct, other) for other in following)

    @staticmethod
    def _lane_of(scope: ScopeState) -> tuple[ScopeState, int, int] | None:
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None or construct.kind == "subflow":
            return None
        if construct.kind == "loop":
            return parent, construct.entry, 0
        return parent, construct.entry, (scope.index or 0) % lanes_of(parent.outcomes[construct.entry])

    async def _open(self, scope: ScopeState, batch: Construct) -> None:
        """Begin with the items of a batch that was entered, as many of them as are wanted."""
        state, entry = self.state, scope.outcomes[batch.entry]
        total, lanes = total_of(entry), lanes_of(entry)
        gather = scope.scope.vertices[batch.exit]
        left = self._known.get(scope.key(gather))
        if self.due_only and left is not None and left.error is None and not left.void:
            scope.pass_items(batch, total, slice(total))  # all of them have ended: somebody has gathered
            state.tell(scope, gather)
        elif self.record.redrive_of is not None and lanes < total:
            # What was begun again from may lie anywhere before items that are kept.
            for index in sorted(await begun_items(self.records, self.record.run_id, state, scope, batch, range(total))):
                state.child(scope, batch, index)
            state.open(scope, batch)
        else:
            if self.due_only and lanes < total:
                ends = await ends_of_lanes(self.records, self.record.run_id, state, scope, batch)
                if sum(ends) < total:  # else the gather may be due, which goes by every item
                    state.pass_items(scope, batch, ends)
            state.open(scope, batch)

    # --- feeding --------------------------------------------------------------------------------------------------

    async def _feed(self, instances: Iterable[Instance]) -> None:
        """Feed the outcomes of ready instances, and of those that become ready in scopes that were read."""
        state = self.state
        state.ready.extend(instances)
        while state.ready or state.wanted or state.to_undo:
            while state.wanted:
                await self._claim(state.wanted.popleft())
            if not state.ready:
                await self._hear_of_undone()
                continue
            instance = state.ready.popleft()
            outcome = self._known.get(instance.key) if instance.scope in self._read else None
            if outcome is not None:
                state.add(*instance, outcome)
            elif instance.scope not in self._read:
                self._waiting.setdefault(instance.scope, []).append(instance)
            elif not self._is_due_known:
                self._due.append(instance)

    async def _hear_of_undone(self) -> None:
        """Learn which of the calls that undo themselves have done so."""
        calls = list(self.state.to_undo)
        self.state.to_undo.clear()
        undone = await are_undone(self.records, self.record.run_id, calls) if calls else []
        self._to_undo += [call for call in calls if call not in undone]
        for call in undone:
            self.state.undone(call)

    async def _claim(self, claim: Claim) -> None:
        state, (scope, join, _) = self.state, claim
        if not scope.prefix.startswith(self.root):
            return  # around the call that is asked about
        key = scope.key(join)
        for slot, place in self._claims.pop(key, {}).items():
            state.claim(scope, join, slot, place)
        is_due = not self._is_due_known and (self.stopped or state.phase is Phase.RUNNING)
        while self.claimant is not None and is_due and (free := claim.slot) is not None:
            held = await self.records.put_claim(self.record.run_id, key, free, claim.place, self.claimant)
            state.claim(scope, join, free, held.value)
        if claim.slot is not None and not self._is_due_known:
            self._unclaimed.append(claim)

    def _kept_behind(self) -> list[Instance]:
        """The starts of items that a fork keeps and that stand in their lane behind one that it begins again.

        Nothing leads to them before that one has ended, and what follows from them is not due.
        """
        return [
            scope.at(start)
            for scope in self.state.root.walk()
            if scope.construct is not None and scope.construct.kind == "batch"
            for start in scope.scope.starts
            if start not in scope.told and scope.at(start).key in self._known
        ]

    # --- letting go -----------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        ended = self.state.left
        while ended:
            item = ended.popleft()
            inside = list(item.walk())
            if self.passing is None or not all(scope in self._read for scope in inside):
                continue
            if self.state.may_let_go(item) and self.passing.lets_go(item):
                self.state.let_go(item)
                self._forget(inside)

    def _forget(self, scopes: Iterable[ScopeState]) -> None:
        for scope in scopes:
            self._read.discard(scope)
            for construct in scope.scope.constructs:
                lanes = lanes_of(scope.outcomes[construct.entry]) if construct.entry in scope.outcomes else 0
                for lane in range(lanes if construct.kind == "batch" else 1):
                    self._ahead.pop((scope, construct.entry, lane), None)
            for instance in scope.instances():
                self._known.pop(instance.key, None)
                self._claims.pop(instance.key, None)

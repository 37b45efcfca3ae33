"""What follows from an outcome: values are applied, edges followed, slots claimed, joins arrived at.

What becomes ready is the pure code's to say, from what this job knows; a join that it cannot decide is left to whoever
arrives there last.
"""

from __future__ import annotations

import attrs

from ..clock import Clock
from ..graph.facts import Outcome
from ..graph.instances import Arrival, Claim, FailedItem, Instance, Phase, ScopeState
from ..graph.lanes import total_of
from ..graph.partial import arrived, holds_up
from ..graph.scopes import Kind
from ..jobs import Job
from ..logging.journal import Journal
from ..ports import Backend
from .ends import send_stop
from .sets import JoinSets
from .signals import stop_call
from .storage import Records, StaleReadError, Stored
from .view import RunView, UnknownInstanceError

# Joins up to this many ways in are looked up by whoever finds their set empty; wider ones wait for the reconciler.
_HEALED = 100

# How soon after its outcome was written an instance has arrived at the joins behind it, seconds. If whoever wrote it
# died meanwhile, the redelivery of its job arrives; if the set was wiped meanwhile, the reconciler finds the join.
_ARRIVES_WITHIN = 5.0


@attrs.define(eq=False)
class Advance:
    """Goes on from outcomes under one job.

    Attributes:
        backend: Where a call that has failed is stopped.
        records: The backend's records.
        sets: The backend's join sets.
        clock: Tells the time.
        view: What is known of the run.
        job: The job.
        journal: Is told what happens.
        is_again: The job was delivered before.
    """

    backend: Backend
    records: Records
    sets: JoinSets
    clock: Clock
    view: RunView
    job: Job
    journal: Journal
    is_again: bool = False
    _arrivals: list[Arrival] = attrs.field(factory=list)  # at joins that wait for what the job goes on with

    async def over(self, instance: Instance, stored: Stored[Outcome], *, goes_on: bool = False) -> list[Instance]:
        """Apply an outcome's context values, resolve its edges, and give what became ready by them.

        Args:
            instance: The instance.
            stored: Its outcome.
            goes_on: If one instance becomes ready, the job goes on with it. What arrives at joins that wait for that
                one is kept until it is known to be needed: the job may come by there itself.
        """
        outcome, state = stored.value, self.view.state
        if outcome.sets:
            await self._apply(instance, outcome)
        self.view.take_in(instance, outcome)
        state.follow(*instance)
        ready = await self._news()
        return await self._arrive_all(ready, goes_on=goes_on) if self._arrivals else ready

    async def _arrive_all(self, ready: list[Instance], *, goes_on: bool = False) -> list[Instance]:
        """Arrive at the joins that cannot be decided yet; gives what is ready, with what became so by that."""
        while self._arrivals:
            joins = {arrival.key: arrival for arrival in self._arrivals} if goes_on and len(ready) == 1 else {}
            kept = {key for key, arrival in joins.items() if holds_up(ready[0], arrival)}
            arrivals = [arrival for arrival in self._arrivals if arrival.key not in kept]
            if not arrivals:
                break
            for arrival in arrivals:
                if not self.view.state.has_told(arrival):
                    await self._arrive(arrival, together=goes_on)
            self._arrivals = [arrival for arrival in self._arrivals if arrival.key in kept]
            ready = [*ready, *await self._news()]
        return ready

    async def rest(self) -> list[Instance]:
        """Arrive where the job has not come by itself, since it does not go on; gives what became ready by that."""
        if not self._arrivals or self.view.state.phase is not Phase.RUNNING:
            return []
        return await self._arrive_all([])

    async def _news(self) -> list[Instance]:
        """What became ready by what the state was told; what it cannot decide is noted as arrivals."""
        state = self.view.state
        ready: list[Instance] = []
        while state.ready or state.wanted or state.failing or state.to_undo:
            ready += state.ready
            state.ready.clear()
            while state.wanted:
                await self._claim(state.wanted.popleft())
            while state.failing:
                await self._note_failed(state.failing.popleft())
            if state.to_undo:
                await self._undo_call(state.to_undo.popleft())
        self._arrivals += state.arrivals
        state.arrivals.clear()
        return [found for found in ready if not found.scope.is_unneeded(found.vertex)]

    async def _claim(self, claim: Claim) -> None:
        """Claim a slot of a join of some for an edge; whoever brought the edge that holds the last slot goes on."""
        scope, join, link = claim
        while (slot := claim.slot) is not None:
            standing = await self.records.put_claim(self.job.run_id, scope.key(join), slot, claim.place, self.job.id)
            self.view.state.learn_claim(scope, join, slot, standing.value)
        winners = scope.winners(join)
        if winners and scope.claims[join.index][join.quorum - 1] == claim.place and join.index not in scope.fired:
            await self.view.learn(scope.at(winner.source) for winner in winners)
            if join.index not in scope.fired:
                raise StaleReadError(f"run {self.job.run_id!r}: what led to {scope.key(join)!r} is not visible yet")
        self.view.state.tell(scope, join, link)

    async def _apply(self, instance: Instance, outcome: Outcome | None) -> None:
        if outcome is not None and outcome.sets:
            scope, vertex = instance
            await self.records.apply(self.job.run_id, scope.namespace.prefix, scope.position(vertex), outcome.sets)

    async def _arrive(self, arrival: Arrival, *, together: bool) -> None:
        """Arrive at a join; with others only if this is the first time, see ``JoinSets``."""
        incarnation = self.view.record.incarnation
        if together:
            size = await self.sets.add_together(incarnation, arrival)
        else:
            size = await self.sets.add(incarnation, [arrival])
        scope, vertex = arrival.scope, arrival.vertex
        if size.is_full:
            self.view.hear()
            is_resolved = await self.view.resolve(scope, vertex, all_came=True)
            if not is_resolved and not (vertex is None and self.view.state.is_being_undone(scope)):
                raise StaleReadError(f"run {self.job.run_id!r}: not all that leads to {arrival.key!r} is visible yet")
            self.view.state.tell(scope, vertex)
        elif size.was_empty and _ways_in(arrival) <= _HEALED and not self._is_young():
            # The first to arrive, or the set was wiped or has expired: the facts tell, and fill the set again. Of what
            # ended just now somebody else is about to arrive, who is left to: else both would go on with the join.
            learned = await self.view.glance(scope, vertex, before=self.clock.now() - _ARRIVES_WITHIN)
            # Whoever wrote them may have died before their values were applied, and this arrives in their stead.
            for instance in learned:
                await self._apply(instance, instance.scope.outcomes.get(instance.vertex.index))
            others = [other for other in arrived(arrival) if other != arrival]
            if others:
                await self.sets.add(self.view.record.incarnation, others)
            if self.view.is_resolved(scope, vertex):
                self.view.state.tell(scope, vertex)

    def _is_young(self) -> bool:
        """Whether nothing of the run can have ended that somebody is not about to arrive with; a fork begins old."""
        record = self.view.record
        return record.redrive_of is None and self.clock.now() - record.started < _ARRIVES_WITHIN

    async def _undo_call(self, call: ScopeState) -> None:
        """A call has failed that is undone before that counts: go on if it is, else stop it; who undoes it goes on."""
        view = self.view
        if view.state.phase is not Phase.RUNNING:
            return  # it is undone with the run
        if await stop_call(self.backend, self.records, view.record, call, self.clock, self.journal):
            return
        if await view.is_undone(call):
            view.state.undone(call)
        elif self.is_again:  # whoever has stopped it may have died before they said so to anybody
            await send_stop(self.backend, view.record, self.clock, root=call.prefix)

    async def behind(self, root: str) -> list[Instance]:
        """What becomes ready by it that a call is undone.

        Raises:
            UnknownInstanceError: There is no such call.
            StaleReadError: That it is undone is not visible yet, or what has happened in it.
        """
        call = await self.view.find_call(root)
        if call is None:
            raise UnknownInstanceError(f"run {self.job.run_id!r} has no call {root!r}")
        self.view.hear()
        if not await self.view.resolve(call, None):
            raise StaleReadError(f"run {self.job.run_id!r}: that {root!r} is undone is not visible yet")
        self.view.state.tell(call, None)
        return await self._arrive_all(await self._news())

    async def _note_failed(self, item: FailedItem) -> None:
        """Note that an item of a batch has failed; if that is one too many, the facts of its items say so.

        Who comes to the gather finds out in any case. This is for a batch that need not go on until then.
        """
        scope, vertex, index, tolerated = item
        if await self.sets.are_more(self.view.record.incarnation, f"{scope.key(vertex)}:failed", index, tolerated):
            await self.view.resolve(scope, vertex)
            self.view.state.tell(scope, vertex)


def _ways_in(arrival: Arrival) -> int:
    """How many instances are looked up to decide about a join; of a batch's gather each of its items."""
    scope, vertex = arrival.scope, arrival.vertex
    if vertex is None or vertex.kind is not Kind.EXIT or vertex.construct is None:
        return arrival.total
    return total_of(scope.outcomes[vertex.construct.entry])

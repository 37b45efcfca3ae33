"""Joins of some of their edges that are counted wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable.storage import Records, Stored
from flowcraft_core.graph.instances import Instance, Mark, ScopeState
from flowcraft_core.graph.scopes import Link, Vertex
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (ScopeState, "winners"),
    caught_by=BackendContract.test_a_join_of_two_goes_on_with_two_edges_in_the_flows_order,
    name="engine.InputInTheOrderOfArrival",
)
def by_arrival(original: Any, self: ScopeState, join: Vertex) -> tuple[Link, ...]:
    """Lists the edges of a join of some as they came, and not as the blueprint has them."""
    slots = self.claims.get(join.index, {})
    return tuple(join.incoming[slots[slot]] for slot in sorted(slots)) if original(self, join) else ()


@replaces(
    (Records, "put_claim"),
    caught_by=BackendContract.test_a_join_of_two_goes_on_with_two_edges_in_the_flows_order,
    name="storage.SlotsShareARecord",
)
async def one_record(
    original: Any, self: Records, run_id: str, key: str, slot: int, place: int, job: str
) -> Stored[int]:
    """Stores who holds a slot of a join under the key of the first one."""
    stored: Stored[int] = await original(self, run_id, key, 0, place, job)
    return stored


@replaces(
    (RunState, "_joined"),
    caught_by=BackendContract.test_a_join_of_two_that_gets_one_fails_with_the_errors,
    name="engine.TooFewEdgesAreNone",
)
def none_taken(original: Any, self: RunState, scope: ScopeState, join: Vertex) -> Mark | None:
    """Takes a join of some that gets too few of its edges for dead."""
    mark: Mark | None = original(self, scope, join)
    return Mark.SKIPPED if join.quorum and mark is Mark.BLOCKED else mark


@replaces(
    (RunState, "_leave_open"),
    caught_by=BackendContract.test_a_join_of_two_that_gets_one_fails_with_the_errors,
    name="engine.EdgesThatHoldASlotDoNotArrive",
)
def no_arrival(original: Any, self: RunState, scope: ScopeState, target: Vertex, link: Link | None) -> None:
    """Leaves it out of the join's set that an edge has come which holds a slot, so that nobody sees it full."""
    before = len(self.arrivals)
    original(self, scope, target, link)
    while target.quorum and link is not None and scope.mark_of(link) is Mark.TAKEN and len(self.arrivals) > before:
        self.arrivals.pop()


@replaces(
    (forking_module, "kept_claims"),
    caught_by=BackendContract.test_a_fork_of_a_join_of_two_counts_an_edge_that_it_keeps_once,
    name="engine.KeptEdgeHoldsTwoSlots",
)
def twice(original: Any, state: RunState, without: set[tuple[int, int]]) -> Iterator[tuple[Instance, tuple[int, ...]]]:
    """Lets an edge whose source a fork keeps hold a second slot there."""
    for join, places in original(state, without):
        yield join, (places * join.vertex.quorum)[: join.vertex.quorum]

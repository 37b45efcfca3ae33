"""Engines that begin too many items of a batch, lose its lanes, or pay for each item what a lane is to cost."""

from __future__ import annotations

from typing import Any

from flowcraft_core.durable import whole as whole_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.sets import JoinSets
from flowcraft_core.durable.storage import Records
from flowcraft_core.graph import decisions
from flowcraft_core.graph import lanes as lanes_module
from flowcraft_core.graph.instances import Arrival, Instance, ScopeState
from flowcraft_core.graph.scopes import Construct, Vertex
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (decisions, "lanes_for"),
    (lanes_module, "lanes_for"),
    caught_by=BackendContract.test_no_more_items_than_lanes_are_under_way,
    name="engine.AllItemsAtOnce",
)
def all_at_once(original: Any, batch: Construct, total: int) -> int:
    """Gives each item a lane of its own, whatever the batch says."""
    return total


@replaces(
    (RunState, "_go_on_in_lane"),
    caught_by=BackendContract.test_a_lane_goes_on_under_its_job_and_arrives_once,
    name="engine.EachItemArrives",
)
def each_arrives(
    original: Any, self: Any, scope: ScopeState, batch: Construct, exit_: Vertex, item: ScopeState
) -> None:
    """Has each item of a lane arrive at the gather, and not its end alone."""
    before = len(self.arrivals)
    original(self, scope, batch, exit_, item)
    if len(self.arrivals) == before and self._reports_arrivals():
        lanes = lanes_module.lanes_of(scope.outcomes[batch.entry])
        # At a join of its own, of which nobody ever sees the end: what it costs is the same.
        self.arrivals.append(Arrival(scope, exit_, scope.key(exit_) + ":items", item.index or 0, 1_000 * lanes))


@replaces(
    (RunState, "_go_on_in_lane"),
    caught_by=BackendContract.test_a_failed_item_under_tolerance_does_not_stop_its_lane,
    name="engine.LaneStopsAtAFailure",
)
def stops(original: Any, self: Any, scope: ScopeState, batch: Construct, exit_: Vertex, item: ScopeState) -> None:
    """Goes on with a lane only after an item that has not failed."""
    if not item.failures:
        original(self, scope, batch, exit_, item)


@replaces(
    (JoinSets, "are_more"),
    caught_by=BackendContract.test_one_failure_too_many_ends_the_run_and_begins_nothing_new,
    name="engine.FailuresCountedAtTheGather",
)
async def at_the_gather(original: Any, self: Any, incarnation: str, name: str, member: int, tolerated: int) -> bool:
    """Finds out only at the end of all lanes that too many items have failed."""
    return False


@replaces(
    (RunState, "_is_there"),
    caught_by=BackendContract.test_an_item_whose_turn_has_not_come_is_not_begun,
    name="engine.ItemBegunByAnyJob",
)
def by_any_job(original: Any, self: Any, scope: ScopeState) -> bool:
    """Begins whatever item a job names, once the batch was entered."""
    is_there: bool = original(self, scope)
    parent, construct = scope.parent, scope.construct
    if parent is None or construct is None or construct.kind != "batch":
        return is_there
    return construct.entry in parent.outcomes


@replaces(
    (RunState, "_go_on_in_lane"),
    caught_by=BackendContract.test_a_lost_lane_is_found_by_the_reconciler,
    name="reconciler.LanesAreForWorkers",
)
def for_workers(original: Any, self: Any, scope: ScopeState, batch: Construct, exit_: Vertex, item: ScopeState) -> None:
    """Leaves it to workers to go on with a lane, also where none of them is left."""
    if not self._whole:
        original(self, scope, batch, exit_, item)


@replaces(
    (whole_module, "ends_of_lanes"),
    caught_by=BackendContract.test_a_reconciler_finds_where_lanes_stand_without_going_along_them,
    name="reconciler.GoesAlongEachLane",
)
async def goes_along(
    original: Any, records: Records, run_id: str, state: RunState, scope: ScopeState, batch: Construct
) -> list[int]:
    """Reads a lane item by item, to find the one at which it stands."""
    return [0] * lanes_module.lanes_of(scope.outcomes[batch.entry])


@replaces(
    (Engine, "_may_be_kept"),
    caught_by=BackendContract.test_a_fork_from_one_item_keeps_those_behind_it,
    name="fork.DoesTheRestOfTheLaneAgain",
)
def does_again(original: Any, self: Any, instance: Instance) -> bool:
    """Does again what it has kept of a lane behind the item that it begins again."""
    return False

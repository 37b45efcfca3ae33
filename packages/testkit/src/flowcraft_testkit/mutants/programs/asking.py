"""Workers and reconcilers that ask too little about a run of which they know nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from flowcraft_core.blueprint import SLEEP, WAIT
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable import resuming as resuming_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.runs import RunRecord
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.view import RunView
from flowcraft_core.graph import partial as partial_module
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.scopes import Construct, Kind, Reference
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (reconciler_module, "whole_state"),
    caught_by=BackendContract.test_a_join_that_was_reached_and_never_claimed_is_claimed_by_a_reconciler,
    name="reconciler.LeavesJoinsUnclaimed",
)
async def unclaimed(
    original: Any, record: RunRecord, records: Records, *, claimant: str | None = None, **options: bool
) -> RunState:
    """Leaves the claim of a join to a worker, who may have died."""
    state: RunState = await original(record, records, **options)
    return state


@replaces(
    (RunState, "_fire"),
    caught_by=BackendContract.test_a_node_with_one_way_into_an_open_race_is_no_loser,
    name="engine.LoserCountedTwice",
)
def counted_twice(original: Any, self: RunState, scope: ScopeState, join: int) -> None:
    """Counts a fired join twice among the ways on from a node, when a worker looks facts up."""
    original(self, scope, join)
    vertices = scope.scope.vertices
    for source in (vertices[link.source] for link in vertices[join].incoming):
        if not self._whole and len(source.out) == 2:
            scope.begin_races()
            scope.unneeded.add(source.index)


@replaces(
    (RunState, "_is_there"),
    caught_by=BackendContract.test_a_pass_begins_only_with_what_the_pass_before_has_handed_on,
    name="engine.PassTakenForGranted",
)
def taken_for_granted(original: Any, self: RunState, scope: ScopeState) -> bool:
    """Begins a pass though the verdict of the one before is not visible yet."""
    return True


@replaces(
    (partial_module, "_by_id"),
    caught_by=BackendContract.test_a_node_in_a_loop_can_be_named_from_elsewhere,
    name="engine.LoopWithoutItsEntry",
)
def without_entry(
    original: Any, state: RunState, asker: Instance, scope: ScopeState, node_id: str
) -> Iterator[Instance]:
    """Looks for a node in a loop by the loop's exit alone."""
    return (found for found in original(state, asker, scope, node_id) if found.vertex.kind is not Kind.ENTRY)


@replaces(
    (partial_module, "last_pass"),
    caught_by=BackendContract.test_a_node_in_a_loop_can_be_named_from_elsewhere,
    name="engine.LoopThatLedNowhere",
)
def led_nowhere(original: Any, scope: ScopeState, loop: Construct) -> ScopeState | None:
    """Does not look into a loop that ended without an outcome."""
    return None if loop.exit in scope.marks else original(scope, loop)


@replaces(
    (partial_module, "_references"),
    caught_by=BackendContract.test_a_call_hands_out_what_its_outputs_name,
    name="engine.CallHandsOutItsEnds",
)
def only_ends(original: Any, instance: Instance) -> Iterator[tuple[ScopeState, Collection[Reference]]]:
    """Reads the last nodes of a call only, whatever its outputs name."""
    return iter(()) if instance.vertex.kind is Kind.EXIT else original(instance)


@replaces(
    (RunView, "refresh"),
    caught_by=BackendContract.test_the_edges_of_a_wait_see_the_context_values_of_what_came_before,
    name="engine.WaitsSeeNoContext",
)
async def see_nothing(original: Any, self: RunView, instance: Instance) -> None:
    """Chooses the edges of a wait or a sleep without reading what their conditions name."""
    if instance.vertex.node.uses not in (WAIT, SLEEP):
        await original(self, instance)


@replaces(
    (RunView, "hear"),
    caught_by=BackendContract.test_who_answers_before_a_wait_is_reached_sees_what_came_before_it,
    name="client.WaitsFromItsFirstLookOnly",
)
def first_look_only(original: Any, self: RunView, when: float | None = None) -> None:
    """Waits for what others have written until it began to look, though it has seen since that they went on."""
    if when is not None or not self._settled:
        original(self, when)


@replaces(
    (RunView, "_take_in"),
    caught_by=BackendContract.test_who_learns_of_news_on_the_way_sees_what_came_before_it,
    name="engine.NewsTakenForOld",
)
def taken_for_old(original: Any, self: RunView, instance: Instance, outcome: Outcome) -> None:
    """Takes what it looks up on its way for as old as the job that it works on."""
    self.state.learn(*instance, outcome)


@replaces(
    (Engine, "_is_news"),
    caught_by=BackendContract.test_what_goes_on_from_a_wait_is_not_lost_where_it_cannot_be_seen_yet,
    name="engine.UnseenResumptionTakenForNone",
)
def no_news(original: Any, self: Engine) -> bool:
    """Takes a wait whose resumption it does not see for one that is open."""
    return False


@replaces(
    (Engine, "_is_news"),
    caught_by=BackendContract.test_an_answer_that_takes_long_shows_what_stood_when_it_was_asked_for,
    name="engine.OldAnswerTakenForNew",
)
def as_of_now(original: Any, self: Engine) -> bool:
    """Takes what it was told for what stands when it was told."""
    return self.clock.now() - self.job.first_seen < self.records.store.limits.staleness


@replaces(
    (JobHandler, "_once_visible"),
    caught_by=BackendContract.test_what_cannot_be_seen_yet_is_read_again_and_not_sent_again,
    name="handler.PassesOnWhatIsNotVisible",
)
async def passes_on(original: Any, self: JobHandler, *args: Any) -> Any:
    """Sends a job again at each look at which what led to it cannot be seen yet."""
    return await args[-1]()


_FIRST_LOOKS: dict[str, list[Instance]] = {}


@replaces(
    (resuming_module, "_open_waits"),
    caught_by=BackendContract.test_a_wait_inside_a_construct_is_found_by_its_node_as_soon_as_it_is_reached,
    name="client.UnseenWaitTakenForNone",
)
async def first_look(original: Any, stored: Any, record: RunRecord, status: Any) -> list[Instance]:
    """Takes what it does not see of a run at its first look for what is not there."""
    if record.incarnation not in _FIRST_LOOKS:
        _FIRST_LOOKS[record.incarnation] = await original(stored, record, status)
    return _FIRST_LOOKS[record.incarnation]

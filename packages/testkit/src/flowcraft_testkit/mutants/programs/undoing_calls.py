"""Programs that go on behind a call that has failed before it is undone, or not once it is."""

from __future__ import annotations

from typing import Any

from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.undoing import StoppedRun
from flowcraft_core.durable.whole import whole_state
from flowcraft_core.graph.instances import ScopeState
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (RunState, "_is_to_undo"),
    caught_by=BackendContract.test_a_call_whose_failure_is_contained_is_undone_before_that_counts,
    name="undo.CallCountsAtOnce",
)
def counts_at_once(original: Any, self: Any, call: ScopeState) -> bool:
    """Goes on behind a call that has failed as if nothing of it were to be undone."""
    return False


@replaces(
    (RunState, "_is_to_undo"),
    caught_by=BackendContract.test_an_item_that_fails_is_undone_before_the_next_of_its_lane_begins,
    name="undo.LaneDoesNotWait",
)
def lane_does_not_wait(original: Any, self: Any, call: ScopeState) -> bool:
    """Has only calls of subflows wait for their undos."""
    return bool(original(self, call)) and call.index is None


@replaces(
    (StoppedRun, "_closed"),
    caught_by=BackendContract.test_what_has_lost_a_race_in_a_call_that_undoes_itself_never_happens_afterwards,
    name="undo.CallIsNotClosed",
)
async def is_not_closed(original: Any, self: Any) -> RunState:
    """Begins to undo a call in which steps may still come to their ends."""
    if self.root:
        return await whole_state(self.record, self.records, claimant=self.writer, stopped=True, root=self.root)
    state: RunState = await original(self)
    return state


@replaces(
    (StoppedRun, "_finish_call"),
    caught_by=BackendContract.test_a_call_undoes_itself_whenever_its_worker_dies,
    name="undo.CallIsNotGoneOnFromAgain",
)
async def not_gone_on_from(original: Any, self: Any, left: Any, *, again: bool) -> None:
    """Takes it for granted that whoever said that a call is undone has sent the job that goes on from there."""
    await original(self, left, again=False)


@replaces(
    (Reconciler, "_undo"),
    caught_by=BackendContract.test_a_call_that_undoes_itself_is_brought_on_by_the_reconciler_if_its_jobs_are_lost,
    name="reconciler.LeavesStoppedCalls",
)
async def leaves_calls(original: Any, self: Any, record: Any, root: str, done: Any, **options: Any) -> float | None:
    """Leaves it to workers to undo a call."""
    return None if root else await original(self, record, root, done, **options)


@replaces(
    (forking_module, "_inside"),
    caught_by=BackendContract.test_a_fork_begins_a_call_again_that_was_undone,
    name="fork.KeepsHalfOfAnUndoneCall",
)
def keeps_half(original: Any, call: ScopeState) -> Any:
    """Begins again with what was undone in a call, and keeps what it failed for."""
    return ()

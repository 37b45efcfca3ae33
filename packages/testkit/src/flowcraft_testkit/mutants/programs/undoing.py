"""Programs that undo the wrong things, in the wrong order, too late or never."""

from __future__ import annotations

from typing import Any

from flowcraft_core.durable import ends as ends_module
from flowcraft_core.durable import signals as signals_module
from flowcraft_core.durable import undoing as undoing_module
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.durable.undoing import StoppedRun
from flowcraft_core.durable.whole import whole_state
from flowcraft_core.graph.facts import Undone
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.undoing import Undoing

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (signals_module, "undoes"),
    caught_by=BackendContract.test_what_a_failed_run_has_done_is_undone_backwards_before_it_ends,
    name="undo.RunEndsAtOnce",
)
def ends_at_once(original: Any, record: Any) -> bool:
    """Ends a run without undoing what it has done."""
    return False


@replaces(
    (Undoing, "ready"),
    caught_by=BackendContract.test_what_a_failed_run_has_done_is_undone_backwards_before_it_ends,
    name="undo.AllAtOnce",
)
def all_at_once(original: Any, self: Any) -> list[Instance]:
    """Undoes all side by side."""
    scopes: list[ScopeState] = list(self.root.walk())
    return [
        scope.at(vertex.index)
        for scope in scopes
        for vertex in scope.scope.vertices
        if vertex.undo is not None and self._is_due(scope.at(vertex.index))
    ]


@replaces(
    (StoppedRun, "_closed"),
    caught_by=BackendContract.test_a_step_that_ends_after_the_stop_never_happened,
    name="undo.LeavesWhatIsReady",
)
async def leaves(original: Any, self: Any) -> Any:
    """Begins to undo a run in which steps may still come to their ends."""
    return await whole_state(self.record, self.records, claimant=self.writer, stopped=True)


@replaces(
    (Undoing, "_is_due"),
    caught_by=BackendContract.test_a_step_that_ends_in_the_moment_of_the_stop_is_undone,
    name="undo.LeavesTheLast",
)
def leaves_the_last(original: Any, self: Any, instance: Instance) -> bool:
    """Undoes only what something was begun behind: what ended as the run was stopped stays."""
    scope, vertex = instance
    behind = [link.target for link in vertex.out]
    is_last = bool(behind) and all(scope.outcomes.get(each) is None or scope.outcomes[each].void for each in behind)
    return bool(original(self, instance)) and not is_last


@replaces(
    (StoppedRun, "_go_on"),
    caught_by=BackendContract.test_undos_go_on_whenever_their_worker_dies,
    name="undo.DoesNotGoOnAgain",
)
async def does_not_go_on(original: Any, self: Any, left: Any, *, again: bool = False) -> bool:
    """Takes it for granted that whoever had the job before has gone on."""
    return again or await original(self, left, again=again)


@replaces(
    (Reconciler, "_bring_to_its_end"),
    caught_by=BackendContract.test_undos_whose_jobs_are_lost_are_found_by_the_reconciler,
    name="reconciler.LeavesStoppedRuns",
)
async def leaves_stopped(original: Any, self: Any, record: Any, end: Any, done: Any, **options: Any) -> None:
    """Leaves it to workers to undo a run."""


@replaces(
    (StoppedRun, "_put"),
    caught_by=BackendContract.test_an_undo_that_fails_is_tried_again_and_stops_no_other,
    name="undo.FailedUndoIsForgotten",
)
async def forgets(original: Any, self: Any, left: Any, instance: Instance, undone: Undone) -> None:
    """Says of an undo that has failed for good that it has not."""
    await original(self, left, instance, Undone(undone.key, undone.node_id, None, undone.attempts))


@replaces(
    (signals_module, "agree"),
    caught_by=BackendContract.test_the_first_end_of_a_run_that_is_undone_stands,
    name="undo.LastEndStands",
)
async def last_stands(original: Any, records: Any, run_id: str, end: ends_module.End, root: str = "") -> Any:
    """Takes each end for the first one."""
    standing, is_first = await original(records, run_id, end, root)
    return (standing, True) if is_first else (end, True)


@replaces(
    (undoing_module, "undone_among"),
    caught_by=BackendContract.test_a_run_is_undone_no_further_once_that_is_abandoned,
    name="undo.DoesNotHearOfItsEnd",
)
async def does_not_hear(original: Any, records: Any, run_id: str, keys: Any) -> Any:
    """Goes on with undos that were abandoned."""
    undone, _ = await original(records, run_id, keys)
    return undone, None


@replaces(
    (JobHandler, "say_stopped"),
    caught_by=BackendContract.test_undos_go_on_though_the_redelivery_is_slow,
    name="undo.RedeliveryOfAStoppedRunDropped",
)
async def dropped(original: Any, self: Any, record: Any) -> None:
    """Drops what was redelivered of a run that is stopped, though nobody else may know that it is."""

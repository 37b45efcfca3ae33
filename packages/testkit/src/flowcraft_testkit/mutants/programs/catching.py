"""Engines that leave failures to nobody, hand them to the wrong ones, or decide again about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable import storage as storage_module
from flowcraft_core.durable.advancing import Advance
from flowcraft_core.durable.engine import Engine
from flowcraft_core.errors import StepTimeoutError
from flowcraft_core.execution import Executor
from flowcraft_core.graph import decisions
from flowcraft_core.graph.facts import OUTPUT, NodeError, Outcome
from flowcraft_core.graph.instances import Instance, Mark, ScopeState
from flowcraft_core.graph.scopes import Construct, Link, Vertex
from flowcraft_core.graph.state import RunState

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (ScopeState, "mark_of"),
    caught_by=BackendContract.test_a_failure_is_handled_where_its_edge_leads,
    name="engine.HandledFailureBlocks",
)
def blocks(original: Any, self: Any, link: Link) -> Mark | None:
    """Blocks the other edges of a failure that is handled, and with them every join behind."""
    mark: Mark | None = original(self, link)
    outcome = self.outcomes.get(link.source)
    return Mark.BLOCKED if mark is Mark.SKIPPED and outcome is not None and outcome.handled else mark


def _fail_by(
    keep: Callable[[Link], bool], original: Any, scope: Any, vertex: Vertex, error: Any, alone: bool
) -> Outcome:
    outcome: Outcome = original(scope, vertex, error, alone=alone)
    taken = {link.place: outcome.taken[link.place] for link in vertex.out if link.place in outcome.taken and keep(link)}
    return attrs.evolve(outcome, taken=taken)


@replaces(
    (decisions, "fail"),
    caught_by=BackendContract.test_what_always_follows_runs_after_success_and_after_failure,
    name="engine.AlwaysMeansOnSuccess",
)
def only_failure(original: Any, scope: ScopeState, vertex: Vertex, error: NodeError, *, alone: bool = False) -> Outcome:
    """Takes an edge that is always to be taken after success alone."""
    return _fail_by(lambda link: link.on == "failure", original, scope, vertex, error, alone)


@replaces(
    (decisions, "fail"),
    caught_by=BackendContract.test_a_failure_whose_edges_are_not_taken_fails_the_run,
    name="engine.ErrorNotAskedFor",
)
def whatever_error(
    original: Any, scope: ScopeState, vertex: Vertex, error: NodeError, *, alone: bool = False
) -> Outcome:
    """Takes every edge on failure, whether or not its condition holds for the error."""
    outcome: Outcome = original(scope, vertex, error, alone=alone)
    return attrs.evolve(outcome, taken={link.place: OUTPUT for link in vertex.out if link.on != "success"})


@replaces(
    (RunState, "_decide_gather"),
    caught_by=BackendContract.test_a_construct_that_fails_is_handled_once_nothing_inside_can_run,
    name="engine.HandledBeforeTheRestHasEnded",
)
def at_once(
    original: Any, self: Any, scope: ScopeState, batch: Construct, exit_: Vertex, items: Mapping[int, Any], total: int
) -> Mark | None:
    """Hands a batch's failure on while other items of it are under way."""
    mark: Mark | None = original(self, scope, batch, exit_, items, total)
    failed = scope.failed_items.get(batch.entry, ())
    return Mark.TAKEN if exit_.catches and not batch.tolerates(len(failed), total) else mark


@replaces(
    (RunState, "_decide_exit"),
    caught_by=BackendContract.test_a_pass_whose_end_a_contained_failure_blocks_ends_its_loop,
    name="engine.ContainedFailureLeavesItsLoop",
)
def leaves(original: Any, self: Any, scope: ScopeState, exit_: Vertex) -> Mark | None:
    """Blocks what follows a loop by a failure that is contained inside of it, where that blocks the end of a pass."""
    mark: Mark | None = original(self, scope, exit_)
    construct = exit_.construct
    insides = scope.inside.get(construct.entry, {}) if construct is not None and construct.kind == "loop" else {}
    last = insides[max(insides)] if insides else None
    if construct is None or last is None or last.marks.get(construct.verdict) is not Mark.BLOCKED:
        return mark
    self._pass_by(scope, exit_, Mark.BLOCKED, last.blame[construct.verdict])
    return Mark.BLOCKED


@replaces(
    (RunState, "goes_on"),
    caught_by=BackendContract.test_a_pass_that_has_failed_is_its_loops_last_whatever_its_verdict_is,
    name="engine.LostFailureOfAPass",
)
def by_its_verdict(original: Any, self: Any, scope: ScopeState, loop: Construct) -> bool:
    """Goes on to the next pass as the verdict says, also where something in this one has failed."""
    verdict = scope.outcomes.get(loop.verdict)
    return verdict is not None and bool(verdict.taken) and bool(self.has_ended(scope))


@replaces(
    (RunState, "_fails"),
    caught_by=BackendContract.test_several_failures_are_handled_together,
    name="engine.JoinFailsWithoutAnOutcome",
)
def no_outcome(
    original: Any, self: Any, scope: ScopeState, vertex: Vertex, errors: tuple[NodeError, ...]
) -> Mark | None:
    """Fails a join of some edges without asking whether an edge handles that."""
    if not vertex.quorum:
        mark: Mark | None = original(self, scope, vertex, errors)
        return mark
    self._fail(scope, vertex, errors)
    return scope.marks.get(vertex.index)


@replaces(
    (Engine, "_failure"),
    caught_by=BackendContract.test_a_step_that_kills_its_process_is_handled_in_the_end,
    name="engine.PoisonIsHandledByNobody",
)
async def alone(original: Any, self: Any, error: Exception, instance: Instance, number: int) -> Outcome:
    """Lets what fails without being executed take no edge."""
    outcome: Outcome = await original(self, error, instance, number)
    return attrs.evolve(outcome, taken={})


@replaces(
    (Executor, "failure"),
    caught_by=BackendContract.test_timeouts_and_what_cannot_be_stored_are_handled,
    name="engine.TimeoutIsHandledByNobody",
)
def not_timeouts(original: Any, self: Any, error: BaseException, instance: Instance, number: int) -> Outcome:
    """Takes a timeout for an end of the run's, and not for a failure of the node's."""
    outcome: Outcome = original(self, error, instance, number)
    return attrs.evolve(outcome, taken={}) if isinstance(error, StepTimeoutError) else outcome


@replaces(
    (Advance, "rest"),
    caught_by=BackendContract.test_what_is_skipped_arrives_although_the_job_that_saw_it_waits,
    name="engine.SkippedEdgesKept",
)
async def keeps(original: Any, self: Any) -> list[Instance]:
    """Keeps to itself what it has seen skipped, also where it does not come by there any more."""
    return []


@replaces(
    (storage_module, "outcome_from_record"),
    caught_by=BackendContract.test_a_handled_failure_survives_whoever_found_it,
    name="engine.HandledOnlyWhereItFailed",
)
def forgotten(original: Any, record: Mapping[str, Any], decode: Callable[[Any], Any]) -> Outcome:
    """Reads the outcome of a failure without the edges that it took."""
    outcome: Outcome = original(record, decode)
    return outcome if outcome.error is None else attrs.evolve(outcome, taken={})


@replaces(
    (forking_module, "failed"),
    caught_by=BackendContract.test_a_redrive_keeps_what_failed_and_was_handled,
    name="client.RedriveOfWhatWasHandled",
)
def handled_too(original: Any, root: ScopeState) -> list[Instance]:
    """Begins a redrive again at failures that were handled, too."""
    found: list[Instance] = original(root)
    there = (instance for scope in root.walk() for instance in scope.instances())
    return found + [each for each in there if each.vertex.index in each.scope.outcomes and each.outcome.handled]

"""Programs that mistake, lose or leave behind answers that came before their questions."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
from flowcraft_core import ResumeError
from flowcraft_core.blueprint import WAIT
from flowcraft_core.durable import answers as answers_module
from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable import purging as purging_module
from flowcraft_core.durable import resuming as resuming_module
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.storage import Records, Stored
from flowcraft_core.execution import Executor
from flowcraft_core.graph.addresses import WaitAddress
from flowcraft_core.graph.facts import Answer, Suspension

from ...contracts import BackendContract
from ..mutant import replaces, sets


@replaces(
    (Records, "put_suspension"),
    caught_by=BackendContract.test_an_early_answer_ends_its_wait_as_soon_as_it_is_reached,
    name="engine.AnswerOverlooked",
)
async def suspended_all_the_same(original: Any, self: Any, run_id: str, key: str, suspension: Any, job: str) -> Any:
    """Suspensions a wait that was answered before it was reached."""
    standing = await original(self, run_id, key, suspension, job)
    return Stored(suspension, job, won=True) if isinstance(standing.value, Answer) else standing


@replaces(
    (Executor, "answered"),
    caught_by=BackendContract.test_an_early_answer_ends_its_wait_as_soon_as_it_is_reached,
    name="engine.ActionOfTheAnswerLost",
)
def without_action(original: Any, self: Any, instance: Any, answer: Any) -> Any:
    """Goes on with an early answer without its action."""
    return original(self, instance, attrs.evolve(answer, action=None))


@replaces(
    (Executor, "answered"),
    caught_by=BackendContract.test_an_early_answer_that_does_not_fit_fails_its_wait_by_name,
    name="engine.UnfitAnswerIsTheEnginesTrouble",
)
def unguarded(original: Any, self: Any, instance: Any, answer: Any) -> Any:
    """Takes an early answer on which an edge's expression fails for a fault of its own, and tries again."""
    return self.resume(instance, Suspension("wait", ended=self.clock.now()), answer.output, answer.action)


@replaces(
    (Records, "all_suspensions"),
    caught_by=BackendContract.test_a_wait_that_is_answered_counts_as_ready_and_not_as_suspended,
    name="reconciler.AnsweredTakenForSuspended",
)
async def answered_is_suspended(original: Any, self: Any, run_id: str, instances: Any) -> Any:
    """Takes a wait that was answered before it was reached for one that waits for someone."""
    waits = [instance.key for instance in instances if instance.vertex.node.uses == WAIT]
    answered = {key: [Suspension("wait")] for key in await self.answers(run_id, waits)}
    return {**answered, **await original(self, run_id, instances)}


@replaces(
    (answers_module, "answer_early"),
    (resuming_module, "answer_early"),
    caught_by=BackendContract.test_an_answer_and_its_question_may_meet_at_any_moment,
    name="client.EarlyAnswerToAnOpenWaitLost",
)
async def too_late(original: Any, records: Any, record: Any, key: str, answer: Any, **options: Any) -> None:
    """Leaves a wait as it is that was reached by the time it is answered early."""
    await original(records, record, key, answer, **options)


@replaces(
    (Client, "resume"),
    caught_by=BackendContract.test_of_racing_early_answers_one_stands,
    name="client.SecondAnswerUntold",
)
async def untold(original: Any, self: Any, run_id: str, key: str, **options: Any) -> None:
    """Does not tell the second who answers early that he was second."""
    with contextlib.suppress(ResumeError) if options.get("early") else contextlib.nullcontext():
        await original(self, run_id, key, **options)


@replaces(
    (Records, "put_answer"),
    caught_by=BackendContract.test_of_racing_early_answers_one_stands,
    name="client.LastAnswerStands",
)
async def last_stands(original: Any, self: Any, run_id: str, key: str, answer: Any) -> Any:
    """Puts an early answer in the place of an earlier one."""
    standing = await original(self, run_id, key, answer)
    if not standing.won and isinstance(standing.value, Answer):
        await self.delete(run_id, [f"{key}:suspension"])
        standing = await original(self, run_id, key, answer)
    return standing


@replaces(
    (answers_module, "wait_at"),
    caught_by=BackendContract.test_an_early_answer_to_what_is_no_wait_is_refused_by_name,
    name="client.AnyNameAnswered",
)
def any_name(original: Any, graph: Any, graphs: Any, key: str) -> Any:
    """Keeps early answers to what the run's flow does not have."""
    try:
        return original(graph, graphs, key)
    except ResumeError:
        return WaitAddress(key, graph.root.vertices[0], False)


@replaces(
    (answers_module, "wait_at"),
    caught_by=BackendContract.test_early_answers_reach_waits_inside_of_constructs,
    name="client.AnswerUnderTheKeyAsWritten",
)
def as_written(original: Any, graph: Any, graphs: Any, key: str) -> Any:
    """Puts an early answer under the key as somebody wrote it, and not as its wait is called."""
    return attrs.evolve(original(graph, graphs, key), key=key)


@replaces(
    (purging_module, "noted_answers"),
    caught_by=BackendContract.test_answers_that_nobody_asks_for_do_nothing_and_go_with_a_purge,
    name="client.UnusedAnswersNotPurged",
)
async def left_behind(original: Any, records: Any, run_id: str) -> list[str]:
    """Purges the answers of instances that there were, and leaves the others."""
    return []


@replaces(
    (forking_module, "copy_answers"),
    caught_by=BackendContract.test_a_fork_keeps_the_answers_that_nobody_has_asked_for,
    name="client.ForkForgetsAnswers",
)
async def forgotten(original: Any, records: Any, record: Any, state: Any, run_id: str) -> None:
    """Forks a run without the answers to what it has not asked yet."""


sets(
    forking_module,
    "WAIT",
    "no node uses this",
    caught_by=BackendContract.test_a_fork_keeps_the_answers_that_nobody_has_asked_for,
    name="client.KeptWaitAnsweredAgain",
    defect="Takes an early answer to a wait that a fork keeps as done, and does not tell that it came too late.",
)

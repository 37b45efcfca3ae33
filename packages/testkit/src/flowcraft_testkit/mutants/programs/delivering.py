"""Handlers of messages that drop, repeat or misjudge them."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import handler as handler_module
from flowcraft_core.durable import transient as transient_module
from flowcraft_core.durable.engine import Done
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.storage import StaleReadError
from flowcraft_core.errors import TransientError
from flowcraft_core.execution import Executor

from ...contracts import BackendContract
from ..mutant import replaces, sets


@replaces(
    (JobHandler, "handle"),
    caught_by=BackendContract.test_who_loses_a_commit_looks_again,
    name="handler.LoserAcknowledges",
)
async def loser_is_done(original: Any, self: Any, *message: Any, **options: Any) -> Done:
    """Acknowledges a job whose commit somebody else has won."""
    done: Done = await original(self, *message, **options)
    return Done.ACKNOWLEDGE if done is Done.LOOK_AGAIN else done


@replaces(
    (JobHandler, "_pass_on"),
    caught_by=BackendContract.test_a_predecessor_that_is_not_visible_yet_is_waited_for,
    name="handler.StaleReadTakenForAbsence",
)
async def dropped(original: Any, self: Any, job: Any, error: Exception, queue: str) -> None:
    """Drops a job whose predecessor it does not see."""
    if not isinstance(error, StaleReadError):
        await original(self, job, error, queue)


@replaces(
    (JobHandler, "_pass_on"),
    caught_by=BackendContract.test_a_job_is_passed_on_to_a_worker_that_has_its_step,
    name="handler.PassedOnByVisibility",
)
async def shown_again(original: Any, self: Any, job: Any, error: Exception, queue: str) -> None:
    """Leaves a job that it cannot do to its visibility, which burns its count."""
    raise TransientError("later")


sets(
    handler_module,
    "PASS_ON_LIMIT",
    -1.0,
    caught_by=BackendContract.test_a_job_is_passed_on_to_a_worker_that_has_its_step,
    name="handler.MissingStepFailsTheRun",
    defect="Fails a run at the first worker that lacks one of its steps.",
)

sets(
    handler_module,
    "PASS_ON_LIMIT",
    1e12,
    caught_by=BackendContract.test_a_job_that_nobody_can_do_fails_its_run_by_name_in_the_end,
    name="handler.PassedOnForEver",
    defect="Passes a job on without end that no worker can do.",
)


@replaces(
    (JobHandler, "_pass_on"),
    caught_by=BackendContract.test_a_job_is_not_given_up_for_a_clock_that_is_ahead,
    name="handler.PassedOnByTheClock",
)
async def by_the_clock(original: Any, self: Any, job: Any, error: Exception, queue: str) -> None:
    """Takes for how long a job has been passed on from the clocks of two workers."""
    waited = self._clock.now() - job.first_seen if job.hops else 0.0
    await original(self, attrs.evolve(job, passed_on=waited), error, queue)


@replaces(
    (JobHandler, "_bury"),
    caught_by=BackendContract.test_what_is_no_job_becomes_a_dead_letter_with_its_reason,
    name="handler.DeadLettersDropped",
)
async def forgotten(original: Any, self: Any, body: str, reason: str) -> None:
    """Throws away what is no job."""


@replaces(
    (JobHandler, "_bury"),
    caught_by=BackendContract.test_what_is_no_job_becomes_a_dead_letter_with_its_reason,
    name="handler.MalformedComesAgain",
)
async def comes_again(original: Any, self: Any, body: str, reason: str) -> None:
    """Lets what is no job come again and again."""
    raise TransientError("not now")


@replaces(
    (JobHandler, "_bury"),
    caught_by=BackendContract.test_a_job_of_a_run_or_an_instance_that_cannot_be_is_set_aside,
    name="handler.DeadLetterWithoutAReason",
)
async def unexplained(original: Any, self: Any, body: str, reason: str) -> None:
    """Keeps a dead letter, and not why it is one."""
    await original(self, body, "dead letter")


@replaces(
    (JobHandler, "_is_live"),
    caught_by=BackendContract.test_a_run_that_is_cancelled_before_it_begins_never_does,
    name="handler.EndedRunGoesOn",
)
async def always_live(original: Any, self: Any, job: Any, record: Any) -> bool:
    """Works on jobs of runs that have ended."""
    return True


@replaces(
    (JobHandler, "_is_live"),
    caught_by=BackendContract.test_a_cancelled_run_that_sleeps_or_waits_does_not_go_on,
    name="handler.TimerIsNews",
)
async def takes_for_news(original: Any, self: Any, job: Any, record: Any) -> bool:
    """Takes a job that was sent long before it is due for one that was sent just now."""
    return bool(await original(self, attrs.evolve(job, timer=False), record))


@replaces(
    (JobHandler, "_is_settled"),
    caught_by=BackendContract.test_what_is_due_after_a_purge_comes_to_nothing,
    name="handler.PurgedRunIsLookedFor",
)
def looked_for(original: Any, self: Any, job: Any, looked: float) -> bool:
    """Takes what is gone for what is not visible yet."""
    return False


@replaces(
    (JobHandler, "say_busy"),
    caught_by=BackendContract.test_what_workers_get_on_with_is_not_sent_again,
    name="handler.WorksInSilence",
)
def silent(original: Any, self: Any, record: Any) -> None:
    """Does not tell reconcilers that it gets on with a run."""


@replaces(
    (handler_module, "held_key"),
    caught_by=BackendContract.test_a_run_longer_than_the_longest_visibility_is_handed_over,
    name="handler.HandedOverStepStartsAgain",
)
def nobody_holds(original: Any, record: Any, key: str) -> str:
    """Begins with a step that its worker has handed over and is still at."""
    return "nobody"


@replaces(
    (JobHandler, "_record"),
    caught_by=BackendContract.test_a_run_stays_on_the_blueprint_that_it_was_started_with,
    name="handler.NewestBlueprint",
)
async def newest(original: Any, self: Any, job: Any) -> Any:
    """Runs each run on the graph that the worker brings."""
    record = await original(self, job)
    if record is None:
        return None
    graphs = {name: self._runtime.catalogue.graphs.get(name, graph) for name, graph in record.graphs.items()}
    return attrs.evolve(record, graphs=graphs)


@replaces(
    (JobHandler, "_take_up"),
    caught_by=BackendContract.test_a_run_that_was_written_by_hand_is_taken_up,
    name="handler.HandWrittenRunIgnored",
)
async def not_taken_up(original: Any, self: Any, run_id: str, blueprint_id: str) -> None:
    """Knows only runs that a client has started."""


@replaces(
    (JobHandler, "_record"),
    caught_by=BackendContract.test_a_run_that_was_written_by_hand_is_another_one_after_a_purge,
    name="handler.AnyRecordWillDo",
)
async def any_will_do(original: Any, self: Any, job: Any) -> Any:
    """Takes the record that it remembers for that of a run that was begun by hand, whichever that is."""
    remembered = None if job.nonce else self._known.get(job.run_id)
    return remembered or await original(self, job)


@replaces(
    (Executor, "_failed"),
    caught_by=BackendContract.test_a_store_that_is_away_while_a_step_reads_is_no_failure_of_the_step,
    name="step.OutageIsAFailure",
)
async def is_a_failure(original: Any, self: Any, *args: Any) -> Any:
    """Takes what a step could not read for the step's failure."""
    self.trouble = lambda: None
    return await original(self, *args)


@replaces(
    (transient_module._RetryingStatus, "_sure"),
    caught_by=BackendContract.test_an_end_whose_answer_was_lost_is_told,
    name="client.LostEndIsAnothers",
)
async def is_anothers(original: Any, self: Any, name: str, answer: Any, *args: Any, **kwargs: Any) -> Any:
    """Takes a run that it has ended itself, without hearing of it, for one that another has ended."""
    return answer

"""Programs that send jobs to other queues than they belong to, run what is not theirs, or say nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowcraft_core.durable import engine as engine_module
from flowcraft_core.durable import forking as forking_module
from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable import signals as signals_module
from flowcraft_core.durable.describing import reading as reading_module
from flowcraft_core.durable.describing import telling as telling_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.intake import Intake
from flowcraft_core.graph import queues as queues_module
from flowcraft_core.graph.instances import Instance
from flowcraft_core.ports import Message
from flowcraft_core.queues import DEFAULT_QUEUE

from ...contracts import BackendContract
from ..mutant import replaces

#: Where it is asked by which queue an instance goes.
_ASKED = (
    (signals_module, "queue_of"),
    (engine_module, "queue_of"),
    (reading_module, "queue_of"),
    (telling_module, "queue_of"),
)


@replaces(
    (Engine, "_is_elsewhere"),
    caught_by=BackendContract.test_a_node_runs_on_its_queue_and_nowhere_else,
    name="queueing.GoesOnAnywhere",
)
def goes_on_anywhere(original: Any, self: Engine, instance: Instance) -> bool:
    """Goes on with what became ready, as in a chain, whatever queue it names."""
    return False


@replaces(
    *_ASKED,
    caught_by=BackendContract.test_the_queue_of_a_node_comes_before_the_runs_and_that_before_the_flows,
    name="queueing.RunBeforeNode",
)
def run_before_node(original: Any, instance: Instance, of_run: str | None) -> str:
    """Has a run's queue stand in the place of those that its nodes name."""
    return of_run or original(instance, of_run)


@replaces(
    *_ASKED,
    caught_by=BackendContract.test_the_queue_of_a_node_comes_before_the_runs_and_that_before_the_flows,
    name="queueing.FlowForgotten",
)
def flow_forgotten(original: Any, instance: Instance, of_run: str | None) -> str:
    """Knows the queues of nodes and runs, and none of a flow."""
    queue: str = original(instance, of_run or DEFAULT_QUEUE)
    return queue


@replaces(
    (queues_module, "_named"),
    caught_by=BackendContract.test_what_is_inside_of_a_construct_runs_on_its_queue,
    name="queueing.InsideOfNothing",
)
def inside_of_nothing(original: Any, node: Any) -> str | None:
    """Has a loop's or a called flow's queue mean its own vertices, and nothing inside of it."""
    return None if node.uses in ("subflow", "loop-controller") else original(node)


@replaces(
    (signals_module, "send_suspended"),
    (engine_module, "send_suspended"),
    caught_by=BackendContract.test_a_run_stays_on_its_queue_through_waits_sleeps_retries_and_forks,
    name="queueing.WakesElsewhere",
)
async def wakes_elsewhere(
    original: Any, backend: Any, record: Any, instance: Instance, suspension: Any, clock: Any, **options: Any
) -> None:
    """Sends what is due later to the default queue."""
    await original(_Single(backend), record, instance, suspension, clock, **options)


@replaces(
    (forking_module, "queue_of_start"),
    caught_by=BackendContract.test_a_run_stays_on_its_queue_through_waits_sleeps_retries_and_forks,
    name="queueing.ForksElsewhere",
)
def forks_elsewhere(original: Any, graph: Any, of_run: str | None) -> str:
    """Begins a fork on the default queue."""
    return DEFAULT_QUEUE


@replaces(
    (JobHandler, "_send"),
    caught_by=BackendContract.test_a_job_that_cannot_be_done_is_passed_on_within_its_queue,
    name="queueing.PassedOnElsewhere",
)
async def passed_on_elsewhere(original: Any, self: JobHandler, queue: str, message: Message, *, delay: float) -> None:
    """Passes every job on by way of the default queue."""
    await original(self, DEFAULT_QUEUE, message, delay=delay)


@replaces(
    (reconciler_module, "send_jobs"),
    caught_by=BackendContract.test_what_was_lost_of_a_queue_is_sent_there_again,
    name="queueing.RevivesElsewhere",
)
async def revives_elsewhere(
    original: Any, backend: Any, record: Any, instances: Iterable[Instance], clock: Any, *, trace: Any = None, **f: Any
) -> None:
    """Sends what was lost again to the default queue."""
    await original(_Single(backend), record, instances, clock, trace=trace, **f)


@replaces(
    (reading_module, "_unserved"),
    caught_by=BackendContract.test_a_node_whose_queue_nobody_serves_waits_and_is_told,
    name="queueing.UnservedUntold",
)
async def unserved_untold(
    original: Any, store: Any, record: Any, state: Any, suspensions: Any, now: float
) -> list[str]:
    """Shows what waits for a queue that nobody serves like anything else that is next."""
    return []


@replaces(
    (Intake, "_look"),
    caught_by=BackendContract.test_a_worker_takes_from_its_first_queue_first,
    name="queueing.LastFirst",
)
async def last_first(original: Any, self: Intake, room: int) -> Any:
    """Asks its queues in the other order."""
    self.served = tuple(reversed(self.served))
    try:
        return await original(self, room)
    finally:
        self.served = tuple(reversed(self.served))


class _Single:
    """A backend all whose queues are the default one."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.queues = self

    def named(self, name: str) -> Any:
        return self._backend.queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

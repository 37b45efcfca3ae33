"""Programs that lose a run's trace, or make a second one."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core.durable import handler as handler_module
from flowcraft_core.durable import runs as runs_module
from flowcraft_core.durable import signals as signals_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.runs import Runs
from flowcraft_core.graph.instances import Phase

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (Runs, "create"),
    caught_by=BackendContract.test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent,
    name="tracing.TraceNotWrittenDown",
)
async def no_trace(original: Any, self: Any, record: Any, **options: Any) -> Any:
    """Starts a run in a trace, and does not say so in its record."""
    return await original(self, attrs.evolve(record, trace=None), **options)


@replaces(
    (runs_module, "trace_of"),
    caught_by=BackendContract.test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent,
    name="tracing.TraceNotRead",
)
def not_read(original: Any, fields: Any) -> None:
    """Does not look for the trace in a run's record."""


@replaces(
    (signals_module, "encode_job"),
    caught_by=BackendContract.test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent,
    name="tracing.JobWithoutSender",
)
def without_sender(original: Any, job: Any) -> Any:
    """Sends jobs that do not say in which span they were sent."""
    return original(attrs.evolve(job, trace=None))


@replaces(
    (signals_module, "tell_end"),
    caught_by=BackendContract.test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent,
    name="tracing.EndInNoTrace",
)
def in_no_trace(original: Any, journal: Any, state: Any, **fields: Any) -> None:
    """Tells a run's end as if it were in no trace."""
    original(journal, state, **(fields | {"trace": None}))


@replaces(
    (handler_module, "traced"),
    caught_by=BackendContract.test_a_run_that_was_started_without_a_trace_gets_one_from_whoever_works_on_it_first,
    name="tracing.TracePerWorker",
)
async def by_itself(original: Any, record: Any, runs: Any, telemetry: Any, parent: Any) -> Any:
    """Gives a run that has no trace another one on each worker."""
    if telemetry is None or record.trace is not None:
        return record
    starting = telemetry.start(record.run_id, record.blueprint_id, record.started, parent=parent)
    starting.done(record.started)
    return attrs.evolve(record, trace=starting.trace)


@replaces(
    (Engine, "finish"),
    caught_by=BackendContract.test_a_run_goes_on_in_one_trace_and_its_jobs_tell_in_which_span_they_were_sent,
    name="tracing.EndTwice",
)
async def ends_twice(original: Any, self: Any) -> None:
    """Tells a run's end once more than it has ended."""
    await original(self)
    telemetry, record = self.executor.journal.telemetry, self.view.record
    if telemetry is not None and self.view.state.phase is not Phase.RUNNING:
        telemetry.run_ended(record.run_id, record.blueprint_id, "completed", started=0.0, ended=0.0, trace=record.trace)

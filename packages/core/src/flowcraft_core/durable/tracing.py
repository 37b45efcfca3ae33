"""Which trace a stored run belongs to: what its record says, or whoever first works on it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from ..errors import FlowcraftError
from ..traces import Trace, trace_of
from .runs import RECORD_KEY, TRACE_KEY, RunRecord, Runs
from .storage import Records

if TYPE_CHECKING:
    from ..observing import Telemetry


async def traced(record: RunRecord, runs: Runs, telemetry: Telemetry | None, parent: Trace | None) -> RunRecord:
    """A run's record with a trace, which it gets here if whoever started the run had no telemetry.

    Args:
        record: The record.
        runs: Where it is.
        telemetry: Whose the trace is, if anybody's.
        parent: The span below which the run was begun, if its first message says so.
    """
    if telemetry is None or record.trace is not None:
        return record
    starting = telemetry.start(record.run_id, record.blueprint_id, record.started, parent=parent)
    if starting is None:
        return record
    standing = await runs.records.put(record.run_id, TRACE_KEY, starting.trace.fields())
    if standing.won:
        starting.done(record.started)
    return attrs.evolve(record, trace=trace_of(standing.value))


async def stored_trace(records: Records, run_id: str, telemetry: Telemetry | None) -> Trace | None:
    """The trace of a run of which no more is to be known; None without telemetry, or if it cannot be read."""
    if telemetry is None:
        return None
    with contextlib.suppress(FlowcraftError):
        found = await records.get_all(run_id, [RECORD_KEY, TRACE_KEY])
        return trace_of(found.get(RECORD_KEY, {})) or trace_of(found.get(TRACE_KEY, {}))
    return None

"""Reads a stored run as the result that a run in this process has."""

from __future__ import annotations

from typing import Any

from flowcraft_core import RunResult, Serializer
from flowcraft_core.blueprint import WAIT
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.runs import Runs
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.whole import whole_state
from flowcraft_core.graph.fold import context_of, instances, outputs_of
from flowcraft_core.payloads import PayloadCodec
from flowcraft_core.pictures import Picture
from flowcraft_core.ports import Backend, RunStatus
from flowcraft_core.runtime.ended import Ended


async def read(backend: Backend, serializer: Serializer, codec: PayloadCodec, run_id: str) -> RunResult:
    """What is stored of a run, by its facts alone but for the status.

    The run is given as awaiting, whatever its status says, if only resumes can go on with it.
    """
    records = Records(backend.context, serializer, codec)
    status = await backend.status.get(run_id)
    record = await Runs(records).get(run_id)
    if status is None or record is None:
        raise AssertionError(f"run {run_id!r} has no {'status' if status is None else 'record'} any more")
    state = await whole_state(record, records)
    await records.pages.fill(run_id, state)
    # Where several ended in the same moment, the order of their places in the graph is that of cause and effect.
    ended = sorted(instances(state), key=lambda one: (one.outcome.ended, one.scope.position(one.vertex)))
    waits = [one for one in state.ready if one.vertex.node.uses == WAIT]
    suspended = await records.suspensions(run_id, waits)
    waiting = [key for key, suspension in suspended.items() if suspension.due is None]
    only_waits = len(waiting) == len(state.ready) > 0
    told = await Client(backend, serializer=serializer, codec=codec).result(run_id)
    return RunResult(
        run_id=run_id,
        status=_status(status, only_waits),
        outputs=outputs_of(state),
        context=context_of(state),
        errors=told.errors,
        waiting=waiting if only_waits else (),
        ended=Ended(ended),
        snapshot=_no_snapshot,
        picture=_no_picture,
        undone=told.undone,
    )


def _status(status: RunStatus, only_waits: bool) -> Any:
    if status.state in ("running", "awaiting"):
        return "awaiting" if only_waits else "running"
    return status.state


def _no_snapshot() -> dict[str, Any]:
    raise NotImplementedError("a stored run needs no snapshot: its facts are stored")


def _no_picture() -> Picture:
    raise NotImplementedError("a stored run is drawn of what is exported of it")

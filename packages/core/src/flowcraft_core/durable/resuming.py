"""Ends a wait with a result, once; also before it is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..blueprint import WAIT
from ..errors import LostActionError, ResumeError, UnknownWaitError
from ..execution import TIMEOUT_ACTION
from ..graph.decisions import is_lost, lost, take_edges
from ..graph.facts import Answer, Outcome, Suspension
from ..graph.instances import Instance
from ..graph.keys import escape
from ..logging.catalogue import RUN_RESUMED
from ..logging.journal import Journal
from ..ports import RunStatus
from .answers import answer_early, answered_already
from .ends import end_of, undoes
from .runs import RunRecord
from .signals import CHECK_AFTER, send_jobs
from .storage import StaleReadError
from .stored_runs import FINAL, StoredRuns
from .view import RunView


async def resume(
    stored: StoredRuns,
    run_id: str,
    key: str,
    output: Any,
    action: str | None,
    *,
    early: bool = False,
    nonce: str | None = None,
    strict: bool = False,
    answers: Callable[[str, str, Any], Any],
    journal: Journal,
) -> None:
    """See ``Client.resume``."""
    status = await stored.status(run_id)
    if status.state in FINAL:
        raise ResumeError(f"run {run_id!r} has ended ({status.state}); nothing in it can be resumed")
    record = await stored.record(run_id)
    if nonce not in (None, record.nonce):
        raise ResumeError(f"run {run_id!r} is not the one that was meant, but a later one of its id")
    await _refuse_if_stopped(stored, record)
    if early:
        answer = Answer(output, action, stored.clock.now())
        reached = await answer_early(stored.records, record, key, answer, strict=strict)
        if reached is None:
            return
        key = reached
    view = RunView(record, stored.records, stored.clock)
    instance = await _wait(stored, view, status, key)
    key = instance.key
    if strict and is_lost(instance.vertex, action):
        raise LostActionError(lost(instance.key, instance.vertex, action))
    suspension = await stored.settled(lambda: _suspension_of(stored, run_id, instance))
    if suspension is None and await stored.records.answers(run_id, [key]):
        raise answered_already(run_id, key)
    if suspension is None:
        raise ResumeError(f"run {run_id!r}: wait {key!r} was not reached yet")
    if await view.is_unneeded(instance):
        raise ResumeError(f"run {run_id!r}: wait {key!r} is not open: the joins that it leads to did not wait for it")
    view.hear()  # it may have been reached just now, and what came before it may be as new
    await view.prepare(instance)
    await view.refresh(instance)
    if output is not None or action != TIMEOUT_ACTION:
        output = answers(instance.scope.scope.blueprint, instance.vertex.id, output)
    output = stored.records.serializer.copy(output)
    now = stored.clock.now()
    taken = take_edges(*instance, output, action)
    outcome = Outcome(output=output, action=action, taken=taken, started=suspension.ended or now, ended=now)
    standing = await stored.records.put_outcome(run_id, key, outcome, "")
    if not standing.won:
        if standing.value.void:  # the run was stopped just now
            await _refuse_if_stopped(stored, record)
        raise ResumeError(f"run {run_id!r}: wait {key!r} was resolved already; the first result stands")
    journal.bind(run_id=run_id).tell(RUN_RESUMED, flow=record.blueprint_id)
    await stored.backend.status.touch(run_id, at=now, next_check=now + CHECK_AFTER, state="running")
    trace = record.trace
    if stored.telemetry is not None:
        trace = stored.telemetry.resumed(run_id, instance, outcome, trace)
    await send_jobs(stored.backend, record, [instance], stored.clock, trace=trace)


async def _refuse_if_stopped(stored: StoredRuns, record: RunRecord) -> None:
    """See to it that a run is not one that is undone.

    Raises:
        ResumeError: It is.
    """
    end = await end_of(stored.records, record.run_id) if undoes(record) else None
    if end is not None:
        raise ResumeError(f"run {record.run_id!r} is to end as {end.state}; nothing in it can be resumed any more")


async def _wait(stored: StoredRuns, view: RunView, status: RunStatus, key: str) -> Instance:
    """The wait with an instance key, or the only open one of a node."""
    run_id = view.record.run_id
    try:
        (instance,) = await stored.settled(lambda: _find(view, key))
        if instance is None or instance.vertex.node.uses != WAIT:
            key = await _open_wait(stored, view.record, status, key)
            (instance,) = await stored.settled(lambda: _find(view, key))
    except StaleReadError as error:
        raise ResumeError(f"run {run_id!r}: wait {key!r} was not reached yet") from error
    if instance is None:
        raise UnknownWaitError(f"run {run_id!r} has no wait {key!r}")
    return instance


async def _find(view: RunView, key: str) -> tuple[Instance | None]:
    """The instance with a key, or of a node id that is no key as it stands, since its characters are escaped in one."""
    return (await view.find(key) or await view.find(escape(key)),)


async def _suspension_of(stored: StoredRuns, run_id: str, instance: Instance) -> Suspension | None:
    return (await stored.records.suspensions(run_id, [instance])).get(instance.key)


async def _open_wait(stored: StoredRuns, record: RunRecord, status: RunStatus, node_id: str) -> str:
    """The key of the only open wait of a node; for waits inside constructs."""
    nodes = [node for graph in record.graphs.values() for node in graph.blueprint.nodes if node.id == node_id]
    waits = await _open_waits(stored, record, status)
    keys = [instance.key for instance in waits if instance.vertex.id == node_id]
    if not keys and any(node.uses == WAIT for node in nodes):
        # It may have been reached just now. Such a look reads the whole run: so there is one more, and no polling.
        await stored.clock.sleep(stored.backend.context.limits.staleness)
        waits = await _open_waits(stored, record, status)
        keys = [instance.key for instance in waits if instance.vertex.id == node_id]
    if len(keys) == 1:
        return keys[0]
    listed = ", ".join(sorted(instance.key for instance in waits)) or "none"
    problem, is_unknown = f"there is no node or open wait {node_id!r}", not nodes
    if keys:
        problem = f"{len(keys)} waits of node {node_id!r} are open"
    elif nodes and all(node.uses != WAIT for node in nodes):
        problem, is_unknown = f"node {node_id!r} is no wait (it uses {nodes[0].uses!r})", True
    elif nodes:
        problem = f"wait {node_id!r} is not open: it was not reached yet, or is resolved"
    said = f"run {record.run_id!r}: {problem}; open are, by key: {listed}"
    raise UnknownWaitError(said) if is_unknown else ResumeError(said)


async def _open_waits(stored: StoredRuns, record: RunRecord, status: RunStatus) -> list[Instance]:
    state = await stored.state(record, status)
    return [instance for instance in state.ready if instance.vertex.node.uses == WAIT]

"""How a run ends whose flows name an undo: by one write-once key, before its status; and with no more than that.

All that would end such a run goes by here: a completion and a failure by the facts, a cancellation, a deadline, what is
given up. The first end stands. If that is a stop, the status is for whoever has undone the rest, see ``undoing``.

A call that has failed, and undoes itself before that counts, is stopped in the same way, under keys of its own. Its
*root* is what the keys inside of it begin with; that of the run is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ..clock import Clock
from ..graph.instances import ScopeState
from ..graph.queues import queue_of_start
from ..jobs import encode_job
from ..ports import Backend, FinalState, Message
from .queues import queue_named
from .runs import RunRecord
from .storage import Records, reading

#: Where the end of a run stands, behind its root. A colon is escaped in ids: no node's key is like this, nor is that of
#: its undo.
END_KEY = ":end"
#: Where it stands that a run that was stopped is to be undone no further.
ABANDONED_KEY = ":abandoned"
#: Where it stands that a call is undone, behind its root; and the key of the job that goes on from there.
UNDONE_KEY = ":undone"
#: The key of the job that brings a stopped run on, behind its root.
STOP = ":stop"
#: Follows an instance's key: where it stands that it was undone, and what the job is for that does it.
UNDO = ":undo"

_STATES: tuple[FinalState, ...] = ("completed", "failed", "cancelled")


@attrs.frozen
class End:
    """How a run ends.

    Attributes:
        state: The state that it ends in; if that is not ``completed``, it is stopped, and undone before.
        reason: Why, for people.
        at: When that was said, seconds since the epoch.
    """

    state: FinalState
    reason: str | None = None
    at: float = 0.0

    @property
    def is_stop(self) -> bool:
        """Whether it is undone before it ends."""
        return self.state != "completed"


def undoes(record: RunRecord) -> bool:
    """Whether a run is undone if it ends badly: a flow of it names an undo."""
    return any(graph.undoes for graph in record.graphs.values())


async def end_of(records: Records, run_id: str, root: str = "") -> End | None:
    """The end that stands of a run whose flows name an undo, or of a call of it; None if none is visible."""
    stored = await records.get(run_id, root + END_KEY)
    return None if stored is None else _end(run_id, stored)


async def stopped_among(records: Records, run_id: str, roots: Sequence[str]) -> list[str]:
    """Those of a run and its calls of which it is visible that they are stopped, in the order of their roots."""
    found = await records.get_all(run_id, [root + END_KEY for root in roots])
    return [root for root in roots if root + END_KEY in found and _end(run_id, found[root + END_KEY]).is_stop]


async def agree(records: Records, run_id: str, end: End, root: str = "") -> tuple[End, bool]:
    """Say how a run ends, or a call; the end that stands then, and whether it was this call that said so."""
    stored = await records.put(run_id, root + END_KEY, attrs.asdict(end))
    return _end(run_id, stored.value), stored.won


async def are_undone(records: Records, run_id: str, calls: Sequence[ScopeState]) -> list[ScopeState]:
    """Those of some calls of which it is visible that they are undone."""
    found = await records.get_all(run_id, [call.prefix + UNDONE_KEY for call in calls])
    return [call for call in calls if call.prefix + UNDONE_KEY in found]


async def say_undone(records: Records, run_id: str, root: str, at: float) -> bool:
    """Say that a call is undone; whether it was this call that said so."""
    return (await records.put(run_id, root + UNDONE_KEY, {"at": at})).won


async def abandon(records: Records, run_id: str, reason: str | None, at: float) -> bool:
    """Say that a run that was stopped is to be undone no further; whether it was this call that did."""
    return (await records.put(run_id, ABANDONED_KEY, {"reason": reason, "at": at})).won


async def send_stop(
    backend: Backend, record: RunRecord, clock: Clock, *, root: str = "", key: str = STOP, delay: float = 0.0
) -> None:
    """Send the job that brings a stopped run on, or a call of it; or another one that is for its root."""
    job = record.job(root + key, clock.now() + delay, timer=delay > 0)
    queue = queue_named(backend, queue_of_start(record.graph, record.queue))
    await queue.send([Message(encode_job(job), record.run_id)], delay=delay)


def undone_by(key: str) -> str | None:
    """The key of the instance whose undo a job's key asks for; None if it asks for something else."""
    return key.removesuffix(UNDO) if key.endswith(UNDO) else None


def stopped_by(key: str) -> str | None:
    """The root that a job's key asks to be brought on; None if it asks for something else."""
    return key.removesuffix(STOP) if key.endswith(STOP) else None


def call_undone(key: str) -> str | None:
    """The root of the call, now undone, from which a job's key asks to go on; None if it asks for something else."""
    return key.removesuffix(UNDONE_KEY) if key.endswith(UNDONE_KEY) else None


def _end(run_id: str, stored: Any) -> End:
    with reading(run_id, END_KEY):
        state, reason, at = stored["state"], stored["reason"], stored["at"]
        if state not in _STATES or not (reason is None or type(reason) is str) or type(at) not in (int, float):
            raise ValueError(f"it says {state!r:.80}, {reason!r:.80}")
        return End(state, reason, float(at))

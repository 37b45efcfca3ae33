"""How a run ends whose flows name an undo: by one write-once key, before its status; and with no more than that.

All that would end such a run goes by here: a completion and a failure by the facts, a cancellation, a deadline, what is
given up. The first end stands. If that is a stop, the status is for whoever has undone the rest, see ``undoing``.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..clock import Clock
from ..graph.queues import queue_of_start
from ..jobs import encode_job
from ..ports import Backend, FinalState, Message
from .queues import queue_named
from .runs import RunRecord
from .storage import Records, reading

#: Where the end of a run stands. A colon is escaped in ids: no node's key is like this, nor is that of its undo.
END_KEY = ":end"
#: Where it stands that a run that was stopped is to be undone no further.
ABANDONED_KEY = ":abandoned"
#: The key of the job that brings a stopped run on.
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


async def end_of(records: Records, run_id: str) -> End | None:
    """The end that stands of a run whose flows name an undo; None if none is visible."""
    stored = await records.get(run_id, END_KEY)
    return None if stored is None else _end(run_id, stored)


async def agree(records: Records, run_id: str, end: End) -> tuple[End, bool]:
    """Say how a run ends; the end that stands then, and whether it was this call that said so."""
    stored = await records.put(run_id, END_KEY, attrs.asdict(end))
    return _end(run_id, stored.value), stored.won


async def abandon(records: Records, run_id: str, reason: str | None, at: float) -> bool:
    """Say that a run that was stopped is to be undone no further; whether it was this call that did."""
    return (await records.put(run_id, ABANDONED_KEY, {"reason": reason, "at": at})).won


async def send_stop(backend: Backend, record: RunRecord, clock: Clock, *, delay: float = 0.0) -> None:
    """Send the job that brings a stopped run on."""
    job = record.job(STOP, clock.now() + delay)
    queue = queue_named(backend, queue_of_start(record.graph, record.queue))
    await queue.send([Message(encode_job(job), record.run_id)], delay=delay)


def undone_by(key: str) -> str | None:
    """The key of the instance whose undo a job's key asks for; None if it asks for something else."""
    return key.removesuffix(UNDO) if key.endswith(UNDO) else None


def _end(run_id: str, stored: Any) -> End:
    with reading(run_id, END_KEY):
        state, reason, at = stored["state"], stored["reason"], stored["at"]
        if state not in _STATES or not (reason is None or type(reason) is str) or type(at) not in (int, float):
            raise ValueError(f"it says {state!r:.80}, {reason!r:.80}")
        return End(state, reason, float(at))

"""What a run tells whoever watches it: progress bars, logs, metrics."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import attrs

EventKind: TypeAlias = Literal["started", "completed", "failed", "parked", "ended"]


@attrs.frozen
class Event:
    """Something that happened to an instance, or to the whole run.

    Attributes:
        kind: What happened.
        run_id: The run.
        key: The instance's key; empty for the run itself.
        node_id: The node's id; empty for the run itself.
        is_step: Whether it is a step, rather than the bookkeeping of a loop, batch or subflow.
        attempt: Which attempt it was, or is.
        time: Seconds since the epoch.
        detail: The error's text, the action, or the run's status.
    """

    kind: EventKind
    run_id: str
    key: str
    node_id: str
    is_step: bool
    attempt: int
    time: float
    detail: str | None = None


class EventSink(Protocol):
    """Receives events in the event loop's thread, one at a time; it must not block, and what it raises is logged."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""

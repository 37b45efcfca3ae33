"""What a run tells whoever watches it: progress bars, logs, metrics."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import attrs

from ..clock import Clock
from ..contexts import BaseContext
from ..graph.facts import Outcome, Undone
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..logging.catalogue import SINK_FAILED
from ..logging.journal import Journal
from ..observing import Observer
from ..traces import Trace

EventKind: TypeAlias = Literal["started", "progress", "completed", "failed", "handled", "suspended", "undone", "ended"]

# How often one attempt's progress is told, seconds.
_PROGRESS_EVERY = 0.1


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
        detail: The error's text, the action, the run's status, or what the step says of its progress.
        fraction: How far the step says that it is, from 0 to 1.
    """

    kind: EventKind
    run_id: str
    key: str
    node_id: str
    is_step: bool
    attempt: int
    time: float
    detail: str | None = None
    fraction: float | None = None


class EventSink(Protocol):
    """Receives events in the event loop's thread, one at a time; it must not block, and what it raises is logged."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""


@attrs.frozen
class Emitter:
    """Tells what happens in one run to whoever listens.

    Attributes:
        sink: The user's; what it raises is logged, and changes nothing.
        observer: Telemetry's.
        run_id: The run.
        clock: Tells the time.
    """

    sink: EventSink | None
    observer: Observer | None
    run_id: str
    clock: Clock

    @classmethod
    def of(cls, sink: EventSink | None, observer: Observer | None, run_id: str, clock: Clock) -> Emitter | None:
        """An emitter; None if nobody listens."""
        return None if sink is None and observer is None else cls(sink, observer, run_id, clock)

    @property
    def trace(self) -> Trace | None:
        """The span that is under way, for jobs that are sent."""
        return None if self.observer is None else self.observer.trace

    def started(self, instance: Instance, attempt: int) -> None:
        """An attempt begins."""
        if self.observer is not None:
            self.observer.started(instance, attempt)
        self._tell("started", instance, attempt)

    def progressed(self, context: BaseContext[Any, Any]) -> None:
        """A step says how far it is; told now and then, and when it says that it is through."""
        context._is_telling = False
        fraction, message = context._said or (None, None)
        now = self.clock.now()
        if now - context._told_at >= _PROGRESS_EVERY or fraction == 1.0:
            context._told_at = now
            self._tell("progress", context._instance, context.attempt, message, fraction)

    def outcome(self, instance: Instance, outcome: Outcome) -> None:
        """An instance has completed or failed for good."""
        if self.observer is not None:
            self.observer.outcome(instance, outcome)
        detail = outcome.action if outcome.error is None else str(outcome.error)
        self._tell(outcome.state, instance, outcome.attempts, detail)

    def undone(self, instance: Instance, undone: Undone) -> None:
        """What an instance has done was taken back, or that has failed for good."""
        self._tell("undone", instance, undone.attempts, None if undone.error is None else str(undone.error))

    def suspended(self, instance: Instance, kind: str) -> None:
        """An instance waits: for someone, for a time, or for its next attempt."""
        if self.observer is not None:
            self.observer.suspended(instance)
        self._tell("suspended", instance, 1, kind)

    def ended(self, status: str) -> None:
        """The run has ended, or only waits are left in it."""
        self._tell("ended", None, 1, status)

    def close(self) -> None:
        """Whatever is under way is not gone on with here."""
        if self.observer is not None:
            self.observer.close()

    def _tell(
        self,
        kind: EventKind,
        instance: Instance | None,
        attempt: int,
        detail: str | None = None,
        fraction: float | None = None,
    ) -> None:
        if self.sink is None:
            return
        key, node_id, is_step = "", "", False
        if instance is not None:
            key, node_id, is_step = instance.key, instance.vertex.id, instance.vertex.kind is Kind.STEP
        try:
            self.sink(Event(kind, self.run_id, key, node_id, is_step, attempt, self.clock.now(), detail, fraction))
        except Exception as error:
            Journal({"run_id": self.run_id}).tell(SINK_FAILED, error)

"""Makes the events of a run of what happens in it, and hands them to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ..clock import Clock
from ..contexts import BaseContext
from ..events import (
    Event,
    EventSink,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeHandled,
    NodeProgressed,
    NodeRetried,
    NodeStarted,
    NodeSuspended,
    NodeUndone,
    RunBegun,
    RunEnded,
)
from ..graph.facts import Outcome, Suspension, Undone
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..logging.catalogue import SINK_FAILED
from ..logging.journal import Journal

if TYPE_CHECKING:
    from ..observing import Observer
    from ..traces import Trace

NodeEventT = TypeVar("NodeEventT", bound=NodeEvent)

# How often one attempt's progress is told, seconds.
_PROGRESS_EVERY = 0.1


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

    @property
    def trace(self) -> Trace | None:
        """The span that is under way, for jobs that are sent."""
        return None if self.observer is None else self.observer.trace

    def begun(self, flow: str, *, again: bool = False) -> None:
        """The run begins, or is gone on with."""
        if self.sink is not None:
            self._tell(RunBegun(run_id=self.run_id, time=self.clock.now(), flow=flow, again=again))

    def started(self, instance: Instance, attempt: int) -> None:
        """An attempt begins."""
        if self.observer is not None:
            self.observer.started(instance, attempt)
        if self.sink is not None:
            self._tell(self._of(NodeStarted, instance, attempt))

    def progressed(self, context: BaseContext[Any, Any]) -> None:
        """A step says how far it is; told now and then, and when it says that it is through."""
        context._is_telling = False
        fraction, message = context._said or (None, None)
        now = self.clock.now()
        if now - context._told_at >= _PROGRESS_EVERY or fraction == 1.0:
            context._told_at = now
            about = {"fraction": fraction, "message": message}
            if self.sink is not None:
                self._tell(self._of(NodeProgressed, context._instance, context.attempt, **about))

    def outcome(self, instance: Instance, outcome: Outcome) -> None:
        """An instance has completed or failed for good."""
        if self.observer is not None:
            self.observer.outcome(instance, outcome)
        if self.sink is None:
            return
        led_to = tuple(link.target_id for link in instance.vertex.out if link.place in outcome.taken)
        number, error = outcome.attempts, outcome.error
        if error is None:
            about = {"action": outcome.action, "via": outcome.via, "led_to": led_to}
            self._tell(self._of(NodeCompleted, instance, number, **about))
        elif outcome.handled:
            self._tell(self._of(NodeHandled, instance, number, error=error, led_to=led_to))
        else:
            self._tell(self._of(NodeFailed, instance, number, error=error))

    def undone(self, instance: Instance, undone: Undone) -> None:
        """What an instance has done was taken back, or that has failed for good."""
        if self.sink is not None:
            self._tell(self._of(NodeUndone, instance, undone.attempts, error=undone.error))

    def suspended(self, instance: Instance, suspension: Suspension) -> None:
        """An instance waits: for someone, for a time, or for its next attempt."""
        if self.observer is not None:
            self.observer.suspended(instance)
        if self.sink is None:
            return
        if suspension.kind == "retry":
            self._tell(
                self._of(NodeRetried, instance, max(1, suspension.attempt), error=suspension.error, due=suspension.due)
            )
        else:
            self._tell(self._of(NodeSuspended, instance, 1, waits_for=suspension.kind, due=suspension.due))

    def ended(self, status: str) -> None:
        """The run has ended, or only waits are left in it."""
        if self.sink is not None:
            self._tell(RunEnded(run_id=self.run_id, time=self.clock.now(), status=status))

    def close(self) -> None:
        """Whatever is under way is not gone on with here."""
        if self.observer is not None:
            self.observer.close()

    def _of(self, kind: type[NodeEventT], instance: Instance, attempt: int, **about: Any) -> NodeEventT:
        vertex = instance.vertex
        return kind(
            run_id=self.run_id,
            time=self.clock.now(),
            key=instance.key,
            node_id=vertex.id,
            is_step=vertex.kind is Kind.STEP,
            attempt=attempt,
            **about,
        )

    def _tell(self, event: Event) -> None:
        assert self.sink is not None  # else nobody would make events
        try:
            self.sink(event)
        except Exception as error:
            Journal({"run_id": self.run_id}).tell(SINK_FAILED, error)

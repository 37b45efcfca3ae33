"""What a run tells while it goes on: typed events, for progress bars, metrics, audit trails.

``FlowRuntime(events=sink)`` hands each event of all its runs to a function, in process and on workers; ``run(...,
events=sink)`` those of one run. A sink asks for the class of an event:

    def sink(event: Event) -> None:
        match event:
            case NodeFailed(key=key, error=error):
                print(f"{key} has failed: {error}")

Workers tell each what it has done itself. An outcome is told of once it stands, by whoever wrote it: once in all, if no
worker dies in between; a start as often as a worker makes one.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol, TypeAlias

import attrs

from .graph.facts import NodeError

EventKind: TypeAlias = Literal[
    "begun", "started", "progress", "completed", "failed", "handled", "retried", "suspended", "undone", "ended"
]


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened in a run.

    Attributes:
        kind: The class of the event in a word, for lines and for JSON.
        run_id: The run.
        time: When, seconds since the epoch.
        key: The instance's key; empty for the run itself.
    """

    kind: ClassVar[EventKind]
    run_id: str
    time: float
    key: str = ""


@attrs.frozen(kw_only=True)
class RunBegun(Event):
    """A run begins, or is gone on with in process; on workers told by whoever takes up its first job.

    Attributes:
        flow: The flow's id.
        again: Whether it is gone on with, after it had waited for somebody.
    """

    kind: ClassVar[EventKind] = "begun"
    flow: str
    again: bool = False


@attrs.frozen(kw_only=True)
class RunEnded(Event):
    """A run has ended; or, in process, only a resume can go on.

    Attributes:
        status: ``completed``, ``failed``, ``cancelled``, or ``awaiting``.
    """

    kind: ClassVar[EventKind] = "ended"
    status: str


@attrs.frozen(kw_only=True)
class NodeEvent(Event):
    """Something that happened to an instance of a node.

    Attributes:
        node_id: The node's id.
        is_step: Whether it is a step, rather than the bookkeeping of a loop, batch or subflow.
        attempt: Which attempt it was, or is.
    """

    node_id: str
    is_step: bool
    attempt: int = 1


@attrs.frozen(kw_only=True)
class NodeStarted(NodeEvent):
    """An attempt begins."""

    kind: ClassVar[EventKind] = "started"


@attrs.frozen(kw_only=True)
class NodeProgressed(NodeEvent):
    """A step has said how far it is, by ``ctx.progress``; told now and then.

    Attributes:
        fraction: From 0 to 1.
        message: In a few words.
    """

    kind: ClassVar[EventKind] = "progress"
    fraction: float | None = None
    message: str | None = None


@attrs.frozen(kw_only=True)
class NodeCompleted(NodeEvent):
    """An instance has completed.

    Attributes:
        action: The result's action.
        via: The fallback that gave the result in the node's place.
        led_to: The ids of the nodes to which edges were taken.
    """

    kind: ClassVar[EventKind] = "completed"
    action: str | None = None
    via: str | None = None
    led_to: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class NodeFailed(NodeEvent):
    """An instance has failed for good, and nothing has handled it.

    Attributes:
        error: Why.
    """

    kind: ClassVar[EventKind] = "failed"
    error: NodeError


@attrs.frozen(kw_only=True)
class NodeHandled(NodeEvent):
    """An instance has failed for good, and edges on failure, or always, were taken.

    Attributes:
        error: Why.
        led_to: The ids of the nodes to which they lead.
    """

    kind: ClassVar[EventKind] = "handled"
    error: NodeError
    led_to: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class NodeRetried(NodeEvent):
    """An attempt has failed, and another one will be made.

    Attributes:
        error: Why this one has failed.
        due: When the next one is made, seconds since the epoch.
    """

    kind: ClassVar[EventKind] = "retried"
    error: NodeError
    due: float


@attrs.frozen(kw_only=True)
class NodeSuspended(NodeEvent):
    """An instance waits for somebody, or for a time.

    Attributes:
        waits_for: ``wait`` for a resume, ``sleep`` for a time.
        due: When it goes on by itself, or reminds, seconds since the epoch; None for never.
    """

    kind: ClassVar[EventKind] = "suspended"
    waits_for: Literal["wait", "sleep"]
    due: float | None = None


@attrs.frozen(kw_only=True)
class NodeUndone(NodeEvent):
    """What an instance has done was taken back, or that has failed for good.

    Attributes:
        error: Why it has failed; None if it has not.
    """

    kind: ClassVar[EventKind] = "undone"
    error: NodeError | None = None


class EventSink(Protocol):
    """Receives events in the event loop's thread, one at a time; it must not block, and what it raises is logged."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""

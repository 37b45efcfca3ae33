"""Facts: write-once records from which everything else about a run follows."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

from .pages import Pages


class _Sentinel:
    """A named constant that is not a value of any step."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


#: In ``Outcome.taken``: the edge carries the instance's output as it is; of a failed instance the error.
OUTPUT: Final = _Sentinel("OUTPUT")
#: In ``Outcome.sets`` and among context values: the name was deleted. A tombstone, since positions still compare.
DELETED: Final = _Sentinel("DELETED")


@attrs.frozen
class NodeError:
    """Why an instance failed for good.

    Attributes:
        key: The instance's key; for people and for finding it in the trace.
        node_id: The node's id in its blueprint.
        type: Name of the exception's class.
        message: The exception's text.
        attempts: How many attempts were made.
        traceback: Where it was raised, for people; None if the step never ran.
    """

    key: str
    node_id: str
    type: str
    message: str
    attempts: int = 1
    traceback: str | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.key}: {self.type}: {self.message}{tries}"


@attrs.define(eq=True)
class Outcome:
    """What an instance ended with. Never changed once it is made; the first one written wins.

    Attributes:
        output: The result's value.
        action: The result's action, which chooses edges.
        error: Set if the instance failed for good; then of the rest only what tells about the attempts is, and the
            edges that were taken. Of a construct, or of an ``any`` join, the first of the failures for which it failed.
        taken: The outgoing edges that were taken, by their place among the node's edges, with the values they carry.
        sets: The context values that the step set or deleted, in a dict by name.
        items: A batch's items, or where they are stored; only in its entry's outcome.
        page_size: How many of them, or of the batch's results, a page has at most; only where they are more than that.
        lanes: How many of them are under way at most; likewise. None of what an earlier version has stored: all.
        blueprint: The called blueprint's content hash; only in the entry of a construct that calls one.
        context: The initial context of the call, or of each item's call; likewise.
        passes: How many passes a loop had; only in its exit, also if it failed.
        via: The fallback that produced the outcome in the node's place.
        primary_error: Why the node's own step failed, if a fallback took its place.
        attempts: How many attempts it took; of the fallback's, if there is one.
        started: When the last attempt began, seconds since the epoch.
        ended: When it ended.
        worker: Who has made it, for people; None outside of workers.
        untaken: The edges that were not taken after a failure since an expression failed, too: by their place, why.
        void: It stands for none: its run had been stopped, and the instance is as if it never was.
    """

    output: Any = None
    action: str | None = None
    error: NodeError | None = None
    taken: dict[int, Any] = attrs.field(factory=dict)
    sets: dict[str, Any] | None = None
    items: tuple[Any, ...] | Pages | None = None
    page_size: int | None = None
    lanes: int | None = None
    blueprint: str | None = None
    context: dict[str, Any] | None = None
    passes: int | None = None
    via: str | None = None
    primary_error: NodeError | None = None
    attempts: int = 1
    started: float = attrs.field(default=0.0, eq=False)
    ended: float = attrs.field(default=0.0, eq=False)
    worker: str | None = attrs.field(default=None, eq=False)
    untaken: dict[int, str] | None = None
    void: bool = False

    @property
    def state(self) -> Literal["completed", "failed", "handled"]:
        """What it is in a word: a failure that an edge has taken over is ``handled``."""
        return "completed" if self.error is None else "handled" if self.taken else "failed"

    @property
    def failed(self) -> bool:
        """Whether it is a failure that no edge has taken over."""
        return self.error is not None and not self.taken

    @property
    def handled(self) -> bool:
        """Whether it is a failure that an edge has taken over."""
        return self.error is not None and bool(self.taken)


@attrs.frozen
class Undone:
    """That an instance was undone, or that its undo has failed for good.

    Attributes:
        key: The instance's key.
        node_id: The node's id in its blueprint.
        error: Why the undo has failed; None if it has not.
        attempts: How many attempts it took.
        started: When the last attempt began, seconds since the epoch.
        ended: When it ended.
    """

    key: str
    node_id: str
    error: NodeError | None = None
    attempts: int = 1
    started: float = 0.0
    ended: float = 0.0


@attrs.frozen
class Attempt:
    """Which attempt at an instance one is.

    Attributes:
        number: 1, 2, ...; of the fallback's, if that stands in.
        deferred: How often the step has asked to be tried again without that being an attempt.
        standing_in: It is the fallback's.
        primary_error: Then: why the node's own step failed.
    """

    number: int = 1
    deferred: int = 0
    standing_in: bool = False
    primary_error: NodeError | None = None

    @property
    def is_first(self) -> bool:
        """Whether the step was never begun before."""
        return self.number == 1 and not self.deferred and not self.standing_in


@attrs.frozen
class Suspension:
    """An instance that waits for someone, for a time, or for its next attempt.

    Attributes:
        kind: ``wait`` for a resume, ``sleep`` for a time, ``retry`` for the next attempt.
        due: When it goes on by itself, seconds since the epoch; None if only a resume ends it.
        attempt: For a retry: how many attempts have failed. For a wait: how many reminders were called.
        deferred: For a retry: how often the step has asked to be tried again without that being an attempt.
        standing_in: For a retry: it is the fallback's.
        queued: A job was sent that will arrive when it is due; where that is not so, a reconciler is to send it.
        error: For a retry: why. For a wait: why the last reminder has failed, if it has.
        primary_error: For a retry of the fallback's: why the node's own step failed.
        started: When the attempt began that came to this, seconds since the epoch; for people.
        ended: When it ended.
        worker: Who has made it; None outside of workers.
    """

    kind: Literal["wait", "sleep", "retry"]
    due: float | None = None
    attempt: int = 0
    standing_in: bool = False
    queued: bool = False
    error: NodeError | None = None
    primary_error: NodeError | None = None
    deferred: int = 0
    started: float = attrs.field(default=0.0, eq=False)
    ended: float = attrs.field(default=0.0, eq=False)
    worker: str | None = attrs.field(default=None, eq=False)

    @property
    def next_attempt(self) -> Attempt:
        """For a retry: the attempt that follows."""
        return Attempt(self.attempt + 1, self.deferred, self.standing_in, self.primary_error)


@attrs.frozen
class Answer:
    """What a wait goes on with that nobody had come to when it was answered. It stands in the place of its suspension.

    Attributes:
        output: The wait's output.
        action: Its action.
        given: When it was given, seconds since the epoch; for people.
    """

    output: Any = None
    action: str | None = None
    given: float = attrs.field(default=0.0, eq=False)

"""What a run gives back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, cast

import attrs
from typing_extensions import TypeVar

from ..errors import FlowcraftError
from ..graph.facts import NodeError, Undone
from ..graph.failures import handled
from ..graph.instances import Instance
from .ended import Ended

if TYPE_CHECKING:
    from ..pictures import Picture

#: What a run gives, where the flow says so.
OutT = TypeVar("OutT", default=Any)

Status: TypeAlias = Literal["running", "awaiting", "completed", "failed", "cancelled"]

#: How much of the errors a result shows of itself, characters.
SHOWN = 500


@attrs.frozen
class TraceEntry:
    """One instance that ended, in the order of the run.

    Attributes:
        key: The instance's key.
        node_id: The node's id.
        status: Whether it completed, or its failure was ``handled``: an edge on failure, or always, was taken.
        action: The result's action.
        attempts: How many attempts it took.
        via: The fallback that gave the result in the node's place.
        started: When its last attempt began, seconds since the epoch.
        ended: When it ended.
        error: Why it failed, also where that was handled.
        primary_error: Why the node's own step failed, where a fallback took its place.
    """

    key: str
    node_id: str
    status: Literal["completed", "failed", "handled"]
    action: str | None
    attempts: int
    via: str | None
    started: float
    ended: float
    error: NodeError | None
    primary_error: NodeError | None = None

    @classmethod
    def of(cls, instance: Instance) -> TraceEntry:
        """The entry for an instance that has an outcome."""
        outcome = instance.outcome
        return cls(
            key=instance.key,
            node_id=instance.vertex.id,
            status=outcome.state,
            action=outcome.action,
            attempts=outcome.attempts,
            via=outcome.via,
            started=outcome.started,
            ended=outcome.ended,
            error=outcome.error,
            primary_error=outcome.primary_error,
        )


class RunFailedError(FlowcraftError):
    """A run has failed or was cancelled; raised by ``raise_for_status`` of its result.

    Notes of the exception tell of each failure by which way the run came to it, and the traceback of its step, as far
    as they are known.

    Attributes:
        run_id: The run.
        status: ``failed`` or ``cancelled``.
        errors: The failures that nothing contained, each a ``NodeError``.
        reason: What else is known of why; None if nothing is.
        paths: By the key of a failure: the keys of the instances that led to it, from the run's start on.
    """

    def __init__(
        self,
        run_id: str,
        status: str,
        errors: Sequence[NodeError] = (),
        reason: str | None = None,
        paths: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.run_id = run_id
        self.status = status
        self.errors = tuple(errors)
        self.reason = reason
        self.paths = {key: tuple(path) for key, path in (paths or {}).items()}
        how = "was cancelled" if status == "cancelled" else "has failed"
        why = [str(error) for error in errors] or [reason or "no reason was given"]
        listing = f" {why[0]}" if len(why) == 1 else "".join(f"\n  - {one}" for one in why)
        super().__init__(f"run {run_id!r} {how}:{listing}")
        for error in errors:
            if len(path := self.paths.get(error.key, ())) > 1:
                self.add_note(f"the way to {error.key}: {' → '.join(path)}")
            if error.traceback:
                self.add_note(f"{error.key}: {error.traceback.rstrip()}")

    def __reduce__(self) -> tuple[type[RunFailedError], tuple[object, ...]]:
        """Processes hand exceptions on by copying them."""
        return type(self), (self.run_id, self.status, self.errors, self.reason, self.paths)


class NoOutputError(FlowcraftError):
    """A run that has not ended was asked for its output; resume it, or wait for it."""


class RunResult(Generic[OutT]):
    """How a run ended, or where it stands if it waits.

    Attributes:
        run_id: The run.
        status: ``completed``, ``failed``, ``cancelled``, or ``awaiting`` if only a resume can go on.
        outputs: Each node's output, by node id; of a node in a loop, the last pass's. Nodes that lost a race, and the
            insides of batches and subflows, are left out.
        context: The context values at the end, by name.
        errors: Why the run failed: the failures that nothing contained, by position. The first one ends the run at once
            and cancels what is under way; another one is told beside it if it ended before that.
        paths: By the keys of these errors: the keys of the instances that led there, from the run's start on. A loop, a
            batch or a call that was gone through is one of them; inside of one, the keys name the pass or the item.
        waiting: The keys of the waits that can be resumed.
        steps: How many steps have an outcome; a construct's own bookkeeping does not count.
        undone: What was undone, in that order, once the run had failed or was cancelled; with the undos that have
            failed for good. Those have stopped no other.
    """

    def __init__(
        self,
        *,
        run_id: str,
        status: Status,
        outputs: dict[str, Any],
        context: dict[str, Any],
        errors: Sequence[NodeError],
        waiting: Sequence[str],
        ended: Ended,
        snapshot: Callable[[], dict[str, Any]],
        picture: Callable[[], Picture],
        output: Any = None,
        undone: Iterable[Undone] = (),
        paths: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.run_id = run_id
        self.status = status
        self.outputs = outputs
        self.context = context
        self.errors = tuple(errors)
        self.paths = dict(paths or {})
        self.waiting = tuple(waiting)
        self._ended = ended
        self._snapshot = snapshot
        self._picture = picture
        self._output = output
        self.undone = tuple(undone)

    @property
    def output(self) -> OutT:
        """What the run gives: what the flow returns, or its last node's output; with several, a dict by node id.

        Raises:
            RunFailedError: The run has failed or was cancelled.
            NoOutputError: It waits for somebody.
        """
        self.raise_for_status()
        return cast(OutT, output_of(self.run_id, self.status, self._output, self.waiting))

    @property
    def steps(self) -> int:
        """How many steps have an outcome; the bookkeeping of loops, batches and subflows does not count."""
        return self._ended.steps

    @cached_property
    def handled(self) -> tuple[NodeError, ...]:
        """The failures that edges on failure, or always, have taken over, by position; they failed nothing."""
        return handled(self._ended)

    @cached_property
    def trace(self) -> tuple[TraceEntry, ...]:
        """Every instance that ended, in order."""
        return tuple(TraceEntry.of(instance) for instance in self._ended)

    @cached_property
    def state(self) -> str:
        """The run's facts as JSON text, from which ``FlowRuntime.resume`` goes on, in another process if need be."""
        return json.dumps(self._snapshot(), ensure_ascii=False)

    def to_mermaid(self) -> str:
        """The run as the text of a Mermaid diagram: the ways that were taken, and where each node stands.

        Of a node in a loop, a batch or a called flow all instances are told together: how many are in which state, and
        of an edge how often it was taken.
        """
        from ..pictures import mermaid  # noqa: PLC0415 # for those who want a picture

        return mermaid(self._picture())

    def to_svg(self) -> str:
        """The same as an SVG picture; in a notebook a result shows itself so."""
        from ..pictures import svg  # noqa: PLC0415 # as above

        return svg(self._picture())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows."""
        from ..pictures import shown  # noqa: PLC0415 # as above

        return shown(self._picture, repr(self))

    def raise_for_status(self) -> Self:
        """The result itself, unless the run has failed or was cancelled.

        Raises:
            RunFailedError: It has; the error lists why.
        """
        if self.status == "failed" or self.status == "cancelled":
            raise RunFailedError(self.run_id, self.status, self.errors, paths=self.paths)
        return self

    def __repr__(self) -> str:
        why = shown(self.errors)
        return f"RunResult({self.run_id!r}, {self.status}, {len(self._ended)} instances{f', {why}' if why else ''})"


def output_of(run_id: str, status: str, output: Any, waiting: Sequence[str] = ()) -> Any:
    """The output of a run that has completed.

    Raises:
        NoOutputError: It has not.
    """
    if status != "completed":
        for_what = f" for {', '.join(map(repr, waiting))}: resume it" if waiting else ": wait until it has ended"
        raise NoOutputError(f"run {run_id!r} is {status} and has no output yet{for_what}")
    return output


def shown(errors: Sequence[NodeError]) -> str:
    """Errors as a result shows them of itself, in a line."""
    text = "; ".join(str(error) for error in errors)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."

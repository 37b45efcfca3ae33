"""What a run under test came to, told so that a failed ``assert`` says why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Self, TypeVar, cast, overload

from flowcraft_core import NodeError, RunResult
from flowcraft_core.decorated import Node
from flowcraft_core.durable.results import StoredResult
from flowcraft_core.runtime.results import OutT, shown

from ..simulation.fakes import Call, Recorder
from ..simulation.references import StepRef

T = TypeVar("T")


class Path(list[str]):
    """The keys of the steps, waits and sleeps of a run that came to an end, in that order.

    A list that knows the run which it is of, so that a comparison that fails tells it.
    """

    def __init__(self, keys: Iterable[str], told: str) -> None:
        super().__init__(keys)
        self._told = told

    def explain(self, expected: Sequence[str]) -> list[str]:
        """Lines that say where another path differs: ``-`` has not run, ``+`` was not expected; and what became of it.

        Args:
            expected: What it was to be.
        """
        lines = ["the run took another path (- expected, + taken):"]
        lines += [f"  {line}" for line in difflib.ndiff(list(expected), list(self)) if not line.startswith("?")]
        return [*lines, self._told]


class Status(str):
    """How a run stands. A text that knows the run, so that a comparison that fails tells why it stands so."""

    _told: str

    def __new__(cls, status: str, told: str) -> Self:
        """The status of a run that tells itself so."""
        made = super().__new__(cls, status)
        made._told = told
        return made

    def explain(self, expected: str) -> list[str]:
        """Lines that say why it stands so.

        Args:
            expected: How it was to stand.
        """
        return [f"the run is {self!s}, and not {expected}:", self._told]


class Outputs(dict[str, Any]):
    """Outputs by node id; one that is not there says why when it is asked for."""

    def __init__(self, outputs: dict[str, Any], told: str) -> None:
        super().__init__(outputs)
        self._told = told

    def __missing__(self, node_id: str) -> Any:
        raise NoSuchOutputError(f"node {node_id!r} has no output; there are: {', '.join(self) or 'none'}. {self._told}")


class NoSuchOutputError(KeyError):
    """A node has no output."""

    def __str__(self) -> str:
        return str(self.args[0])


class FlowResult(Generic[OutT]):
    """What a run under test came to.

    Attributes:
        status: ``completed``, ``failed`` or ``cancelled``; ``awaiting``, if only an answer can go on.
        outputs: Each node's output, by node id; see ``RunResult``.
        context: The context values at the end, by name.
        errors: Why it failed.
        handled: The failures that edges on failure, or always, have taken over.
        waiting: The keys of the waits that nobody has answered.
        path: The keys of the steps, waits and sleeps that came to an end, in that order, failed ones too; a step counts
            once, however often it was tried.
        undone: The keys of the instances whose undo was called, in that order; those too whose undo has failed.
        seconds: How long it took, in virtual time.
    """

    def __init__(
        self,
        result: RunResult[OutT] | StoredResult[OutT],
        *,
        status: str,
        waiting: Sequence[str],
        recorder: Recorder,
        seconds: float,
    ) -> None:
        self._result = result
        self._recorder = recorder
        self.context = result.context
        self.errors: tuple[NodeError, ...] = tuple(result.errors)
        self.handled: tuple[NodeError, ...] = tuple(result.handled)
        self.waiting = list(waiting)
        self.undone = [each.key for each in result.undone]
        self.seconds = seconds
        self.status: str = status
        self.status = Status(status, repr(self))
        self.path = Path(recorder.ended, repr(self))
        self.outputs: dict[str, Any] = Outputs(result.outputs, repr(self))

    @property
    def output(self) -> OutT:
        """What the run gives: what the flow returns, or its last node's output.

        Raises:
            RunFailedError: The run has failed or was cancelled; with the tracebacks of its steps.
            NoOutputError: It waits for an answer.
        """
        return self._result.output

    @overload
    def output_of(self, node: Node[T], /) -> T: ...
    @overload
    def output_of(self, node: str, /) -> Any: ...
    def output_of(self, node: Node[Any] | str, /) -> Any:
        """The output of a node.

        Args:
            node: What ``@flow.step``, ``flow.wait`` or another method of a ``Flow`` gave, or a node's id.

        Raises:
            KeyError: It has none: it did not run, or has failed.
        """
        return self.outputs[node if isinstance(node, str) else node.id]

    def calls(self, step: StepRef | None = None) -> list[Call]:
        """The calls of a step, or of what replaced it, in order; without one those of all steps.

        Args:
            step: As for ``FlowTester.replace``.
        """
        return calls_of(self._recorder, step)

    def raise_for_status(self) -> FlowResult[OutT]:
        """The result itself, unless the run has failed or was cancelled.

        Raises:
            RunFailedError: It has; the error lists why.
        """
        self._result.raise_for_status()
        return self

    def __repr__(self) -> str:
        return told(self.status, self.errors, self.waiting, self._recorder)


def calls_of(recorder: Recorder, step: StepRef | None) -> list[Call]:
    """The calls of a step; of all without one."""
    return [call for call in recorder.calls if step is None or call.place.is_meant(step)]


def told(status: str, errors: Sequence[NodeError], waiting: Sequence[str], recorder: Recorder) -> str:
    """A run in a line, as a failed assertion shows it."""
    why = f": {shown(errors)}" if errors else f" for {', '.join(waiting)}" if waiting else ""
    return f"<run {status}{why}; path: {' > '.join(recorder.ended) or 'nothing has ended'}>"


def explained(left: object, right: object) -> list[str] | None:
    """What a failed comparison of paths, or of a status, says; None if none of the two is one."""
    for mine, other in ((left, right), (right, left)):
        if isinstance(mine, Path) and isinstance(other, (list, tuple)):
            return mine.explain(cast("Sequence[str]", other))
        if isinstance(mine, Status) and isinstance(other, str):
            return mine.explain(other)
    return None

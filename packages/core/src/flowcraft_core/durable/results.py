"""What a client tells of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypedDict, cast

import attrs

from ..durations import Duration
from ..graph.facts import NodeError, Undone
from ..ports import RunStatus, State
from ..runtime import RunFailedError
from ..runtime.results import SHOWN, OutT, output_of, shown


class StartOptions(TypedDict, total=False):
    """What a run may be started with, beside its input; see ``Client.start``."""

    run_id: str | None
    delay: Duration
    tags: Mapping[str, str] | None
    timeout: Duration | None
    queue: str | None
    connection: Any


@attrs.frozen
class Started(Generic[OutT]):
    """What ``Client.start`` gives; ``Client.wait`` and ``Client.result`` take it in place of the run's id.

    Attributes:
        run_id: The run.
        created: Whether this call started it; False if it was there already.
        same: False if it was there already, of another flow or started with another input: perhaps somebody else's.
    """

    run_id: str
    created: bool
    same: bool = True


@attrs.frozen
class Purged:
    """What has come of purging many runs.

    Attributes:
        count: So many were purged.
        left: Those that could not be, each with why.
    """

    count: int
    left: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class StoredRun(RunStatus):
    """A run's status, with the runs that it is linked to.

    Attributes:
        redrive_of: The run that it was forked from, by a redrive or otherwise.
        redriven_as: The run in which what failed it was tried again.
        forked_as: The runs that were forked from it otherwise, in the order in which they were.
    """

    redrive_of: str | None = None
    redriven_as: str | None = None
    forked_as: tuple[str, ...] = ()

    @classmethod
    def of(cls, status: RunStatus, **links: Any) -> StoredRun:
        """A status with its links."""
        return cls(**attrs.asdict(status, recurse=False), **links)


@attrs.frozen(repr=False)
class StoredResult(Generic[OutT]):
    """How a stored run ended, or where it stands.

    Attributes:
        run_id: The run.
        status: Its state.
        outputs: Each node's output so far, by node id, as in ``RunResult``.
        context: The context values so far, by name.
        errors: Why it failed: all the failures that the facts tell and that nothing contained, by position. The first
            of them failed the run at once; what was in flight then may have failed later.
        paths: By the keys of these errors: the keys of the instances that led there, as in ``RunResult``.
        handled: The failures that edges on failure, or always, have taken over, by position; they failed nothing.
        reason: The status's reason, for people.
        steps: How many steps have an outcome; those that lost a race and ended all the same are left out.
        redrive_of: The run that it was forked from, by a redrive or otherwise.
        redriven_as: The run in which what failed it was tried again.
        forked_as: The runs that were forked from it otherwise.
        undone: What was undone, in that order, once the run had failed or was cancelled; with the undos that have
            failed for good, whose ``error`` says why.
    """

    run_id: str
    status: State
    outputs: dict[str, Any]
    context: dict[str, Any]
    errors: tuple[NodeError, ...]
    reason: str | None
    steps: int
    redrive_of: str | None = None
    redriven_as: str | None = None
    forked_as: tuple[str, ...] = ()
    handled: tuple[NodeError, ...] = ()
    undone: tuple[Undone, ...] = ()
    paths: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    _output: Any = None

    @property
    def output(self) -> OutT:
        """What the run gives: what the flow returns, or its last node's output; with several, a dict by node id.

        Raises:
            RunFailedError: The run has failed or was cancelled.
            NoOutputError: It has not ended.
        """
        self.raise_for_status()
        return cast(OutT, output_of(self.run_id, self.status, self._output))

    def raise_for_status(self) -> Self:
        """The result itself, unless the run has failed or was cancelled.

        Raises:
            RunFailedError: It has; the error lists why.
        """
        if self.status == "failed" or self.status == "cancelled":
            raise RunFailedError(self.run_id, self.status, self.errors, self.reason, self.paths)
        return self

    def __repr__(self) -> str:
        why = shown(self.errors) or (self.reason or "")
        return f"StoredResult({self.run_id!r}, {self.status}, {self.steps} steps{f', {why[:SHOWN]}' if why else ''})"

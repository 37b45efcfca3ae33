"""What a client tells of runs."""

from __future__ import annotations

from typing import Any, Self

import attrs

from ..graph.facts import NodeError
from ..ports import RunStatus, State
from ..runtime import RunFailedError
from ..runtime.results import SHOWN, shown


@attrs.frozen
class Started:
    """What ``Client.start`` gives.

    Attributes:
        run_id: The run.
        created: Whether this call started it; False if it was there already.
    """

    run_id: str
    created: bool


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
class StoredResult:
    """How a stored run ended, or where it stands.

    Attributes:
        run_id: The run.
        status: Its state.
        outputs: Each node's output so far, by node id, as in ``RunResult``.
        context: The context values so far, by name.
        errors: Why it failed: all the failures that the facts tell and that nothing contained, by position. The first
            of them failed the run at once; what was in flight then may have failed later.
        reason: The status's reason, for people.
        steps: How many steps have an outcome; those that lost a race and ended all the same are left out.
        redrive_of: The run that it was forked from, by a redrive or otherwise.
        redriven_as: The run in which what failed it was tried again.
        forked_as: The runs that were forked from it otherwise.
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

    def raise_for_status(self) -> Self:
        """The result itself, unless the run has failed or was cancelled.

        Raises:
            RunFailedError: It has; the error lists why.
        """
        if self.status == "failed" or self.status == "cancelled":
            raise RunFailedError(self.run_id, self.status, self.errors, self.reason)
        return self

    def __repr__(self) -> str:
        why = shown(self.errors) or (self.reason or "")
        return f"StoredResult({self.run_id!r}, {self.status}, {self.steps} steps{f', {why[:SHOWN]}' if why else ''})"

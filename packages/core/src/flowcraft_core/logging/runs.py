"""What is said of a run's start and end, in process and on workers alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import attrs

from ..graph.facts import NodeError
from .catalogue import (
    RUN_AWAITING,
    RUN_CANCELLED,
    RUN_COMPLETED,
    RUN_FAILED,
    RUN_LEFT,
    RUN_RESUMED,
    RUN_STARTED,
    RUN_STOPPED,
)
from .journal import Journal

if TYPE_CHECKING:
    from ..traces import Trace

_Ended: TypeAlias = Literal["completed", "failed", "cancelled"]
_ENDED = frozenset(get_args(_Ended))
_Status: TypeAlias = Literal["running", "awaiting"] | _Ended

_NO_REASON = "no reason was given"

# Longer lists are for a look at the run.
_SHOWN = 5


def reason_of(errors: Sequence[NodeError]) -> str:
    """Why a run has failed, in a sentence for people."""
    return "; ".join(str(error) for error in errors)


def tell_stop(journal: Journal, flow: str, reason: str | None) -> None:
    """Say that a run is undone before it ends; to be called by whoever stopped it.

    Args:
        journal: One that is bound to the run.
        flow: The run's flow.
        reason: Why.
    """
    journal.tell(RUN_STOPPED, flow=flow, reason=reason or _NO_REASON)


def tell_end(
    journal: Journal, state: _Ended, *, flow: str, since: float, now: float, reason: str, trace: Trace | None
) -> None:
    """Say that a run has ended; to be called by whoever ended it.

    Args:
        journal: One that is bound to the run.
        state: How.
        flow: The run's flow.
        since: When it began, seconds since the epoch.
        now: When it ended.
        reason: Why, if it has not completed.
        trace: Where its spans go.
    """
    if journal.telemetry is not None:
        run_id = str(journal.fields["run_id"])
        journal.telemetry.run_ended(run_id, flow, state, started=since, ended=now, trace=trace)
    seconds = now - since
    if state == "completed":
        journal.tell(RUN_COMPLETED, flow=flow, seconds=seconds)
    else:
        event = RUN_FAILED if state == "failed" else RUN_CANCELLED
        journal.tell(event, flow=flow, seconds=seconds, reason=reason or _NO_REASON)


@attrs.define
class RunLog:
    """Says what becomes of one run in process, each thing once, however often it is gone on with.

    Attributes:
        journal: Bound to the run.
        flow: The run's flow.
        since: When it began, seconds since the epoch.
        trace: Where its spans go.
        told: What was said last.
    """

    journal: Journal
    flow: str
    since: float
    trace: Trace | None = None
    told: str = ""

    def begins(self) -> bool:
        """The run is gone on with; False if it had ended."""
        if self.told in _ENDED:
            return False
        self.journal.tell(RUN_RESUMED if self.told else RUN_STARTED, flow=self.flow)
        self.told = "running"
        return True

    def is_left(self) -> None:
        """Whoever waited for the run was interrupted."""
        self.journal.tell(RUN_LEFT, flow=self.flow)

    def is_undone(self, status: _Status, errors: Sequence[NodeError]) -> None:
        """The run is about to be undone, as it is to end so."""
        if status != self.told:
            tell_stop(self.journal, self.flow, reason_of(errors))

    def stops(self, status: _Status, now: float, errors: Sequence[NodeError], waiting: Callable[[], list[str]]) -> None:
        """The run has ended, or only waits are left.

        Args:
            status: Which.
            now: Seconds since the epoch.
            errors: Why it has failed.
            waiting: Gives the keys of what it waits for.
        """
        if status == self.told:
            return
        self.told = status
        if status == "completed" or status == "failed" or status == "cancelled":
            reason, trace = reason_of(errors), self.trace
            tell_end(self.journal, status, flow=self.flow, since=self.since, now=now, reason=reason, trace=trace)
        else:
            keys = waiting()
            shown = [*keys[:_SHOWN], *(["..."] if len(keys) > _SHOWN else [])]
            self.journal.tell(RUN_AWAITING, flow=self.flow, waiting=", ".join(shown))

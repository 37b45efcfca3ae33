"""What cannot be looked at, said at once and then ever more rarely: it is met again by every look for runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from ..errors import TransientError
from ..failures import reason_of
from ..logging.catalogue import LOOK_FAILED, SCHEDULE_FAILED, STATUS_LEFT_OUT
from ..logging.journal import Journal, Rarely


@attrs.frozen
class LookLog:
    """For those who look for runs: stores of statuses, and reconcilers. It is kept for as long as they look.

    Attributes:
        now: Tells the time, in seconds since the epoch.
        journal: Where it is said.
    """

    now: Callable[[], float] = time.time
    journal: Journal = attrs.field(factory=Journal)
    _rarely: Rarely = attrs.field(factory=Rarely)

    def left_out(self, error: Exception) -> None:
        """Say of a status that it cannot be read, and keeps no other from being found; the error names it."""
        reason = reason_of(error)
        if times := self._rarely.times(("status", reason), self.now()):
            self.journal.tell(STATUS_LEFT_OUT, reason=reason, times=times)

    def failed(self, run_id: str, error: Exception) -> None:
        """Say of a run that it could not be looked at."""
        if self._rarely.times(("run", run_id), self.now()):
            lower = isinstance(error, TransientError)
            self.journal.bind(run_id=run_id).tell(LOOK_FAILED, error, reason=reason_of(error), lower=lower)

    def schedule_failed(self, schedule_id: str, error: Exception) -> None:
        """Say of a schedule that it could not be looked at."""
        if self._rarely.times(("schedule", schedule_id), self.now()):
            lower = isinstance(error, TransientError)
            self.journal.tell(SCHEDULE_FAILED, error, schedule=schedule_id, reason=reason_of(error), lower=lower)

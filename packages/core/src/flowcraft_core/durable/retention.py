"""Purges runs that have ended long ago, a bounded number at a time, so that nobody has to."""

from __future__ import annotations

import attrs

from ..errors import TransientError
from ..ports import FinalState
from .looks import LookLog
from .purging import purge
from .stored_runs import FINAL, StoredRuns

# Statuses that one look reads in each final state, and runs that it tries to purge in all: a look takes seconds, not
# hours.
_READ = 100
_PURGED = 50

# For how long a run that could not be purged is left alone, seconds; and of how many such runs that is known.
_LEFT_ALONE = 86400.0
_LEFT_ALONE_KNOWN = 10_000


@attrs.define
class Retention:
    """How long runs are kept once they have ended.

    A look reads a page of each final state and goes on from there at the next look, round and round. So it costs three
    requests, and what it purges, however many runs there are.

    Attributes:
        stored: The runs.
        age: For how long they are kept, seconds.
        log: Is told of those that cannot be purged.
    """

    stored: StoredRuns
    age: float
    log: LookLog
    _cursors: dict[FinalState, str | None] = attrs.field(factory=dict)
    _failed: dict[str, float] = attrs.field(factory=dict)  # when those were tried that could not be purged
    _first: int = 0

    async def look(self) -> int:
        """Purge what is old enough among the next runs; how many were purged.

        Raises:
            TransientError: The backend is out of reach.
        """
        purged, room = 0, _PURGED
        before = self.stored.clock.now() - self.age
        # Where more end in one state than is purged, the others have their turn all the same.
        first, self._first = self._first, (self._first + 1) % len(FINAL)
        for state in (*FINAL[first:], *FINAL[:first]):
            cursor = self._cursors.get(state)
            page = await self.stored.backend.status.find(state=state, cursor=cursor, limit=_READ)
            old = [status.run_id for status in page.items if status.updated <= before and self._is_tried(status.run_id)]
            tried = old[:room]
            for run_id in tried:
                purged += await self._purge(run_id)
            room -= len(tried)
            if len(old) > len(tried):
                break  # the rest of this page is for the next look
            self._cursors[state] = page.cursor
        return purged

    async def _purge(self, run_id: str) -> bool:
        """Purge a run; whether it could be: one that is damaged does not keep the others."""
        try:
            await purge(self.stored, run_id)
        except TransientError:
            raise
        except Exception as error:
            self.log.failed(run_id, error)
            if len(self._failed) >= _LEFT_ALONE_KNOWN:
                self._failed.pop(next(iter(self._failed)))
            self._failed[run_id] = self.stored.clock.now()
            return False
        return True

    def _is_tried(self, run_id: str) -> bool:
        """Whether a run is tried: one that could not be purged is left alone for a day."""
        failed = self._failed.get(run_id)
        if failed is not None and 0 <= self.stored.clock.now() - failed < _LEFT_ALONE:
            return False
        self._failed.pop(run_id, None)
        return True

"""Purges runs that have ended long ago, a bounded number at a time, so that nobody has to."""

from __future__ import annotations

import attrs

from ..errors import TransientError
from ..ports import FinalState
from .looks import LookLog
from .purging import purge
from .stored_runs import FINAL, StoredRuns

# Statuses that one look reads in each final state, and runs that it purges in all: a look takes seconds, not hours.
_READ = 100
_PURGED = 50


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

    async def look(self) -> int:
        """Purge what is old enough among the next runs; how many there were.

        Raises:
            TransientError: The backend is out of reach.
        """
        purged, before = 0, self.stored.clock.now() - self.age
        for state in FINAL:
            cursor = self._cursors.get(state)
            page = await self.stored.backend.status.find(state=state, cursor=cursor, limit=_READ)
            old = [status.run_id for status in page.items if status.updated <= before]
            room = _PURGED - purged
            for run_id in old[:room]:
                try:
                    await purge(self.stored, run_id)
                except TransientError:
                    raise
                except Exception as error:  # one that is damaged does not keep the others
                    self.log.failed(run_id, error)
                purged += 1
            if len(old) > room:
                break  # the rest of this page is for the next look
            self._cursors[state] = page.cursor
        return purged

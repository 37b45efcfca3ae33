"""What is stored of a run, for programs that look at it from outside: what can be seen of it, once it can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from ..clock import Clock
from ..graph.instances import Phase
from ..graph.state import RunState
from ..observing import Telemetry
from ..ports import Backend, FinalState, RunStatus
from .results import StoredRun
from .runs import FORK_KEY, REDRIVEN_KEY, RunRecord, Runs, UnknownRunError
from .storage import Records, StaleReadError, reading
from .view import whole_state

T = TypeVar("T")

#: The states in which a run has ended.
FINAL: tuple[FinalState, ...] = ("completed", "failed", "cancelled")

# Seconds between two looks at what may not be visible yet.
_PAUSE = 0.05


@attrs.frozen
class StoredRuns:
    """Reads runs, and waits for as long as the store says that its reads may lag.

    Attributes:
        backend: Where runs live.
        records: The backend's records.
        runs: The backend's run records.
        clock: Tells the time.
        telemetry: Measures what is done with runs.
    """

    backend: Backend
    records: Records
    runs: Runs
    clock: Clock
    telemetry: Telemetry | None = None

    async def status(self, run_id: str) -> RunStatus:
        """A run's status.

        Raises:
            UnknownRunError: There is none.
        """
        status = await self.backend.status.get(run_id)
        if status is None:
            raise UnknownRunError(f"there is no run {run_id!r}")
        return status

    async def linked(self, status: RunStatus) -> StoredRun:
        """A run's status with its links, which are facts of the runs: one request, in any store."""
        found = await self.records.get_all(status.run_id, [FORK_KEY, REDRIVEN_KEY])
        with reading(status.run_id, "its links"):
            redrive_of = str(found[FORK_KEY]["of"]) if FORK_KEY in found else None
            redriven_as = str(found[REDRIVEN_KEY]["as"]) if REDRIVEN_KEY in found else None
        return StoredRun.of(status, redrive_of, redriven_as)

    async def record(self, run_id: str) -> RunRecord:
        """The record of a run that has a status.

        Raises:
            UnknownRunError: There is none.
        """
        record = await self.settled(lambda: self.runs.get(run_id))
        if record is None:
            raise UnknownRunError(f"run {run_id!r} has a status but no record")
        return record

    async def state(self, record: RunRecord, status: RunStatus | None) -> RunState:
        """What the facts say; the status may be ahead of what is to be seen of them."""
        until = self.clock.now() + self.backend.context.limits.staleness
        while True:
            state = await self.settled(lambda: whole_state(record, self.records))
            ended = status is not None and status.state in ("completed", "failed")
            if not ended or state.phase is not Phase.RUNNING or self.clock.now() >= until:
                return state
            await self.clock.sleep(_PAUSE)

    async def settled(self, read: Callable[[], Awaitable[T]]) -> T:
        """What is read, once all parts of it can be seen.

        Args:
            read: Gives None, or raises ``StaleReadError``, where something cannot be seen yet.

        Raises:
            StaleReadError: As ``read`` does, still.
        """
        until = self.clock.now() + self.backend.context.limits.staleness
        while True:
            try:
                found = await read()
                if found is not None or self.clock.now() >= until:
                    return found
            except StaleReadError:
                if self.clock.now() >= until:
                    raise
            await self.clock.sleep(_PAUSE)

"""What is stored of a run, for programs that look at it from outside: what can be seen of it, once it can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ..clock import Clock
from ..graph.instances import Phase
from ..graph.state import RunState
from ..ports import Backend, FinalState, RunStatus
from .ends import undoes
from .results import StoredRun
from .runs import FORK_KEY, FORKED, REDRIVEN_KEY, RunRecord, Runs, UnknownRunError
from .storage import Records, read_once_visible, reading
from .whole import Passing, WholeReading

if TYPE_CHECKING:
    from ..observing import Telemetry

T = TypeVar("T")

#: The states in which a run has ended.
FINAL: tuple[FinalState, ...] = ("completed", "failed", "cancelled")

#: So many of the runs that were forked from a run are looked for in one request.
LINKS_READ = 8


def _is_there(found: object) -> bool:
    return found is not None


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
        if status is None or status.state == "schedule":
            raise UnknownRunError(f"there is no run {run_id!r}")
        return status

    async def linked(self, status: RunStatus) -> StoredRun:
        """A run's status with its links, which are facts of the runs: one request, unless it was forked many times."""
        found = await self.records.get_all(status.run_id, [FORK_KEY, REDRIVEN_KEY, *_forked_keys(0)])
        with reading(status.run_id, "its links"):
            return StoredRun.of(
                status,
                redrive_of=str(found[FORK_KEY]["of"]) if FORK_KEY in found else None,
                redriven_as=str(found[REDRIVEN_KEY]["as"]) if REDRIVEN_KEY in found else None,
                forked_as=tuple(await self.forked_as(status.run_id, found)),
            )

    async def forked_as(self, run_id: str, found: Mapping[str, Mapping[str, Any]] | None = None) -> list[str]:
        """The runs that were forked from a run, but for its redrive, in order.

        Args:
            run_id: The run.
            found: Its first links, if they were read already.
        """
        forks: list[str] = []
        while True:
            keys = _forked_keys(len(forks))
            if found is None:
                found = await self.records.get_all(run_id, keys)
            with reading(run_id, "its links"):
                forks += [str(found[key]["as"]) for key in keys if key in found]
            if keys[-1] not in found:
                return forks
            found = None

    async def note_fork(self, run_id: str, forked_as: str) -> None:
        """Link a run to one that is forked from it; once, however often it is said."""
        forks = await self.forked_as(run_id)
        number = len(forks)
        while forked_as not in forks:
            standing = await self.records.put(run_id, f"{FORKED}{number}", {"as": forked_as})
            forks.append(str(standing.value["as"]))
            number += 1

    async def record(self, run_id: str) -> RunRecord:
        """The record of a run that has a status.

        Raises:
            UnknownRunError: There is none.
        """
        record = await self.settled(lambda: self.runs.get(run_id))
        if record is None:
            raise UnknownRunError(f"run {run_id!r} has a status but no record")
        return record

    async def state(self, record: RunRecord, status: RunStatus | None, passing: Passing | None = None) -> RunState:
        """What the facts say; the status may be ahead of what is to be seen of them.

        Args:
            record: The run's record.
            status: Its status.
            passing: Says of which items of batches nothing is kept once they have ended; of none by default. Of a run
                that may be undone all are kept.
        """
        return (await self.reading(record, status, passing=None if undoes(record) else passing)).state

    async def reading(self, record: RunRecord, status: RunStatus | None, **options: Any) -> WholeReading:
        """What has read what the facts say; see ``state``. For the options see ``whole_state``."""
        ended = status is not None and status.state in ("completed", "failed")
        stopped = status is not None and status.state in ("cancelled", "failed") and undoes(record)

        def has_caught_up(reading: WholeReading) -> bool:
            # Of a run that was undone nothing is ready any more, not even what is unneeded.
            state = reading.state
            return not (state.ready if stopped else ended and state.phase is Phase.RUNNING)

        return await self.settled(lambda: _read(record, self.records, stopped=stopped, **options), has_caught_up)

    async def filled(self, run_id: str, state: RunState, *, items: bool = False) -> RunState:
        """The state with what of it stands in pages: the results of batches, and the items on demand."""
        return await self.settled(lambda: self.records.pages.fill(run_id, state, items=items))

    async def settled(self, read: Callable[[], Awaitable[T]], is_all: Callable[[T], bool] = _is_there) -> T:
        """What is read, once all parts of it can be seen; see ``read_once_visible``. By default nothing is not all."""
        return await read_once_visible(read, self.backend.context, self.clock, is_all=is_all)


async def _read(record: RunRecord, records: Records, **options: Any) -> WholeReading:
    reading = WholeReading.of(record, records, **options)
    await reading.read()
    await reading.told()
    return reading


def _forked_keys(first: int) -> list[str]:
    return [f"{FORKED}{number}" for number in range(first, first + LINKS_READ)]

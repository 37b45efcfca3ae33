"""What reconcilers have sent again: whether somebody has taken it since, and from when on it counts as lost.

A job that was sent may lie in its queue for as long as no worker is free, or be lost; the facts do not tell which. So
what is sent again carries a name, and whoever takes it notes that. Only what was taken, and came to nothing, is a
revival without progress; of what nobody has taken, another one is sent ever more rarely. All of this is hints: without
them jobs are sent more often, and it takes longer until a run is failed that nobody can bring on.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable, Mapping

import attrs

from ..ids import new_id
from ..ports import CoordinationStore
from .hints import read_hints
from .runs import RunRecord
from .signals import REVIVALS_KEPT, taken_key

# What has changed nothing is done again after at most so many intervals.
_LONGEST_INTERVALS = 60.0

# Notes about the instances of one run that are made side by side.
_NOTED_AT_ONCE = 50


@attrs.frozen
class Revival:
    """That a job for an instance was sent again, or is about to be.

    Attributes:
        name: What whoever takes the job notes; empty if nothing is to be noted.
        times: How often one was sent, this time included.
        taken: How often one was taken before, and came to nothing.
        due: When the next one may be sent, seconds since the epoch.
    """

    name: str
    times: int
    taken: int
    due: float


@attrs.define
class Revivals:
    """Those of all runs.

    Attributes:
        coordination: Where they are noted.
        interval: After so many seconds the second one is sent; then after twice as many, and so on.
    """

    coordination: CoordinationStore
    interval: float

    async def last(self, record: RunRecord, places: Iterable[str]) -> dict[str, Revival]:
        """The latest revivals of some places of a run, by place; none of those that have had none.

        Args:
            record: The run's record.
            places: What tells the places apart: what is no place any more once it was brought on.
        """
        keys = {_last_key(record, place): place for place in places}
        said = await read_hints(self.coordination, keys)
        return {keys[key]: last for key, text in said.items() if (last := _read(text)) is not None}

    async def following(self, record: RunRecord, last: Mapping[str, Revival | None], now: float) -> dict[str, Revival]:
        """The next revivals of some places, to be noted once they are sent.

        Args:
            record: The run's record.
            last: The latest ones, by place.
            now: The time.
        """
        taken = await self._taken(record, last)
        following: dict[str, Revival] = {}
        for place, before in last.items():
            times, took = (0, 0) if before is None else (before.times, before.taken)
            pause = self.interval * min(2.0 ** min(times, 60), _LONGEST_INTERVALS)
            following[place] = Revival(new_id(), times + 1, took + (place in taken), now + pause)
        return following

    async def note(self, record: RunRecord, revivals: Mapping[str, Revival]) -> None:
        """Note that jobs were sent again, by place."""
        places = list(revivals)
        for start in range(0, len(places), _NOTED_AT_ONCE):
            some = places[start : start + _NOTED_AT_ONCE]
            await asyncio.gather(*(self._note(_last_key(record, place), revivals[place]) for place in some))

    async def _taken(self, record: RunRecord, last: Mapping[str, Revival | None]) -> set[str]:
        """The places of which somebody has taken the latest job."""
        keys = {taken_key(record, each.name): place for place, each in last.items() if each is not None and each.name}
        return {keys[key] for key in await read_hints(self.coordination, keys)}

    async def _note(self, key: str, revival: Revival) -> None:
        said = json.dumps(attrs.astuple(revival))
        if not await self.coordination.set_if_absent(key, said, ttl=REVIVALS_KEPT):
            await self.coordination.delete(key)
            await self.coordination.set_if_absent(key, said, ttl=REVIVALS_KEPT)


def _last_key(record: RunRecord, place: str) -> str:
    return f"revived:{record.incarnation}:{uuid.uuid5(uuid.NAMESPACE_OID, place).hex}"


def _read(said: str) -> Revival | None:
    """A revival as it was noted; what cannot be read is none."""
    try:
        name, times, taken, due = json.loads(said)
        return Revival(str(name), int(times), int(taken), float(due))
    except (ValueError, TypeError, OverflowError):
        return None

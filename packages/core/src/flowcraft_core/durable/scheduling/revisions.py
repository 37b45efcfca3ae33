"""A schedule is a chain of write-once revisions, the last of which holds; and what they look like when stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import attrs

from ...errors import ConfigurationError, FlowcraftError
from ...ids import require_run_id
from ...schedules import Missed, Overlap, Timing, require_choice
from ...serialization.sameness import are_same
from ..storage import Records, reading

#: What a revision has done to the schedule.
Change: TypeAlias = Literal["made", "edited", "paused", "resumed", "removed"]

#: An id has at most so many characters: there must be room for what it is part of, run ids.
LONGEST_ID = 250

# Before the id, where a schedule is kept: the run id of no run, since a run id begins with no colon.
_PLACE = ":schedule:"

# Revisions that are looked for at once, beyond the last one that is known: the next one, and ever farther ones.
_BEYOND = (1, 2, 4, 8, 16, 32)


class UnknownScheduleError(FlowcraftError):
    """There is no schedule with that id."""


@attrs.frozen(kw_only=True)
class Revision:
    """What a schedule says from a change to the next one.

    Attributes:
        schedule_id: The schedule.
        number: The how-manieth it is, from 0 on.
        change: What was changed.
        at: When, seconds since the epoch, by the clock of whoever did.
        since: Its times count from then on, seconds since the epoch.
        is_paused: Whether it starts nothing.
        flow: The id of the flow that it starts.
        blueprints: The content hashes of the flow's blueprint and of all that it can call, by id.
        context: The initial context values of each run.
        tags: The tags of each run.
        timeout: How long each run may take, seconds; None for no limit.
        timing: When it is due.
        missed: What becomes of times that nobody was there to start.
        grace: How long ago a time may be that was not missed, seconds.
        overlap: What is done if the run before is still under way.
    """

    schedule_id: str
    number: int = 0
    change: Change = "made"
    at: float = 0.0
    since: int = 0
    is_paused: bool = False
    flow: str
    blueprints: Mapping[str, str]
    context: Mapping[str, Any] = attrs.field(factory=dict)
    tags: Mapping[str, str] = attrs.field(factory=dict)
    timeout: float | None = None
    timing: Timing
    missed: Missed = "latest"
    grace: int = 120
    overlap: Overlap = "start"

    @property
    def is_removed(self) -> bool:
        """Whether there is no such schedule any more."""
        return self.change == "removed"


@attrs.frozen
class Chain:
    """Reads and writes the revisions of schedules.

    Attributes:
        records: Where they are.
    """

    records: Records

    async def last(self, schedule_id: str) -> Revision | None:
        """The revision that holds; None if there never was one. One request, unless there are many revisions."""
        place, known, keys = place_of(schedule_id), -1, [0, 1, *_BEYOND[1:]]
        stored: Mapping[str, Any] | None = None
        while True:
            found = await self.records.get_all(place, [_key(number) for number in keys])
            there = [number for number in keys if _key(number) in found]
            if there:
                known, stored = there[-1], found[_key(there[-1])]
            if stored is None:
                return None
            if known + 1 in keys and known + 1 not in there:
                break
            keys = [known + beyond for beyond in _BEYOND]
        return self._read(schedule_id, known, stored)

    async def add(self, revision: Revision) -> Revision:
        """Write a revision, unless there is one of its number; the one that stands then."""
        place, key = place_of(revision.schedule_id), _key(revision.number)
        stored = await self.records.put(place, key, self._written(revision))
        return revision if stored.won else self._read(revision.schedule_id, revision.number, stored.value)

    def difference(self, one: Revision, other: Revision) -> str | None:
        """The name of something that one revision says otherwise than another one, whenever each was written.

        Whether they are paused is left out. None if there is nothing.
        """
        for name in ("flow", "blueprints", "tags", "timeout", "timing", "missed", "grace", "overlap"):
            if getattr(one, name) != getattr(other, name):
                return name
        return None if are_same(self._stored(one.context), self._stored(other.context)) else "context"

    def _written(self, revision: Revision) -> dict[str, Any]:
        return {
            **attrs.asdict(revision, filter=attrs.filters.exclude("schedule_id", "number", "context")),
            "context": self._stored(revision.context),
        }

    def _stored(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.records.serializer.to_data(value) for name, value in context.items()}

    def _read(self, schedule_id: str, number: int, stored: Mapping[str, Any]) -> Revision:
        decode = self.records.serializer.from_data
        with reading(place_of(schedule_id), _key(number)):
            revision = Revision(
                schedule_id=schedule_id,
                number=number,
                **{
                    **stored,
                    "timing": Timing(**stored["timing"]),
                    "context": {name: decode(value) for name, value in stored["context"].items()},
                },
            )
            _check(revision)
        return revision


def place_of(schedule_id: str) -> str:
    """Where what is stored of a schedule is, as if it were a run."""
    return _PLACE + schedule_id


def schedule_at(place: str) -> str:
    """The id of the schedule that is kept there."""
    return place.removeprefix(_PLACE)


def require_schedule_id(schedule_id: object) -> str:
    """A schedule's id, if it can be one.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(schedule_id, str) or len(schedule_id) > LONGEST_ID:
        raise ConfigurationError(f"schedule id {schedule_id!r:.80}: give text of at most {LONGEST_ID} characters")
    try:
        return require_run_id(schedule_id)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("run id", "schedule id", 1)) from error


def _key(number: int) -> str:
    return f":revision:{number}"


def _check(revision: Revision) -> None:
    """Refuse what nobody can have written who knows what a schedule is."""
    if revision.change not in get_args(Change):
        raise ValueError(f"its change is {revision.change!r:.80}")
    if revision.flow not in revision.blueprints:
        raise ValueError(f"its flow {revision.flow!r:.80} is not among its blueprints")
    for name, value, kinds in (
        ("at", revision.at, (int, float)),
        ("since", revision.since, (int,)),
        ("grace", revision.grace, (int,)),
        ("timeout", revision.timeout or 0, (int, float)),
        ("every", revision.timing.every or 1, (int,)),
    ):
        if type(value) not in kinds or not math.isfinite(value) or value < (name == "every"):
            raise ValueError(f"its {name} is {value!r:.80}")
    if type(revision.is_paused) is not bool:
        raise ValueError(f"its is_paused is {revision.is_paused!r:.80}")
    timing = revision.timing
    Timing.of(timing.cron, timing.timezone if timing.cron else None, timing.every)
    require_choice("missed", revision.missed, Missed)
    require_choice("overlap", revision.overlap, Overlap)

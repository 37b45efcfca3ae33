"""When schedules are due, and which of the times that have passed are made up for. Arithmetic alone; times are UTC.

The rules:

- A schedule is due at times that follow from what it says and from the moment since which it says so: nothing that has
  happened meanwhile, and no clock, moves them. All times here are whole seconds since the epoch.
- What was started or left out is *done with* up to a time. The next time is the first one after that.
- A time that is no longer ago than the schedule's ``grace`` is *on time*, and is started in any case: clocks differ,
  and nobody looks every second. What is longer ago was *missed*. Of those ``all`` are started, or the ``latest`` one
  unless a later one is on time, or ``none``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

import attrs

from .crontab import cron_after, require_cron
from .durations import Duration, parse_seconds
from .errors import ConfigurationError

#: What becomes of times that nobody was there to start: all are made up for, the latest, or none.
Missed: TypeAlias = Literal["all", "latest", "none"]
#: What is done if the run before is still under way: start all the same, leave the new one out, or cancel the older.
Overlap: TypeAlias = Literal["start", "skip", "cancel"]

# Stretches in which the latest of a cron expression's times is looked for, each longer than the one before, seconds.
_STRETCHES = (3_600, 86_400, 32 * 86_400, 367 * 86_400)


@attrs.frozen
class Timing:
    """When a schedule is due.

    Attributes:
        cron: A cron expression of five fields; None for an interval.
        timezone: The IANA name of the time zone that the expression means.
        every: Seconds from one time to the next, counted from the moment since which the schedule says so.
    """

    cron: str | None = None
    timezone: str = "UTC"
    every: int | None = None

    @classmethod
    def of(cls, cron: str | None, timezone: str | None, every: Duration | None) -> Timing:
        """What somebody has asked for.

        Raises:
            ConfigurationError: It is neither or both, or cannot mean anything.
        """
        if (cron is None) == (every is None):
            raise ConfigurationError("schedule: give either cron or every")
        if every is not None:
            if timezone is not None:
                raise ConfigurationError("schedule: every needs no timezone: an interval is the same in all of them")
            seconds = parse_seconds("schedule: every", every)
            if seconds != int(seconds):
                raise ConfigurationError(f"schedule: every must be whole seconds, not {every!r}")
            return cls(every=int(seconds))
        zone = "UTC" if timezone is None else timezone
        return cls(cron=require_cron(cron, zone), timezone=zone)

    def after(self, time: float, since: int) -> int | None:
        """The first time after this one; None if there is none.

        Args:
            time: Seconds since the epoch.
            since: The schedule says what it says since then: the first time comes after it.
        """
        time = max(time, since)
        if self.every is not None:
            return since + (int((time - since) // self.every) + 1) * self.every
        assert self.cron is not None
        return cron_after(self.cron, self.timezone, time)

    def latest(self, after: int, until: float, since: int) -> int | None:
        """The last time after the one and not after the other; None if there is none."""
        if until <= after:
            return None
        if self.every is not None:
            last = since + int((until - since) // self.every) * self.every
            return last if last > max(after, since) else None
        for stretch in (*_STRETCHES, None):
            begin = after if stretch is None else max(after, int(until) - stretch)
            found = [*itertools.takewhile(lambda time: time <= until, self.times(begin, since))]
            if found or begin == after:
                return found[-1] if found else None
        raise AssertionError(after)

    def times(self, after: float, since: int) -> Iterator[int]:
        """All times after this one, in order."""
        time = self.after(after, since)
        while time is not None:
            yield time
            time = self.after(time, since)


@attrs.frozen
class Plan:
    """What is to be done about a schedule at a moment.

    Attributes:
        start: The times to be started, in order.
        left_out: The first and the last of those that were missed and are not made up for.
        done: What the schedule is done with once these are started; None if nothing was due.
        next: The next time after those; it has passed already if there were too many for one look.
    """

    start: tuple[int, ...]
    left_out: tuple[int, int] | None
    done: int | None
    next: int | None


def plan(timing: Timing, *, since: int, done: int | None, now: float, missed: Missed, grace: int, most: int) -> Plan:
    """Say what is to be done about a schedule.

    Args:
        timing: When it is due.
        since: Since when it says so.
        done: The last time that it is done with, if there is one.
        now: The time.
        missed: What becomes of missed times.
        grace: How long ago a time may be that was not missed, seconds.
        most: How many times are started at once, at most; the rest is due again.
    """
    after = since if done is None else max(since, done)
    left_out: tuple[int, int] | None = None
    begin, instead = after, None
    if missed != "all" and (latest := timing.latest(after, now - grace - 1e-6, since)) is not None:
        first = timing.after(after, since)
        assert first is not None
        begin, instead, left_out = latest, latest, (first, latest)
    due = tuple(itertools.islice(itertools.takewhile(lambda time: time <= now, timing.times(begin, since)), most))
    if instead is not None and missed == "latest" and not due:
        due = (instead,)
        before = timing.latest(after, instead - 1, since)
        left_out = None if before is None or left_out is None else (left_out[0], before)
    last = due[-1] if due else instead
    return Plan(due, left_out, last, timing.after(after if last is None else last, since))


def as_text(time: float) -> str:
    """A time as it is written in the id of the run that was started for it: ``2026-03-29T01:30:00Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def firing_id(schedule_id: str, due: int) -> str:
    """The id of the run that a schedule starts for a time."""
    return f"{schedule_id}@{as_text(due)}"


def due_of(run_id: str) -> datetime | None:
    """For which time a schedule has started a run, by the run's id; None if it was not started by one.

    It is what a step goes by that works on a day or an hour: whenever it runs, this is the time that is meant.
    """
    try:
        return datetime.strptime(run_id.rpartition("@")[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def require_choice(name: str, value: object, choices: TypeAlias) -> None:
    """Refuse a setting that is none of those that there are.

    Raises:
        ConfigurationError: It is none of them.
    """
    if value not in get_args(choices):
        raise ConfigurationError(f"schedule: {name} must be one of {', '.join(get_args(choices))}, not {value!r:.80}")

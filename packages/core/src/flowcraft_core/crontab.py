"""Cron expressions, by ``cronsim``, which is imported once one is used.

An expression has five fields, and means what Debian's cron makes of it, also when clocks change: what runs at a certain
time of day runs once a day, right after the gap where its time is left out, and the first of two times where it comes
twice; what runs every so many minutes or hours (a ``*`` in either field) runs by the time that really passes.
"""

from __future__ import annotations

import bisect
import functools
import importlib
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    import zoneinfo

# No zone changes its clocks, and changes them back, within so many seconds.
_DAY = 86_400


def require_cron(expression: object, timezone: object) -> str:
    """A cron expression, with one space between its fields, if it can mean anything in a time zone.

    Raises:
        ConfigurationError: It is none, its times never come, there is no such time zone, or ``cronsim`` is missing.
    """
    if not isinstance(expression, str):
        raise ConfigurationError(f"schedule: cron must be text such as '30 2 * * *', not {expression!r:.80}")
    fields = expression.split()
    if len(fields) != 5:
        raise ConfigurationError(
            f"schedule: cron {expression!r:.80} has {len(fields)} fields: give five, minute, hour, day of the month, "
            "month and day of the week, such as '30 2 * * *'"
        )
    cron = " ".join(fields)
    if cron_after(cron, timezone, 0.0) is None:
        raise ConfigurationError(f"schedule: the times of cron {cron!r} never come")
    return cron


def cron_after(expression: str, timezone: object, time: float) -> int | None:
    """The first time of an expression after this one, seconds since the epoch; None if there is none in 50 years.

    Raises:
        ConfigurationError: As for ``require_cron``.
    """
    zone = _zone(timezone)
    if not any(field.startswith("*") for field in expression.split()[:2]):
        # It goes by what the clock on the wall shows. Where that was set back, what it gives first may be past already.
        for on_the_wall in _times(expression, datetime.fromtimestamp(time, zone)):
            seconds = int(on_the_wall.timestamp())
            if seconds > time:
                return seconds
        return None
    # Where clocks change by half an hour, cronsim goes on hour by hour from half past, and leaves out what is before.
    # So it is asked as if they never changed; and again from the first change on, if that comes before what it finds.
    begin = since = math.floor(time)
    while True:
        shown = datetime.fromtimestamp(begin + _ahead(zone, since), UTC)
        following = next(_times(expression, shown), None)
        if following is None:
            return None
        seconds = begin + int((following - shown).total_seconds())
        change = _change(zone, since, seconds)
        if change is None:
            return seconds
        begin, since = change - 1, change


def _times(expression: str, after: datetime) -> Iterator[datetime]:
    cronsim = _cronsim()
    try:
        times: Iterator[datetime] = cronsim.CronSim(expression, after)
    except cronsim.CronSimError as error:
        raise ConfigurationError(f"schedule: cron {expression!r:.80} cannot be read: {error}") from error
    return times


def _ahead(zone: zoneinfo.ZoneInfo, time: int) -> int:
    """By how much the clocks of a zone are ahead of UTC, seconds."""
    offset = datetime.fromtimestamp(time, zone).utcoffset()
    assert offset is not None  # a zone always has one
    return int(offset.total_seconds())


def _change(zone: zoneinfo.ZoneInfo, after: int, until: int) -> int | None:
    """The first moment after one, and not after the other, at which the clocks of a zone have changed; None if none."""
    ahead = _ahead(zone, after)
    for begin in range(after, until, _DAY):
        end = min(begin + _DAY, until)
        if _ahead(zone, end) != ahead:
            return bisect.bisect_left(range(end), True, lo=begin, key=lambda time: _ahead(zone, time) != ahead)
    return None


@functools.cache
def _cronsim() -> Any:
    try:
        return importlib.import_module("cronsim")
    except ImportError as error:
        raise ConfigurationError(
            "schedule: cron needs the package cronsim, here and wherever a reconciler runs: "
            "pip install 'flowcraft-core[cron]'"
        ) from error


def _zone(name: object) -> zoneinfo.ZoneInfo:
    import zoneinfo  # noqa: PLC0415 # takes longer than all else here, and most schedules are by no clock on the wall

    try:
        if isinstance(name, str):
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ConfigurationError(
        f"schedule: there is no timezone {name!r:.80} here: give an IANA name such as 'Europe/Oslo'; where the system "
        "has no list of them, install tzdata"
    )

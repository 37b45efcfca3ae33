"""Cron expressions, by ``cronsim``, which is imported once one is used.

An expression has five fields, and means what Debian's cron makes of it, also when clocks change: what runs at a certain
time of day runs once a day, right after the gap where its time is left out, and the first of two times where it comes
twice; what runs every so many minutes or hours (a ``*`` in either field) runs by the time that really passes.
"""

from __future__ import annotations

import functools
import importlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    import zoneinfo


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
    cronsim, zone = _cronsim(), _zone(timezone)
    try:
        times = cronsim.CronSim(expression, datetime.fromtimestamp(time, zone))
    except cronsim.CronSimError as error:
        raise ConfigurationError(f"schedule: cron {expression!r:.80} cannot be read: {error}") from error
    # It goes by what the clock on the wall shows. Where that was set back, what it gives first may be past already.
    for found in times:
        seconds = int(found.timestamp())
        if seconds > time:
            return seconds
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

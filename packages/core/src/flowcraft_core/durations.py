"""Durations: in blueprints milliseconds or a number with a unit, in Python seconds, the same text, or a timedelta."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

from .errors import ConfigurationError
from .settings import LONGEST

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)

#: How Python code gives a duration: seconds, text such as ``"20m"``, or a timedelta.
Duration: TypeAlias = float | str | timedelta


def parse_duration(value: object) -> float:
    """Seconds that ``1500`` (milliseconds), ``"5s"``, ``"20m"``, ``"1h"`` or ``"40d"`` stand for in a blueprint.

    Raises:
        ValueError: It is neither; the message says what is expected.
    """
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return value / 1000
    raise ValueError(f"must be milliseconds or text like '5s', '20m', '1h', '40d', not {value!r:.80}")


def parse_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Seconds that a setting stands for, as Python code gives it.

    Args:
        name: What the setting is called, with whom it belongs to: ``node 'a': timeout``.
        value: A number of seconds, a ``timedelta``, or text as in a blueprint: ``"5s"``.
        zero: Whether no time at all means anything.

    Raises:
        ConfigurationError: It is no duration, or not one of that length; the message names the setting.
    """
    seconds = None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        seconds = parse_duration(value) if _TEXT.fullmatch(value) else None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value
    if seconds is None or not 0 <= seconds <= LONGEST or not (seconds or zero):
        bound = "of at least 0" if zero else "above 0"
        raise ConfigurationError(
            f"{name} must be a number of seconds {bound}, a timedelta or text like '5s', '20m', '1h', '40d', "
            f"not {value!r:.80}"
        )
    return seconds


def lasting(duration: float) -> str:
    """A duration in seconds, 0 or more, as people read it, with two units at most: ``2.5 s``, ``3 min 20 s``."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    for unit, size, below, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if duration >= size:
            return f"{duration // size:.0f} {unit} {duration % size // part:.0f} {below}"
    raise AssertionError(duration)

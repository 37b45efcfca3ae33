"""Durations as blueprints write them: milliseconds, or a number with a unit."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds that ``1500`` (milliseconds), ``"5s"``, ``"20m"``, ``"1h"`` or ``"40d"`` stand for.

    Raises:
        ValueError: It is neither; the message says what is expected.
    """
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return value / 1000
    raise ValueError(f"must be milliseconds or text like '5s', '20m', '1h', '40d', not {value!r:.80}")

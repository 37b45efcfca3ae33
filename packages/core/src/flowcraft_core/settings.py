"""Settings are looked at where they are given: one that cannot mean anything is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigurationError

#: Longer than anybody waits, and far from what clocks and timers cannot count, seconds.
LONGEST = 1e10

#: Seconds for which a job is hidden from other workers at a time, if nothing is said: a killed worker's job comes back
#: after at most so long where a queue knows no better, and holding one costs the more requests the shorter it is.
VISIBILITY = 30.0


def number(
    name: str, value: object, *, least: float | None = None, above: float | None = None, most: float = LONGEST
) -> float:
    """A setting that is a number.

    Args:
        name: What the setting is called, with whom it belongs to: ``Worker: visibility``.
        value: What was given.
        least: The smallest number that it may be.
        above: What it must be greater than.
        most: The greatest that it may be.

    Raises:
        ConfigurationError: It is no number in these bounds.
    """
    bound = f" of at least {least:g}" if least is not None else f" above {above:g}" if above is not None else ""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not value <= most  # NaN is not, either
        or (least is not None and value < least)
        or (above is not None and value <= above)
    ):
        raise ConfigurationError(f"{name} must be a number{bound} and of at most {most:g}, not {value!r:.80}")
    return value


def text(name: str, value: object) -> str:
    """A setting that is text.

    Args:
        name: As for ``number``.
        value: What was given.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {value!r:.80}")
    return value


def by_name(name: str, value: object) -> Mapping[Any, Any]:
    """A setting that is a dict, whose keys are not looked at.

    Args:
        name: As for ``number``.
        value: What was given.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must be a dict of values by name, not {value!r:.80}")
    return value


def whole(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """A setting that is a count.

    Args:
        name: As for ``number``.
        value: What was given.
        least: The smallest that it may be.
        most: The greatest that it may be; any by default.

    Raises:
        ConfigurationError: It is no whole number in these bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bound = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ConfigurationError(f"{name} must be a whole number {bound}, not {value!r:.80}")
    return value

"""When a wait asks again. Pure: the times follow from when it began to wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from .durations import parse_duration

#: The parameters of a wait in a blueprint: the step that is called, and after which times.
REMIND, AFTER = "remindUsesKey", "remindAfter"


@attrs.frozen
class Reminders:
    """What a wait calls while nobody has answered it, and when.

    Attributes:
        uses: The step's name in the registry.
        delays: Seconds before the first call, and between each call and the next.
        repeats: With the one delay there is, again and again; else each delay once.
    """

    uses: str
    delays: tuple[float, ...]
    repeats: bool

    def next(self, since: float, now: float) -> float | None:
        """The first time after ``now``; None if there is none. Times that were missed are left out.

        Args:
            since: When the wait began, seconds since the epoch.
            now: Likewise.
        """
        if self.repeats:
            (delay,) = self.delays
            times = math.floor(max(0.0, now - since) / delay)
            while (due := since + times * delay) <= now:  # where it is rounded down
                times += 1
            return due
        due = since
        for delay in self.delays:
            due += delay
            if due > now:
                return due
        return None


def reminders_of(params: Mapping[str, Any]) -> Reminders | None:
    """What the parameters of a wait in a blueprint say of reminders; None if there are none.

    Raises:
        ValueError: They cannot mean anything; the message says what is expected.
    """
    uses, after = params.get(REMIND), params.get(AFTER)
    if uses is None and after is None:
        return None
    if not isinstance(uses, str) or not uses:
        raise ValueError(f"{REMIND} must be a step's name in the registry, not {uses!r:.80}")
    repeats = not isinstance(after, list)
    try:
        delays = tuple(parse_duration(each) for each in (after if isinstance(after, list) else [after]))
    except ValueError as error:
        raise ValueError(f"{AFTER} {error}, or a list of such") from error
    if not delays or min(delays) <= 0:
        raise ValueError(f"{AFTER} must be longer than 0, or a list of such, not {after!r:.80}")
    return Reminders(uses, delays, repeats)

"""How long a file has kept one waiting lately."""

from __future__ import annotations

import attrs

# What takes longer is no matter of the event loop: what the loop saves by doing it itself, less than a tenth of a
# millisecond, is not worth its standing still meanwhile. Seconds.
_LONG = 0.001

# What one counts for, beside all before it.
_WEIGHT = 1 / 8


@attrs.define(eq=False)
class Pace:
    """A mean of what commits take, or reads, in which one counts for less with each that comes after it.

    Attributes:
        seconds: The mean; None before the first.
    """

    seconds: float | None = None

    def note(self, seconds: float, *, waited: bool = True) -> None:
        """Take how long something took; what has not waited for the disk tells something only if it took long."""
        if not waited and seconds <= _LONG:
            return
        self.seconds = seconds if self.seconds is None else self.seconds + (seconds - self.seconds) * _WEIGHT

    @property
    def is_short(self) -> bool:
        """Whether the next one may be expected to take little time."""
        return self.seconds is not None and self.seconds <= _LONG

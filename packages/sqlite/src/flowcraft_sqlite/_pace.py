"""How long commits to a file take lately."""

from __future__ import annotations

import attrs

# A commit that takes longer is no matter of the event loop: what the loop saves by making it itself, less than a tenth
# of a millisecond, is not worth that it stands still meanwhile. Seconds.
_LONG = 0.001

# What one commit counts for, beside all before it.
_WEIGHT = 1 / 8


@attrs.define(eq=False)
class Pace:
    """A mean in which a commit counts for less with each that comes after it.

    Attributes:
        seconds: The mean; None before the first.
    """

    seconds: float | None = None

    def note(self, seconds: float, *, synced: bool) -> None:
        """Take how long a commit took; one that does not wait for the disk tells something only if it is long."""
        if not synced and seconds <= _LONG:
            return
        self.seconds = seconds if self.seconds is None else self.seconds + (seconds - self.seconds) * _WEIGHT

    @property
    def is_short(self) -> bool:
        """Whether the next one may be expected to take little time."""
        return self.seconds is not None and self.seconds <= _LONG

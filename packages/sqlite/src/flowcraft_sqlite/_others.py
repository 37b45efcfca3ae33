"""Whether others have written to a file lately, told by each transaction of one's own, at no price."""

from __future__ import annotations

import sqlite3
import time

import attrs


@attrs.define(eq=False)
class Others:
    """What one's own writes have seen of others, in this process or in another.

    The thread that writes tells, the event loop asks. SQLite gives each connection a number that changes whenever some
    other connection has committed.

    Attributes:
        number: That number, as of the last transaction; None before the first.
    """

    number: int | None = None
    _since: float = 0.0

    def look(self, connection: sqlite3.Connection) -> None:
        """Look, in a transaction of the connection that writes."""
        (number,) = connection.execute("PRAGMA data_version").fetchone()
        self.number, self._since = number, time.monotonic()

    def are_silent(self, number: int | None, seconds: float) -> bool:
        """Whether no one else has written since that was the number, as was seen less than so many seconds ago."""
        return number is not None and number == self.number and time.monotonic() - self._since < seconds

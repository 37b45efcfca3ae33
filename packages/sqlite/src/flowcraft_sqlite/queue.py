"""Messages in a table, each with the time from which it can be received."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Sequence
from functools import partial

from flowcraft_core.clock import Clock, Stopwatch
from flowcraft_core.ports import Delivery, Message, QueueDepth, QueueLimits
from flowcraft_core.queues import DEFAULT_QUEUE

from ._database import Database
from ._lives import Lives
from ._rows import count, text, time

_TEN_YEARS = 10 * 365 * 86_400.0

# A token is its holder's number and what is drawn anew at each receipt: so many bits.
_DRAWN = 38

# How often a receiver looks for what other processes sent. The pauses grow with the time that it has waited, so that a
# message lies for about a twentieth of it, and for a tenth of a second at most.
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.1
_PAUSE_GROWTH = 1.05

# What a row's change takes, beside its body, bytes.
_SIZE_OF_ROW = 500

# So little is no time: clocks that count from 1970 cannot tell less apart. Seconds.
_MOMENT = 1e-6


LIMITS = QueueLimits(
    max_send=100, max_receive=100, max_body_bytes=2**18, max_delay=_TEN_YEARS, max_visibility=_TEN_YEARS
)


class SqliteJobQueue:
    """A ``flowcraft_core.ports.JobQueue`` in an SQLite file.

    The oldest due message comes first. One whose time is none that anybody may give is due at once: a program that
    writes to the table can write anything, and who handles messages is to find out what it is. A delivery's handle is
    the message's id and a token, drawn anew each time that the message is received, so that an old delivery can do
    nothing to a newer one. What a process holds that has died is visible at once; see ``_lives``.
    """

    limits = LIMITS

    def __init__(self, database: Database, clock: Clock, lives: Lives, name: str = DEFAULT_QUEUE) -> None:
        """Use the rows of one name in a file that may not be open yet."""
        self._database = database
        self._clock = clock
        self._lives = lives
        self.name = name
        self._receivers: set[asyncio.Event] = set()  # set when something was sent in this process
        self._last_taken = 0  # bytes: of the next receipt nothing else is known
        self._is_empty = False  # the last receipt has left nothing, and nothing was sent in this process since

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds."""
        require_messages(messages, delay)
        for start in range(0, len(messages), self.limits.max_send):
            bodies = [message.body for message in messages[start : start + self.limits.max_send]]

            def insert(connection: sqlite3.Connection, bodies: Sequence[str] = bodies) -> None:
                insert_messages(connection, self.name, self._clock.now() + delay, bodies)

            await self._database.write(insert, synced=True, size=sum(map(len, bodies)))
            self.announce()

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Take up to ``max_messages`` messages and hide them from every receiver for ``visibility`` seconds."""
        _require(max_messages >= 1, f"max_messages={max_messages}", "1 or more")
        self._require_visibility(visibility)
        watch, arrival = Stopwatch(self._clock), asyncio.Event()
        self._receivers.add(arrival)
        try:
            while True:
                arrival.clear()
                if self._lives.is_due:
                    await self._free_what_the_dead_hold()
                # Where there is nothing to take, to look is enough: that keeps nobody from writing.
                if not self._is_empty or watch.now() >= wait - _MOMENT:
                    taken = await self._take(min(max_messages, self.limits.max_receive), visibility)
                    if taken or watch.now() >= wait - _MOMENT:
                        return taken
                await self._until_due(arrival, watch, wait)
                self._is_empty = False
        finally:
            self._receivers.discard(arrival)

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """Hide deliveries for ``visibility`` seconds from now on; None for those that are not held any more.

        A delivery whose time has run out is held still, as long as nobody else has received the message.
        """
        self._require_visibility(visibility)

        def hide(connection: sqlite3.Connection) -> list[Delivery | None]:
            visible_at = self._clock.now() + visibility
            return [
                delivery
                if connection.execute(
                    "UPDATE jobs SET visible_at = ? WHERE id = ? AND token = ?", (visible_at, *delivery.handle)
                ).rowcount
                else None
                for delivery in deliveries
            ]

        return await self._database.write(hide, synced=False, size=_SIZE_OF_ROW * len(deliveries))

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good, unless somebody else has received them since."""

        def remove(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM jobs WHERE id = ? AND token = ?", [delivery.handle for delivery in deliveries]
            )

        await self._database.write(remove, synced=False, size=_SIZE_OF_ROW * len(deliveries))

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make messages visible again at once; their count stays."""
        await self._give_back(deliveries, deliveries_less=0)

    async def depth(self) -> QueueDepth:
        """How many messages there are; see ``flowcraft_core.ports.Measured``."""

        def count_all(connection: sqlite3.Connection) -> QueueDepth:
            now = self._clock.now()
            # What is no time is due at once.
            counted = connection.execute(
                "SELECT visible_at > ? AND visible_at <= ?, token IS NULL, count(*) FROM jobs WHERE queue = ?"
                " GROUP BY 1, 2",
                (now, now + 2 * _TEN_YEARS, self.name),
            )
            by_kind = {(hidden, is_free): number for hidden, is_free, number in counted}
            return QueueDepth(
                visible=by_kind.get((0, 0), 0) + by_kind.get((0, 1), 0),
                in_flight=by_kind.get((1, 0), 0),
                delayed=by_kind.get((1, 1), 0),
            )

        return await self._database.read(count_all)

    def _give_back(self, deliveries: Sequence[Delivery], deliveries_less: int) -> asyncio.Future[None]:
        def show(connection: sqlite3.Connection) -> None:
            now = self._clock.now()
            connection.executemany(
                "UPDATE jobs SET visible_at = ?, deliveries = deliveries - ?, token = NULL WHERE id = ? AND token = ?",
                [(now, deliveries_less, *delivery.handle) for delivery in deliveries],
            )

        given_back = self._database.write(show, synced=False)
        given_back.add_done_callback(lambda _: self.announce())
        return given_back

    async def _take(self, limit: int, visibility: float) -> Sequence[Delivery]:
        def take(connection: sqlite3.Connection) -> Sequence[Delivery]:
            now = self._clock.now()
            rows = connection.execute(
                "SELECT id, deliveries + 1, body FROM jobs WHERE queue = ? AND visible_at <= ?"
                " ORDER BY visible_at LIMIT ?",
                (self.name, now, limit),
            ).fetchall()
            if len(rows) < limit:  # SQLite puts text and bytes behind every number
                rows += connection.execute(
                    "SELECT id, deliveries + 1, body FROM jobs WHERE queue = ? AND visible_at > ? LIMIT ?",
                    (self.name, now + 2 * _TEN_YEARS, limit - len(rows)),
                ).fetchall()
            token = (self._lives.holder << _DRAWN) + secrets.randbits(_DRAWN)
            taken = [Delivery(text(body), count(deliveries), (id_, token)) for id_, deliveries, body in rows]
            connection.executemany(
                "UPDATE jobs SET visible_at = ?, deliveries = ?, token = ? WHERE id = ?",
                [(now + visibility, delivery.count, *reversed(delivery.handle)) for delivery in taken],
            )
            return taken

        self._lives.begin()
        self._is_empty = True  # unless something is sent meanwhile
        taking = self._database.write(take, synced=False, size=self._last_taken)
        taken = await self._database.receives.take(taking, partial(self._give_back, deliveries_less=1))
        self._is_empty = self._is_empty and len(taken) < limit
        self._last_taken = sum(_SIZE_OF_ROW + len(delivery.body) for delivery in taken)
        return taken

    async def _free_what_the_dead_hold(self) -> None:
        with self._lives.ended() as dead:
            if not dead:
                return

            def show(connection: sqlite3.Connection) -> None:
                now = self._clock.now()
                connection.executemany(
                    "UPDATE jobs SET visible_at = ?, token = NULL WHERE token >= ? AND token < ?",
                    [(now, holder << _DRAWN, holder + 1 << _DRAWN) for holder in dead],
                )

            await self._database.write(show, synced=False)

    async def _until_due(self, arrival: asyncio.Event, watch: Stopwatch, wait: float) -> None:
        """Return once something may be there to take, or the watch shows that the time is up."""

        def next_visible_at(connection: sqlite3.Connection) -> float | None:
            first = "SELECT visible_at FROM jobs WHERE queue = ? ORDER BY visible_at LIMIT 1"
            row = connection.execute(first, (self.name,)).fetchone()
            return None if row is None else time(row[0])  # 0, which is due, for what is none

        pause = _FIRST_PAUSE
        while not arrival.is_set() and not self._lives.is_due:
            number = self._database.others.number
            visible_at = await self._database.read(next_visible_at, size=_SIZE_OF_ROW)
            left = wait - watch.now()
            until_visible = left if visible_at is None else visible_at - self._clock.now()
            if left <= _MOMENT or until_visible <= 0:
                return
            pause = await self._sleep(min(left, until_visible), pause, arrival, number)

    async def _sleep(self, seconds: float, pause: float, arrival: asyncio.Event, number: int | None) -> float:
        """Sleep for so long on the clock, or until something was sent in this process, or for a pause of real time.

        Whoever writes himself sees by that whether others have. As long as they have not, he sleeps on, for the longest
        pause at most.

        Args:
            seconds: On the clock.
            pause: Of real time, seconds.
            arrival: Is set when something was sent in this process.
            number: That of the others when the file was looked at last.

        Returns:
            The next pause.
        """
        sleepers = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(arrival.wait())]
        slept = 0.0
        try:
            while True:
                woken, _ = await asyncio.wait(sleepers, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                slept, pause = slept + pause, min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
                are_silent = self._database.others.are_silent(number, pause) and slept < _LONGEST_PAUSE
                if woken or not are_silent or self._lives.is_due:
                    return pause
        finally:
            for sleeper in sleepers:
                sleeper.cancel()

    def announce(self) -> None:
        """Wake the receivers of this process."""
        self._is_empty = False
        for arrival in self._receivers:
            arrival.set()

    def _require_visibility(self, visibility: float) -> None:
        most = self.limits.max_visibility
        _require(1 <= visibility <= most, f"visibility={visibility}", f"from 1 to {most:.0f}")


def require_messages(messages: Sequence[Message], delay: float) -> None:
    """See to it that messages can be sent.

    Raises:
        ValueError: One is too long or no text, or the delay is out of range.
    """
    _require(0 <= delay <= LIMITS.max_delay, f"delay={delay}", f"from 0 to {LIMITS.max_delay:.0f}")
    for message in messages:
        size = len(message.body.encode())
        _require(size <= LIMITS.max_body_bytes, f"a body of {size} bytes", f"{LIMITS.max_body_bytes} at most")


def insert_messages(connection: sqlite3.Connection, queue: str, visible_at: float, bodies: Sequence[str]) -> None:
    """Store messages that can be received from some time on."""
    connection.executemany(
        "INSERT INTO jobs (queue, visible_at, body) VALUES (?, ?, ?)", ((queue, visible_at, body) for body in bodies)
    )


def _require(fits: bool, given: str, range_: str) -> None:
    if not fits:
        raise ValueError(f"{given} is out of range: SqliteJobQueue takes {range_}")

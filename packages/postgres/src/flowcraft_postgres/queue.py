"""Messages in a table, each with the time from which it can be received."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.ports import Delivery, Message, QueueDepth, QueueLimits
from flowcraft_core.queues import DEFAULT_QUEUE

from ._database import Database, Statements
from ._gathering import parts
from ._listener import Listener
from ._lives import DRAWN
from ._texts import escaped, unescaped
from ._wire import Row

_TEN_YEARS = 10 * 365 * 86_400.0
_MOST_COUNT = 2**31

# How long a receiver sleeps that hears of what is sent: for what nobody has told it of.
_LISTENING_PAUSE = 10.0
# And how soon one looks again that does not; the pauses grow from here.
_FIRST_PAUSE = 0.01
_PAUSE_GROWTH = 1.3

#: Of messages received, held and acknowledged a crash of the server may forget the last moments: they come once more.
#: So these commits do not wait for the disk. (The setting ends with the statement's transaction, on any pooler.)
_NEED_NOT_LAST = "set_config('synchronous_commit', 'off', true)"

_SEND = """
INSERT INTO flowcraft.jobs (queue, visible_at, body)
SELECT %(queue)s::text, :now + delay, body FROM unnest(%(delays)b::float8[], %(bodies)b::text[]) AS given (delay, body)
"""

_RECEIVE = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM flowcraft.jobs WHERE queue = %(queue)s AND visible_at <= :now
    ORDER BY visible_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE flowcraft.jobs AS jobs SET visible_at = :now + %(visibility)s, token = %(token)s,
    deliveries = least(greatest(jobs.deliveries, 0) + 1, {_MOST_COUNT})
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, jobs.deliveries, jobs.body, {_NEED_NOT_LAST}
"""

_HELD = "FROM unnest(%(ids)b::int8[], %(tokens)b::int8[]) AS held (id, token)"
_IS_HELD = "jobs.id = held.id AND jobs.token = held.token"

_EXTEND = f"""
UPDATE flowcraft.jobs AS jobs SET visible_at = :now + %(visibility)s {_HELD} WHERE {_IS_HELD}
RETURNING jobs.id, jobs.token, {_NEED_NOT_LAST}
"""

_ACKNOWLEDGE = f"""
DELETE FROM flowcraft.jobs AS jobs USING {_HELD.removeprefix("FROM ")} WHERE {_IS_HELD} RETURNING {_NEED_NOT_LAST}
"""

_RELEASE = f"""
UPDATE flowcraft.jobs AS jobs SET visible_at = :now, token = NULL, deliveries = jobs.deliveries - %(less)s
{_HELD} WHERE {_IS_HELD} RETURNING {_NEED_NOT_LAST}
"""


_DEPTH = """
SELECT count(*) FILTER (WHERE visible_at <= :now), count(*) FILTER (WHERE visible_at > :now AND token IS NOT NULL),
    count(*) FILTER (WHERE visible_at > :now AND token IS NULL)
FROM flowcraft.jobs WHERE queue = %(queue)s
"""

_NEXT_DUE = "SELECT min(visible_at) - :now FROM flowcraft.jobs WHERE queue = %(queue)s"

LIMITS = QueueLimits(
    max_send=100, max_receive=100, max_body_bytes=2**18, max_delay=_TEN_YEARS, max_visibility=_TEN_YEARS
)


class Sender:
    """Stores messages, on whatever connection."""

    def __init__(self, statements: Statements, tell: Callable[[], Awaitable[None]], queue: str = DEFAULT_QUEUE) -> None:
        """Send nothing yet.

        Args:
            statements: Where they go.
            tell: Tells those who wait for messages, after each request.
            queue: The name of the queue.
        """
        self._statements, self._tell, self._queue = statements, tell, queue
        self._sends = statements.gathering(self._insert, most=LIMITS.max_send)

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds."""
        self._statements.require_home()
        bodies = [stored_message(message, delay) for message in messages]
        if bodies:
            await asyncio.gather(*(self._sends.submit((body, delay), len(body.encode())) for body in bodies))

    async def _insert(self, given: Sequence[tuple[str, float]]) -> Sequence[None]:
        delays, bodies = [delay for _, delay in given], [body for body, _ in given]
        await self._statements.run(_SEND, queue=self._queue, delays=delays, bodies=bodies)
        await self._tell()
        return [None] * len(given)


class PostgresJobQueue:
    """A ``flowcraft_core.ports.JobQueue`` in PostgreSQL.

    The oldest due message comes first. A delivery's handle is the message's id and a token, drawn anew each time that
    the message is received, so that an old delivery can do nothing to a newer one.
    """

    limits = LIMITS

    def __init__(self, database: Database, listener: Listener, name: str = DEFAULT_QUEUE) -> None:
        """Use the rows of one name in a database that may not be open yet."""
        self.name = name
        self._database = database
        self._listener = listener
        self._clock: Clock = database.clock or SystemClock()
        self._sender = Sender(database, listener.tell, name)
        self._acknowledgements = database.gathering(self._remove, most=10 * self.limits.max_send)

    async def send(self, messages: Sequence[Message], *, delay: float = 0.0) -> None:
        """Store messages for delivery, each after at least ``delay`` seconds."""
        await self._sender.send(messages, delay=delay)

    async def receive(self, *, max_messages: int, wait: float, visibility: float) -> Sequence[Delivery]:
        """Take up to ``max_messages`` messages and hide them from every receiver for ``visibility`` seconds."""
        self._database.require_home()
        _require(max_messages >= 1, f"max_messages={max_messages}", "1 or more")
        self._require_visibility(visibility)
        deadline = self._clock.now() + wait
        arrival = asyncio.Event()
        self._listener.add(arrival)
        try:
            await self._listener.begin()
            while True:
                arrival.clear()
                taken = await self._take(min(max_messages, self.limits.max_receive), visibility)
                if taken or self._clock.now() >= deadline:
                    return taken
                await self._until_due(arrival, deadline)
        finally:
            self._listener.remove(arrival)

    async def extend(self, deliveries: Sequence[Delivery], visibility: float) -> Sequence[Delivery | None]:
        """Hide deliveries for ``visibility`` seconds from now on; None for those that are not held any more.

        A delivery whose time has run out is held still, as long as nobody else has received the message.
        """
        self._require_visibility(visibility)
        held: set[tuple[int, int]] = set()
        for part in parts([0] * len(deliveries), self.limits.max_receive):
            rows = await self._database.run(_EXTEND, visibility=visibility, **_handles(deliveries[part]))
            held.update((id_, token) for id_, token, _ in rows)
        return [delivery if delivery.handle in held else None for delivery in deliveries]

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good, unless somebody else has received them since."""
        self._database.require_home()
        if deliveries:
            await asyncio.gather(*(self._acknowledgements.submit(delivery.handle) for delivery in deliveries))

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make messages visible again at once; their count stays."""
        await self._give_back(deliveries, less=0)

    async def depth(self) -> QueueDepth:
        """How many messages there are; see ``flowcraft_core.ports.Measured``."""
        ((visible, in_flight, delayed),) = await self._database.run(_DEPTH, queue=self.name)
        return QueueDepth(visible=visible, in_flight=in_flight, delayed=delayed)

    async def _remove(self, handles: Sequence[tuple[int, int]]) -> Sequence[None]:
        ids, tokens = zip(*handles, strict=True)
        await self._database.run(_ACKNOWLEDGE, ids=list(ids), tokens=list(tokens))
        return [None] * len(handles)

    async def _give_back(self, deliveries: Sequence[Delivery], less: int) -> None:
        for part in parts([0] * len(deliveries), self.limits.max_receive):
            await self._database.run(_RELEASE, less=less, **_handles(deliveries[part]))
        await self._listener.tell()

    async def _take(self, limit: int, visibility: float) -> Sequence[Delivery]:
        token = (self._listener.lives.holder << DRAWN) + secrets.randbits(DRAWN)

        async def taking() -> Sequence[Delivery]:
            asked = self._database.run(_RECEIVE, queue=self.name, limit=limit, visibility=visibility, token=token)
            return _deliveries(await asked, token)

        return await self._database.receives.take(taking(), partial(self._give_back, less=1))

    async def _until_due(self, arrival: asyncio.Event, deadline: float) -> None:
        """Return once something may be there to take, or the time is up."""
        pause = _FIRST_PAUSE
        while not arrival.is_set():
            ((due_in,),) = await self._database.run(_NEXT_DUE, queue=self.name)
            left = deadline - self._clock.now()
            end = left if due_in is None else min(left, due_in)
            if end <= 0:
                return
            longest = self._database.settings.poll
            if self._listener.hears and self._database.clock is None:
                pause = longest = _LISTENING_PAUSE
            await self._sleep(end, pause, arrival)
            pause = min(pause * _PAUSE_GROWTH, longest)

    async def _sleep(self, seconds: float, pause: float, arrival: asyncio.Event) -> None:
        """Sleep for so long on the clock, or until something was sent, or for a pause of real time."""
        sleepers = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(arrival.wait())]
        try:
            await asyncio.wait(sleepers, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sleeper in sleepers:
                sleeper.cancel()

    def _require_visibility(self, visibility: float) -> None:
        most = self.limits.max_visibility
        _require(1 <= visibility <= most, f"visibility={visibility}", f"from 1 to {most:.0f}")


def stored_message(message: Message, delay: float) -> str:
    """A message as it is stored.

    Raises:
        ValueError: It is too long or no text, or the delay is out of range.
    """
    _require(0 <= delay <= LIMITS.max_delay, f"delay={delay}", f"from 0 to {LIMITS.max_delay:.0f}")
    size = len(message.body.encode())
    _require(size <= LIMITS.max_body_bytes, f"a body of {size} bytes", f"{LIMITS.max_body_bytes} at most")
    return escaped(message.body)


def _handles(deliveries: Sequence[Delivery]) -> dict[str, list[int]]:
    return {
        "ids": [delivery.handle[0] for delivery in deliveries],
        "tokens": [delivery.handle[1] for delivery in deliveries],
    }


def _deliveries(rows: Sequence[Row], token: int) -> Sequence[Delivery]:
    return [Delivery(unescaped(body), count, (id_, token)) for id_, count, body, _ in rows]


def _require(fits: bool, given: str, range_: str) -> None:
    if not fits:
        raise ValueError(f"{given} is out of range: PostgresJobQueue takes {range_}")

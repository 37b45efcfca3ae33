"""A connection of its own that hears when messages were sent, and wakes who waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg
from flowcraft_core.errors import BackendError
from flowcraft_core.tasks import end

from ._connections import Connection
from ._database import Database
from ._lives import LOOK_EVERY, Lives

T = TypeVar("T")

# Before it connects again, seconds: soon, since who comes back late is taken for dead.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0

# For how long who begins to receive waits to be known to live, seconds.
_LONGEST_BEGIN = 1.0


class Listener:
    """Listens while it is open, and connects again when its connection ends.

    Behind a pooler that gives each transaction another connection nothing is ever heard. So it is said to work only
    once it has heard what it has said itself; who waits looks often until then. Then its session is also what others
    know by that this process lives, and it looks at theirs; see ``_lives``.

    Attributes:
        hears: Whether it works.
        lives: Who receives, and is known to live.
    """

    def __init__(self, database: Database) -> None:
        """Connect to nothing yet."""
        self.hears = False
        self.lives = Lives(database)
        self._mark = secrets.token_hex(8)
        self._database = database
        self._receivers: set[asyncio.Event] = set()
        self._listening: asyncio.Task[None] | None = None
        self._saying: asyncio.Task[None] | None = None
        self._must_say_again = False
        self._begun = asyncio.Event()

    def add(self, receiver: asyncio.Event) -> None:
        """Wake a receiver from now on."""
        self._receivers.add(receiver)

    def remove(self, receiver: asyncio.Event) -> None:
        """Do so no longer."""
        self._receivers.discard(receiver)

    async def begin(self) -> None:
        """Listen, if that is wished for and not done already; returns once it works, or after a moment without."""
        if not self._database.settings.listens:
            return
        if self._listening is None:
            self._listening = asyncio.ensure_future(self._listen())
            asyncio.get_running_loop().call_later(_LONGEST_BEGIN, self._begun.set)
        await self._begun.wait()

    async def tell(self) -> None:
        """Say that something was sent: here at once, and elsewhere by a request that many who send share."""
        self._wake()
        if not self._database.settings.listens:
            return
        self._must_say_again = True
        if self._saying is None:
            self._saying = asyncio.ensure_future(self._say())

    async def close(self) -> None:
        """Say what is still to be said, and listen no longer."""
        if self._saying is not None:
            await self._saying
        with contextlib.suppress(BackendError):
            await self.lives.end()
        if self._listening is not None:
            await end(self._listening)
            self._listening = None
        self.hears, self._begun = False, asyncio.Event()

    def _wake(self) -> None:
        for receiver in self._receivers:
            receiver.set()

    async def _say(self) -> None:
        while self._must_say_again:
            self._must_say_again = False
            with contextlib.suppress(BackendError):  # who waits looks by itself, too
                await self._notify()
        self._saying = None

    async def _notify(self) -> None:
        # All commits that notify wait for one another, so this one is none that waits for the disk.
        await self._database.run(
            "SELECT pg_notify(%(channel)s, %(what)s), set_config('synchronous_commit', 'off', true)",
            channel=self._database.settings.schema,
            what=self._mark,
        )

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with contextlib.suppress(psycopg.Error, BackendError, OSError):
                async with await self._database.settings.connect() as connection:
                    await self._hear_itself(connection)
                    await _finished(self.lives.begin(connection))
                    self.hears, pause = True, _FIRST_PAUSE
                    self._begun.set()
                    self._wake()  # something may have been sent before; what is sent here is known here
                    await self._hear_others(connection)
            self.hears = False
            self.lives.interrupt()
            self._begun.set()
            self._wake()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _hear_itself(self, connection: Connection) -> None:
        channel = self._database.settings.schema.replace('"', '""')
        await connection.execute(f'LISTEN "{channel}"'.encode())
        await self._notify()
        async with contextlib.aclosing(connection.notifies()) as notifications:
            async for notification in notifications:
                if notification.payload == self._mark:
                    return

    async def _hear_others(self, connection: Connection) -> None:
        while True:
            if await _finished(self.lives.look(connection)):
                await self.tell()
            async for notification in connection.notifies(timeout=LOOK_EVERY):
                if notification.payload != self._mark:
                    self._wake()


async def _finished(statements: Coroutine[Any, Any, T]) -> T:
    """What comes of statements, which take a moment; who is cancelled meanwhile waits for them.

    Cancelled themselves, psycopg would have the server break them off, by another connection that it makes for that.
    """
    task = asyncio.ensure_future(statements)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(psycopg.Error, BackendError):
            await task
        raise

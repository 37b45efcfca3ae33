"""Up to so many connections for statements that are transactions of their own, made when they are needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import attrs
import psycopg
from flowcraft_core.errors import BackendError, TransientError

from ._connections import Connection, Settings
from ._errors import translate
from ._statements import Bound
from ._wire import Row, Wire


@attrs.define(eq=False)
class _Waiting:
    """A statement that waits for a connection."""

    bound: Bound
    answer: asyncio.Future[list[Row]]
    timer: asyncio.TimerHandle | None = None


class Wires:
    """Carries out statements, each on the first connection that is free for it."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._idle: list[Wire] = []
        self._busy: set[Wire] = set()
        self._waiting: deque[_Waiting] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def run(self, bound: Bound) -> asyncio.Future[list[Row]]:
        """Carry out a statement, whether or not anybody waits for its answer to the end.

        The answer raises ``TransientError`` and ``BackendError``, as the server says, or if it takes too long to find a
        connection, or to hear from the server.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Row]] = loop.create_future()
        wire = None if self._waiting else self._take()
        if wire is not None:
            self._begin(wire, bound, answer)
            return answer
        self._quiet.clear()
        waiting = _Waiting(bound, answer)
        waiting.timer = loop.call_later(self._settings.timeout, self._late, waiting)
        self._waiting.append(waiting)
        self._see_to_connections()
        return answer

    def add(self, connection: Connection) -> None:
        """Use a connection that was made already."""
        self._is_free(Wire(connection, self._settings, self._is_free))

    async def close(self) -> None:
        """Finish what was asked for, if the server does in time, and let go of all connections."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), 2 * self._settings.timeout)
        for task in self._connecting:  # more than were needed in the end
            task.cancel()
        if self._connecting:
            await asyncio.wait(set(self._connecting))
        for wire in (*self._idle, *self._busy):
            wire.close()
        self._idle.clear()

    def _take(self) -> Wire | None:
        """An idle one that seems to live, the one that was used last."""
        while self._idle:
            wire = self._idle.pop()
            if wire.seems_alive:
                return wire
            wire.close()
        return None

    def _begin(self, wire: Wire, bound: Bound, answer: asyncio.Future[list[Row]]) -> None:
        self._quiet.clear()
        self._busy.add(wire)
        wire.begin(bound, answer)

    async def _connect(self) -> None:
        try:
            connection = await self._settings.connect()
        except (psycopg.Error, OSError) as error:
            if self._waiting:  # what became of it is told to the one that has waited longest
                known = error if isinstance(error, psycopg.Error) else psycopg.OperationalError(str(error))
                self._give_up(self._waiting[0], translate(known, self._settings.name))
            return
        self.add(connection)

    def _see_to_connections(self) -> None:
        """As many as are waited for are being made, as long as there are not too many."""
        while len(self._connecting) < min(len(self._waiting), self._settings.connections - len(self._busy)):
            task = asyncio.ensure_future(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connected)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._see_to_connections()
        self._see_whether_quiet()

    def _is_free(self, wire: Wire) -> None:
        self._busy.discard(wire)
        if wire.is_lost:
            if wire in self._idle:
                self._idle.remove(wire)
            self._see_to_connections()
        elif self._waiting:
            next_ = self._waiting.popleft()
            if next_.timer is not None:
                next_.timer.cancel()
            self._begin(wire, next_.bound, next_.answer)
        else:
            self._idle.append(wire)
        self._see_whether_quiet()

    def _late(self, waiting: _Waiting) -> None:
        said = (
            f"{self._settings.name}: all {self._settings.connections} connections have been busy for "
            f"{self._settings.timeout:g} s, or could not be made; raise connections, or find out what the server is "
            "busy with"
        )
        self._give_up(waiting, TransientError(said))

    def _give_up(self, waiting: _Waiting, error: BackendError) -> None:
        self._waiting.remove(waiting)
        if waiting.timer is not None:
            waiting.timer.cancel()
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
        self._see_whether_quiet()

    def _see_whether_quiet(self) -> None:
        if not self._waiting and not self._busy:
            self._quiet.set()

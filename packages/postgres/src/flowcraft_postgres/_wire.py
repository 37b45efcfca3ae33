"""One connection on which statements are carried out one after the other, by callbacks of the event loop.

psycopg's cursors wait for the socket in turns of the loop, each with calls of the system of its own, and a request of
theirs costs several times what the server needs for it. So psycopg connects, and what is asked for afterwards goes by
way of its layer over libpq (``psycopg.pq``): a statement is sent at once, and its answer wakes who waits for it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any

import psycopg
from flowcraft_core.errors import BackendError, TransientError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format

from ._connections import Connection, Settings
from ._errors import spoils, translate
from ._statements import Bound

#: A row of an answer.
Row = tuple[Any, ...]

# Said of a statement that was prepared, where a pooler has changed the connection meanwhile, and of one that is there.
_NOT_PREPARED, _PREPARED_ALREADY = "26000", "42P05"

_ROWS = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}


class Wire:
    """A connection of its own, until it is closed or lost.

    Attributes:
        is_lost: Whether it is of no use any more.
    """

    def __init__(self, connection: Connection, settings: Settings, is_free: Callable[[Wire], None]) -> None:
        """Take a connection that nobody else uses.

        Args:
            connection: The connection, in no transaction.
            settings: How long an answer may take, and whether statements are prepared.
            is_free: Called when a statement has come to its end, and when the connection is lost while idle.
        """
        self.is_lost = False
        self._settings, self._is_free = settings, is_free
        self._connection, self._pgconn = connection, connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._descriptor = connection.fileno()
        self._poll = _readable_of(self._descriptor)
        self._loading = Transformer(connection)
        self._seen: set[bytes] = set()  # statements that were carried out once, and are prepared if they come again
        self._prepared: set[bytes] = set()
        self._preparing = False
        self._must_write = False
        self._bound: Bound | None = None
        self._answer: asyncio.Future[list[Row]] | None = None
        self._results: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._descriptor, self._read)

    @property
    def seems_alive(self) -> bool:
        """Whether nothing was heard of it while it was idle: a server says something when it ends a connection."""
        return not self.is_lost and not self._poll()

    def begin(self, bound: Bound, answer: asyncio.Future[list[Row]]) -> None:
        """Carry out a statement; what becomes of it is told to ``answer``, if anybody waits for that still."""
        self._bound, self._answer = bound, answer
        self._timer = self._loop.call_later(self._settings.timeout, self._late)
        try:
            self._send(bound)
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def close(self) -> None:
        """Let go of it."""
        if not self.is_lost:
            self.is_lost = True
            self._loop.remove_reader(self._descriptor)
            if self._must_write:
                self._loop.remove_writer(self._descriptor)
            self._pgconn.finish()

    def _send(self, bound: Bound) -> None:
        if not self._settings.prepares or bound.name not in self._seen:
            self._seen.add(bound.name)
            formats = [Format.BINARY] * len(bound.values)
            self._pgconn.send_query_params(bound.text, bound.values, bound.types, formats, Format.BINARY)
        elif bound.name not in self._prepared:
            self._preparing = True
            self._pgconn.send_prepare(bound.name, bound.text, bound.types)
        else:
            formats = [Format.BINARY] * len(bound.values)
            self._pgconn.send_query_prepared(bound.name, bound.values, formats, Format.BINARY)

    def _flush(self) -> None:
        has_more = bool(self._pgconn.flush())
        if has_more != self._must_write:
            self._must_write = has_more
            if has_more:
                self._loop.add_writer(self._descriptor, self._write)
            else:
                self._loop.remove_writer(self._descriptor)

    def _write(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        if self._bound is None:
            # The server says something of its own accord: that it ends the connection. Read here, it would be seen by
            # nobody, and the next statement be sent to a server that is about to hang up.
            self._leave(TransientError(f"{self._settings.name}: the server has ended an idle connection"))
            return
        try:
            self._pgconn.consume_input()
            if self._must_write:
                self._flush()
            while self._answer is not None and not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is not None:
                    self._results.append(result)
                elif not self._goes_on():
                    self._end()
                    return
        except psycopg.Error as error:
            self._lose(error)

    def _goes_on(self) -> bool:
        """Whether what has come to its end was the preparation of the statement, which is sent now."""
        assert self._bound is not None
        state = _state_of(self._results[-1]) if self._results else None
        if self._preparing:
            self._preparing = False
            if state not in (None, _PREPARED_ALREADY):
                return False
            self._prepared.add(self._bound.name)
        elif state == _NOT_PREPARED and self._bound.name in self._prepared:
            # By a pooler's doing. Nothing was carried out, and without preparation it goes on any connection.
            self._prepared.discard(self._bound.name)
            self._seen.discard(self._bound.name)
        else:
            return False
        self._results = []
        self._send(self._bound)
        self._flush()
        return True

    def _end(self) -> None:
        results, answer = self._results, self._answer
        self._forget()
        try:
            rows = self._rows_of(results)
        except psycopg.Error as error:
            if spoils(error) or self._pgconn.status != psycopg.pq.ConnStatus.OK:
                self.close()
            _tell(answer, translate(error, self._settings.name))
        else:
            if answer is not None and not answer.done():
                answer.set_result(rows)
        self._is_free(self)

    def _rows_of(self, results: list[Any]) -> list[Row]:
        if not results:
            raise psycopg.OperationalError("the connection was lost")
        result = results[-1]
        if result.status not in _ROWS:
            raise _error_of(result)
        if not result.ntuples:
            return []
        self._loading.set_pgresult(result)
        return self._loading.load_rows(0, result.ntuples, tuple)

    def _late(self) -> None:
        # The connection is busy until the server has answered: another one would make the server only busier.
        _tell(self._answer, TransientError(f"{self._settings.name}: no answer within {self._settings.timeout:g} s"))

    def _lose(self, error: psycopg.Error) -> None:
        """The connection is lost; the server may have said why."""
        refused = next((found for found in self._results if found.status not in _ROWS), None)
        self._leave(translate(error if refused is None else _error_of(refused), self._settings.name))

    def _leave(self, error: BackendError) -> None:
        answer = self._answer
        self._forget()
        self.close()
        _tell(answer, error)
        self._is_free(self)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._bound = self._answer = self._timer = None
        self._results, self._preparing = [], False


def _tell(answer: asyncio.Future[list[Row]] | None, error: BackendError) -> None:
    if answer is not None and not answer.done():
        answer.set_exception(error)


def _state_of(result: Any) -> str | None:
    """The SQLSTATE of a result that is an error."""
    return None if result.status in _ROWS else _error_of(result).sqlstate


def _error_of(result: Any) -> psycopg.Error:
    error = error_from_result(result)
    # Without an SQLSTATE it is not the server's, but libpq's: of a connection that was lost.
    return error if error.sqlstate else psycopg.OperationalError(str(error))


def _readable_of(descriptor: int) -> Callable[[], bool]:
    """Tells whether there is something to read."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return lambda: bool(poll.poll(0))
    return lambda: bool(select.select([descriptor], [], [], 0)[0])  # Windows, where any number will do

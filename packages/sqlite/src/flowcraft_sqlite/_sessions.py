"""The two ways to use a file: one connection writes, one reads.

Writes that wait at the same time share a transaction, and with it the one sync of the disk that makes them durable.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import attrs

from ._batches import Call, Operation
from ._errors import is_busy, translate
from ._opened import Opened
from ._others import Others
from ._pace import Pace
from ._rows import lenient
from ._schema import prepare

T = TypeVar("T")

Synchronous: TypeAlias = Literal["full", "normal", "off"]

# When to copy the log back into the file: about as often as SQLite does by itself, after 1,000 pages or so. How long
# the log is must not be asked: see ``_opened``.
_CHECKPOINT_CHANGES = 500
_CHECKPOINT_BYTES = 16 * 2**20

#: So much is read and written at once, if at all. Bytes.
LITTLE = 2**15


@attrs.frozen
class Settings:
    """How a file is opened.

    Attributes:
        path: The file, absolute.
        synchronous: What is synced: ``full`` each commit that must last, ``normal`` at checkpoints, ``off`` nothing.
        busy_timeout: How long to wait for another process's lock, seconds.
    """

    path: str
    synchronous: Synchronous
    busy_timeout: float

    def connect(self) -> sqlite3.Connection:
        """A connection for one thread at a time, without implicit transactions and without automatic checkpoints."""
        connection = sqlite3.connect(
            self.path,
            timeout=self.busy_timeout,
            isolation_level=None,
            cached_statements=256,
            check_same_thread=False,
        )
        try:
            connection.text_factory = lenient
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            # On macOS a plain sync leaves data in the drive's cache; elsewhere these two do nothing.
            connection.execute(f"PRAGMA fullfsync = {int(self.synchronous == 'full')}")
            connection.execute(f"PRAGMA checkpoint_fullfsync = {int(self.synchronous != 'off')}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA journal_size_limit = {_CHECKPOINT_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection


class WriteSession:
    """Owns the write connection: each batch is one transaction."""

    def __init__(self, settings: Settings, others: Others) -> None:
        """Open the file, and give it its tables.

        Args:
            settings: How.
            others: Learns with each batch whether others have written.

        Raises:
            BackendError: The file cannot be used.
            TransientError: Others hold it for too long.
        """
        self._settings, self._others = settings, others
        with contextlib.ExitStack() as opened, _translated(settings):
            self._connection = opened.enter_context(contextlib.closing(settings.connect()))
            _patiently(lambda: prepare(self._connection, settings.path), settings.busy_timeout)
            self._checkpointer = opened.enter_context(contextlib.closing(settings.connect()))
            self._checkpointer.execute("SELECT count(*) FROM sqlite_master").fetchone()  # makes it open the log
            # From here on there is one wait for the lock, ours: SQLite's own pauses grow to 100 ms.
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._file = Opened(settings.path)
            self._opened = opened.pop_all()
        self._syncs = settings.synchronous == "full"
        self._pace = Pace()
        self._changes_copied = 0
        self._bytes_to_copy = 0

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Carry out a batch; it is durable, as far as it must be, when this returns."""
        try:
            self._prepare(calls)
            self._lock()
        except Exception as error:
            _refuse(calls, error, self._settings.path)
        else:
            self._pace.note(self._transact(calls), waited=any(call.synced for call in calls))

    def run_at_once(self, call: Call[Any]) -> bool:
        """Carry out a call if that is sure to take little time; else do nothing, and say False.

        That is so where little is to be written, commits have taken little time lately, nobody else holds the lock, and
        the log need not be copied. Whatever else is wrong is for ``run`` to find out.
        """
        if not _is_little(call) or not self._pace.is_short or self.is_tired:
            return False
        began = time.perf_counter()
        try:
            self._prepare([call])
            self._connection.execute("BEGIN IMMEDIATE")
        except Exception:  # to be raised by ``run``
            return False
        self._transact([call])
        self._pace.note(time.perf_counter() - began, waited=call.synced)
        return True

    @property
    def is_tired(self) -> bool:
        """Whether the log has grown so long that it is to be copied back into the file."""
        many_changes = self._connection.total_changes - self._changes_copied >= _CHECKPOINT_CHANGES
        return many_changes or self._bytes_to_copy >= _CHECKPOINT_BYTES

    def rest(self) -> None:
        """Copy the log back into the file.

        SQLite would do this by itself at a commit. But before 3.51.3 (but for 3.50.7 and 3.44.6) a checkpoint that
        overlaps another process's commit can, very rarely, lose committed data (sqlite.org/wal.html, "The WAL-Reset
        Bug"), and many processes on one file are what this package is for. So the checkpoint runs on a connection of
        its own while the write connection keeps everybody from committing.
        """
        # What fails here is tried again later, and nothing is lost by it: the log is as durable as the file.
        with contextlib.suppress(sqlite3.Error):
            self._lock()
            try:
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                self._connection.execute("ROLLBACK")
        self._changes_copied = self._connection.total_changes
        self._bytes_to_copy = 0

    def close(self) -> None:
        """Close both connections; the last connection to a file leaves it without a log."""
        self._opened.close()

    def _prepare(self, calls: Sequence[Call[Any]]) -> None:
        self._file.require()
        if self._connection.in_transaction:  # an interrupt has come between its begin and its end
            self._connection.execute("ROLLBACK")
        self._sync(any(call.synced for call in calls))

    def _lock(self) -> None:
        _patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"), self._settings.busy_timeout)

    def _transact(self, calls: Sequence[Call[Any]]) -> float:
        self._bytes_to_copy += sum(call.size or 0 for call in calls)
        return _transact(calls, self._connection, self._settings.path, self._others.look)

    def _sync(self, wanted: bool) -> None:
        """Sync the disk at the next commit, or do without.

        The log is one sequence: the next commit that syncs makes those before it last too, and a power cut takes away
        an end of it, never a middle.
        """
        if self._settings.synchronous == "full" and wanted != self._syncs:
            # A pragma may act when it is compiled, and executescript is never answered from the cache.
            self._connection.executescript(f"PRAGMA synchronous = {'full' if wanted else 'normal'}")
            self._syncs = wanted


class ReadSession:
    """Owns a connection that only reads: each batch sees one state of the file."""

    def __init__(self, settings: Settings) -> None:
        """Open a file that has its tables.

        Raises:
            BackendError: The file cannot be used.
            TransientError: Others hold it for too long.
        """
        self._settings = settings
        with _translated(settings):
            self._connection = settings.connect()
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._file = Opened(settings.path)
        self._pace = Pace()

    is_tired = False

    def run(self, calls: Sequence[Call[Any]]) -> None:
        """Carry out a batch."""
        began = time.perf_counter()
        try:
            self._file.require()
            _patiently(self._begin, self._settings.busy_timeout)
        except Exception as error:
            _refuse(calls, error, self._settings.path)
        else:
            _transact(calls, self._connection, self._settings.path)
        if all(_is_little(call) for call in calls):
            self._pace.note((time.perf_counter() - began) / len(calls))

    def run_at_once(self, call: Call[Any]) -> bool:
        """Carry out a call if that is sure to take little time; else do nothing, and say False.

        That is so where little is to be read, and such reads have taken little time lately.
        """
        if not _is_little(call) or not self._pace.is_short:
            return False
        began = time.perf_counter()
        try:
            self._file.require()
            self._begin()
        except Exception:  # to be raised by ``run``
            return False
        _transact([call], self._connection, self._settings.path)
        self._pace.note(time.perf_counter() - began)
        return True

    def rest(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _begin(self) -> None:
        """Take the lock of those who read, for which others wait only while a file is mended or kept by one alone."""
        if self._connection.in_transaction:  # the last attempt has failed, or an interrupt has ended it
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN")
        self._connection.execute("PRAGMA data_version").fetchone()


def _patiently(attempt: Callable[[], T], seconds: float) -> T:
    """Try again for as long as others hold the lock and the time is not up."""
    deadline = time.monotonic() + seconds
    pause = 0.000_2
    while True:
        try:
            return attempt()
        except sqlite3.Error as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the contenders; nothing secret
        pause = min(pause * 1.5, 0.005)


def _is_little(call: Call[Any]) -> bool:
    """Whether little is to be read and written, as far as anybody knows."""
    return call.size is not None and call.size <= LITTLE


def _transact(
    calls: Sequence[Call[Any]],
    connection: sqlite3.Connection,
    path: str,
    first: Operation[None] = lambda connection: None,
) -> float:
    """Carry out calls in the transaction that has begun, and end it.

    A call that fails takes no other with it, and needs no savepoint for that: an SQL statement that fails changes
    nothing, and what an operation refuses it refuses before it writes. Only where SQLite gives up the whole transaction
    all of its calls fail.

    Args:
        calls: What to carry out.
        connection: Where.
        path: The file, for errors.
        first: What to do before.

    Returns:
        How long the commit took, seconds.
    """
    began = 0.0
    try:
        first(connection)
        for call in calls:
            try:
                call.result = call.operation(connection)
            except Exception as error:
                if not connection.in_transaction:
                    raise
                call.error = translate(error, path)
        began = time.perf_counter()
        connection.execute("COMMIT")
    except Exception as error:
        _refuse(calls, error, path)
    finally:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return time.perf_counter() - began if began else 0.0


def _refuse(calls: Sequence[Call[Any]], error: Exception, path: str) -> None:
    for call in calls:
        call.error = translate(error, path)


@contextlib.contextmanager
def _translated(settings: Settings) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, settings.path) from error

"""What SQLite's errors mean to the engine, in one place."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from flowcraft_core.errors import BackendError, BackendGoneError, TransientError

ErrorT = TypeVar("ErrorT", bound=Exception)

#: Primary result codes after which the same call may succeed, and what helps it.
_TRANSIENT = {
    sqlite3.SQLITE_BUSY: "another process holds the write lock; find what holds it, or raise busy_timeout",
    sqlite3.SQLITE_LOCKED: "another connection holds a lock on a table",
    sqlite3.SQLITE_PROTOCOL: "too many connections started at once",
    sqlite3.SQLITE_INTERRUPT: "the call was interrupted",
    sqlite3.SQLITE_NOMEM: "memory is short",
    # Nothing was written, and a run must not fail because somebody has to make room first.
    sqlite3.SQLITE_FULL: "the disk or the quota is full; make room",
    sqlite3.SQLITE_IOERR: "the disk failed; if it goes on, look at the system's log",
}

_REFUSED = {
    sqlite3.SQLITE_CANTOPEN: "the folder must exist and be writable",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database; give another path",
    sqlite3.SQLITE_PERM: "the file must be readable and writable",
    sqlite3.SQLITE_READONLY: "the file and its folder must be writable",
}

# Nothing that is done with the file is of any use.
_GONE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the lock that a call needed."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def translate(error: ErrorT, path: str) -> ErrorT | BackendError:
    """The error to raise in place of SQLite's, which it carries as its cause; others stay as they are.

    The caller may be on another thread by then, so that the cause is set here and not by ``raise ... from``.

    Args:
        error: What was raised.
        path: The file, for the message.
    """
    if not isinstance(error, sqlite3.Error):
        return error
    code = _primary_code(error)
    remedy = _TRANSIENT.get(code) or _REFUSED.get(code)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    message = f"SQLite file {path!r}: {error} ({name})" + (f": {remedy}" if remedy else "")
    kind = TransientError if code in _TRANSIENT else BackendGoneError if code in _GONE else BackendError
    translated = kind(message)
    translated.__cause__ = error
    return translated


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # what Python itself raised has none
    return code & 0xFF

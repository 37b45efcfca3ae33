"""Looks at an SQLite file, its folder and its disk, and says what is wrong with them; nothing is changed by it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from urllib.parse import quote

from flowcraft_core.ports import Finding

from . import symptoms
from ._errors import is_busy, translate
from ._machine import allows, network_file_system, orphaned_log, read_if_there, user, write_lock_holder
from ._schema import SCHEMA_VERSION, Marks, marks_of, missing_from

#: The first with an upsert.
_LEAST_LIBRARY = (3, 24, 0)
#: Less room than this is soon used up, bytes: the log alone may take 16 MiB, and some more while it is copied back.
_LEAST_ROOM = 100 * 2**20
#: For how long the doctor waits for a lock at most, and reads a long file, seconds.
_LONGEST_WAIT = 5.0
_LONGEST_READ = 20.0
#: Between two looks at the clock while a file is read, in instructions of SQLite's machine.
_INSTRUCTIONS = 10_000

_MIB = 2**20


def examine(path: str, busy_timeout: float) -> list[Finding]:
    """What is wrong with a file; blocks for some seconds at most.

    Args:
        path: The file, absolute and free of links.
        busy_timeout: How long a backend waits for its lock, seconds.
    """
    if sqlite3.sqlite_version_info < _LEAST_LIBRARY:
        least = ".".join(map(str, _LEAST_LIBRARY))
        return [symptoms.OLD_LIBRARY.found(version=sqlite3.sqlite_version, least=least)]
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return [symptoms.FOLDER_MISSING.found(folder=folder, path=path)]
    found = list(_of_disk(path, folder))
    if not allows(folder, os.W_OK | os.X_OK):
        return [*found, symptoms.FOLDER_READ_ONLY.found(folder=folder, path=path, user=user())]
    if (log := orphaned_log(path)) is not None:
        return [*found, symptoms.LOG_ORPHANED.found(path=path, log=log)]
    if not os.path.exists(path):
        return [*found, symptoms.FILE_MISSING.found(path=path)]
    if not os.path.isfile(path):
        return [*found, symptoms.NOT_A_DATABASE.found(path=path, why="it is no file")]
    found += _of_names(path)
    for file in _files(path):
        if not allows(file, os.R_OK | os.W_OK):
            return [*found, symptoms.FILE_READ_ONLY.found(file=file, user=user())]
    return [*found, *_of_content(path, min(busy_timeout, _LONGEST_WAIT))]


def _of_disk(path: str, folder: str) -> Iterator[Finding]:
    kind = network_file_system(path, read_if_there("/proc/self/mountinfo"))
    if kind is not None:
        yield symptoms.NETWORK_DISK.found(path=path, kind=kind)
    room = shutil.disk_usage(folder)
    if room.free < _MIB:
        yield symptoms.DISK_FULL.found(path=path, free=room.free // 1024, total=room.total // _MIB)
    elif room.free < _LEAST_ROOM:
        yield symptoms.DISK_LOW.found(path=path, free=room.free // _MIB, total=room.total // _MIB)


def _of_names(path: str) -> Iterator[Finding]:
    if (links := os.stat(path).st_nlink) > 1:
        yield symptoms.HARD_LINKS.found(path=path, links=links)
    for file in _files(path) if os.name == "posix" else ():
        if (mode := os.stat(file).st_mode & 0o777) & 0o002:
            yield symptoms.FILE_OPEN_TO_ALL.found(file=file, mode=mode)
            return  # the others have their rights from it


def _files(path: str) -> list[str]:
    return [name for name in (path, f"{path}-wal", f"{path}-shm") if os.path.exists(name)]


def _of_content(path: str, patience: float) -> list[Finding]:
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=patience, isolation_level=None)
        ) as connection:
            return _look(connection, path)
    except sqlite3.Error as error:
        return [_of_error(error, path, patience)]


def _look(connection: sqlite3.Connection, path: str) -> list[Finding]:
    marks = marks_of(connection)
    if marks.is_foreign:
        return [symptoms.FOREIGN.found(path=path)]
    if marks.is_newer:
        return [symptoms.SCHEMA_NEWER.found(path=path, version=marks.version, known=SCHEMA_VERSION)]
    connection.execute("BEGIN IMMEDIATE")  # whether the lock is to be had: nothing is written under it
    connection.execute("ROLLBACK")
    found = list(_of_tables(connection, path, marks)) if marks.version == SCHEMA_VERSION else []
    for why in _of_pages(connection):
        found = [symptoms.DAMAGED.found(path=path, why=why)]  # whatever else was found comes of that
    return found


def _of_tables(connection: sqlite3.Connection, path: str, marks: Marks) -> Iterator[Finding]:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        yield symptoms.JOURNAL_MODE.found(path=path, mode=mode)
    if missing := missing_from(connection):
        what = "without the " + missing[0] + (f", and {len(missing) - 1} more" if missing[1:] else "")
        yield symptoms.SCHEMA_WRONG.found(path=path, version=marks.version, what=what)


def _of_pages(connection: sqlite3.Connection) -> Iterator[str]:
    """The first thing that is wrong with the pages, if it is found in time."""
    end = time.monotonic() + _LONGEST_READ
    connection.set_progress_handler(lambda: time.monotonic() > end, _INSTRUCTIONS)
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            yield str(said).strip().replace("\n", " ")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, 0)


def _of_error(error: sqlite3.Error, path: str, patience: float) -> Finding:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return symptoms.NOT_A_DATABASE.found(path=path, why=error)
    if code == sqlite3.SQLITE_CORRUPT:
        return symptoms.DAMAGED.found(path=path, why=error)
    if is_busy(error):
        process = write_lock_holder(path, read_if_there("/proc/locks"))
        holder = "" if process is None else f": process {process} holds it"
        return symptoms.BUSY.found(path=path, seconds=patience, holder=holder)
    return symptoms.UNUSABLE.found(path=path, why=translate(error, path))

"""The tables of a Flowcraft file, and how a file gets them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from flowcraft_core.errors import BackendError

#: Marks a file as ours, "FLWC", so that nobody's database is taken for one by mistake.
APPLICATION_ID = 0x464C5743

# Facts: a rowid table with an index takes 20 to 100 facts of many runs at a time about twice as fast as one WITHOUT
# ROWID: bodies go to the end of the table, and only the narrow index is written all over the place.
# Jobs: AUTOINCREMENT is not needed, since a handle has a random token beside the id.
_VERSION_1 = (
    """
    CREATE TABLE facts (
        run_id TEXT NOT NULL, key TEXT NOT NULL, writer TEXT NOT NULL, job TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (run_id, key)
    )
    """,
    """
    CREATE TABLE context_values (
        run_id TEXT NOT NULL, name TEXT NOT NULL, position TEXT NOT NULL, body BLOB,
        PRIMARY KEY (run_id, name)
    )
    """,
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, visible_at REAL NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0,
        token INTEGER, body TEXT NOT NULL
    )
    """,
    "CREATE INDEX jobs_by_visible_at ON jobs (visible_at)",
    """
    CREATE TABLE statuses (
        run_id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, blueprint_id TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
        updated REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
        next_check REAL, tags TEXT NOT NULL DEFAULT '{}', reason TEXT, body TEXT
    )
    """,
    "CREATE INDEX statuses_by_created ON statuses (state, created, run_id)",
    "CREATE INDEX statuses_by_next_check ON statuses (state, next_check, run_id) WHERE next_check IS NOT NULL",
    # A value is text, a counter an integer, a set a blob of JSON.
    "CREATE TABLE coordination (key TEXT NOT NULL PRIMARY KEY, value NOT NULL, expires_at REAL NOT NULL)",
    # Written by people only: the defaults above are for them too.
    "CREATE TABLE initial_contexts (run_id TEXT NOT NULL PRIMARY KEY, context TEXT NOT NULL)",
    "CREATE INDEX coordination_by_expires_at ON coordination (expires_at)",
)

#: What leads from each version of the schema to the next; the first makes the tables in an empty file.
_MIGRATIONS = (_VERSION_1,)

SCHEMA_VERSION = len(_MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Give a file the tables of this version; many processes may do so at once.

    Raises:
        BackendError: The file belongs to another program or to a newer version, or cannot have a write-ahead log.
        sqlite3.Error: As SQLite says; if somebody else holds a lock, call again.
    """
    with _transaction(connection, "BEGIN"):  # one look: else another process could make the tables in the middle of it
        version = _version(connection, path)
    if (mode := connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]) != "wal":
        raise BackendError(
            f"SQLite file {path!r} cannot have a write-ahead log (its journal mode stays {mode!r}): put it on a disk of"
            " this machine"
        )
    if version == SCHEMA_VERSION:
        return
    with _transaction(connection, "BEGIN IMMEDIATE"):
        for migration in _MIGRATIONS[_version(connection, path) :]:  # asked again: it may be done by now
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """A transaction that is rolled back unless it was committed."""
    connection.execute(begin)
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: str) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise BackendError(f"SQLite file {path!r} belongs to another program: give Flowcraft a file of its own")
    if version > SCHEMA_VERSION:
        raise BackendError(
            f"SQLite file {path!r} has schema version {version}, and this flowcraft-sqlite knows {SCHEMA_VERSION} at"
            " most: upgrade flowcraft-sqlite"
        )
    return version

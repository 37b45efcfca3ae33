"""The tables of a Flowcraft file, and how a file gets them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import attrs
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

_VERSION_2 = (
    "ALTER TABLE jobs ADD COLUMN queue TEXT NOT NULL DEFAULT 'default'",
    "DROP INDEX jobs_by_visible_at",
    "CREATE INDEX jobs_by_queue ON jobs (queue, visible_at)",
)

#: What leads from each version of the schema to the next; the first makes the tables in an empty file.
_MIGRATIONS = (_VERSION_1, _VERSION_2)

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


@attrs.frozen
class Marks:
    """What a file says of itself.

    Attributes:
        version: The version of its schema; 0 if it has none.
        is_foreign: Whether it belongs to another program.
    """

    version: int
    is_foreign: bool

    @property
    def is_newer(self) -> bool:
        """Whether a newer version of this package has made its tables."""
        return self.version > SCHEMA_VERSION


def marks_of(connection: sqlite3.Connection) -> Marks:
    """What a file says of itself.

    Raises:
        sqlite3.Error: As SQLite says.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return Marks(version, application != APPLICATION_ID and bool(application or version or tables))


def missing_from(connection: sqlite3.Connection) -> list[str]:
    """What a file with the tables of this version lacks of them; what it has beside them is somebody's own.

    Raises:
        sqlite3.Error: As SQLite says.
    """
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for migration in _MIGRATIONS:
            for statement in migration:
                model.execute(statement)
        wanted, found = _parts(model), _parts(connection)
    return [part for part in wanted if part not in found]


def _parts(connection: sqlite3.Connection) -> list[str]:
    """The tables with their columns, and the indexes, as texts; a table before its columns."""
    parts = []
    for kind, name in connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"):
        parts.append(f"{kind} {name}")
        if kind == "table":
            columns = connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
            parts += [f"column {name}.{column}" for (column,) in columns]
    return parts


def _version(connection: sqlite3.Connection, path: str) -> int:
    marks = marks_of(connection)
    if marks.is_foreign:
        raise BackendError(f"SQLite file {path!r} belongs to another program: give Flowcraft a file of its own")
    if marks.is_newer:
        raise BackendError(
            f"SQLite file {path!r} has schema version {marks.version}, and this flowcraft-sqlite knows"
            f" {SCHEMA_VERSION} at most: upgrade flowcraft-sqlite"
        )
    return marks.version

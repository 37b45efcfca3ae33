"""The tables, how a database gets them, and who may do what with them."""

from __future__ import annotations

import typing
from typing import Literal, TypeAlias

import psycopg
from flowcraft_core.errors import BackendError, ConfigurationError

from ._connections import Connection

#: What a role is for: it does the work, it starts runs and looks at them and steers them, or it only looks.
Role: TypeAlias = Literal["worker", "client", "read-only"]

# Text is compared by its bytes, which is faster than any language's order, and the same everywhere. Bodies are
# compressed already, so the server need not try. A fact is written once; a job's row and a status' row are written
# again and again, and dead versions of them are what a receiver has to step over, so they are removed early.
_VERSION_1 = """
CREATE TABLE flowcraft.facts (
    run_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    long_key text COLLATE "C",
    writer text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL DEFAULT '',
    body bytea NOT NULL,
    PRIMARY KEY (run_id, key)
);
ALTER TABLE flowcraft.facts ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE flowcraft.context_values (
    run_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    long_name text COLLATE "C",
    position bytea NOT NULL,
    body bytea,
    PRIMARY KEY (run_id, name)
) WITH (fillfactor = 80);
ALTER TABLE flowcraft.context_values ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE flowcraft.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    visible_at float8 NOT NULL DEFAULT 0 CHECK (visible_at > '-Infinity' AND visible_at < 'Infinity'),
    deliveries bigint NOT NULL DEFAULT 0,
    token bigint,
    body text COLLATE "C" NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX jobs_by_visible_at ON flowcraft.jobs (visible_at);

CREATE TABLE flowcraft.statuses (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY,
    state text COLLATE "C" NOT NULL,
    blueprint_id text COLLATE "C" NOT NULL DEFAULT '',
    created float8 NOT NULL DEFAULT extract(epoch FROM statement_timestamp())
        CHECK (created > '-Infinity' AND created < 'Infinity'),
    updated float8 NOT NULL DEFAULT extract(epoch FROM statement_timestamp())
        CHECK (updated > '-Infinity' AND updated < 'Infinity'),
    next_check float8 CHECK (next_check > '-Infinity' AND next_check < 'Infinity'),
    tags json NOT NULL DEFAULT '{}',
    reason text COLLATE "C",
    body text COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX statuses_by_created ON flowcraft.statuses (state, created, run_id);
CREATE INDEX statuses_by_next_check ON flowcraft.statuses (state, next_check, run_id) WHERE next_check IS NOT NULL;

CREATE UNLOGGED TABLE flowcraft.coordination (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    value text COLLATE "C",
    counter bigint,
    members text[] COLLATE "C",
    expires_at float8 NOT NULL
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX coordination_by_expires_at ON flowcraft.coordination (expires_at);

CREATE TABLE flowcraft.initial_contexts (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY,
    context json NOT NULL
);
COMMENT ON TABLE flowcraft.initial_contexts IS 'Initial values of runs that are begun by hand, in SQL';
"""

_VERSION_2 = """
ALTER TABLE flowcraft.jobs ADD COLUMN queue text COLLATE "C" NOT NULL DEFAULT 'default';
DROP INDEX flowcraft.jobs_by_visible_at;
CREATE INDEX jobs_by_queue ON flowcraft.jobs (queue, visible_at);
"""

# Whose lock says that they live; after a crash of the server nobody's does. No row outlives the server that it was
# written on: a restart ends all sessions at once.
_VERSION_3 = """
CREATE UNLOGGED TABLE flowcraft.receivers (
    number bigint NOT NULL PRIMARY KEY,
    server_began timestamptz NOT NULL DEFAULT pg_postmaster_start_time()
) WITH (fillfactor = 70);
"""

#: What leads from each version of the schema to the next; the first makes the tables.
_MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)

SCHEMA_VERSION = len(_MIGRATIONS)

_CREATE_SCHEMA = "CREATE SCHEMA {schema}"
_LONGEST_SCHEMA = 63  # bytes that the server takes of a name

TABLES = ("facts", "context_values", "jobs", "statuses", "coordination", "initial_contexts", "receivers")

#: What each kind of role may do with each table. Facts are written once: nobody may change one. What is deleted by
#: those who work is chunks of long ones that lost.
RIGHTS: dict[Role, dict[str, str]] = {
    "worker": {
        "schema_version": "SELECT",
        "initial_contexts": "SELECT",
        "facts": "SELECT, INSERT, DELETE",
        "context_values": "SELECT, INSERT, UPDATE",
        "statuses": "SELECT, INSERT, UPDATE",
        "jobs": "SELECT, INSERT, UPDATE, DELETE",
        "coordination": "SELECT, INSERT, UPDATE, DELETE",
        "receivers": "SELECT, INSERT, UPDATE, DELETE",
    },
    "client": {
        "schema_version": "SELECT",
        "initial_contexts": "SELECT, DELETE",
        "facts": "SELECT, INSERT, DELETE",
        "context_values": "SELECT, INSERT, UPDATE, DELETE",
        "statuses": "SELECT, INSERT, UPDATE, DELETE",
        "jobs": "SELECT, INSERT",
        "coordination": "SELECT, INSERT, UPDATE, DELETE",
    },
    "read-only": dict.fromkeys(("schema_version", *TABLES), "SELECT"),
}


def schema_sql(schema: str = "flowcraft") -> str:
    """The SQL that makes the schema and all that is in it, for whoever makes it by hand.

    Raises:
        ConfigurationError: No schema can have that name.
    """
    made = f"{_CREATE_SCHEMA};\n\n{_versions_sql()}\n{''.join(_MIGRATIONS)}\n{_set_version_sql()}\n"
    return placed(made, schema)


def grants_sql(role: str, kind: Role, schema: str = "flowcraft") -> str:
    """The SQL that gives a role no more than it needs.

    Args:
        role: The role, which exists.
        kind: What it is for: ``worker``, ``client`` or ``read-only``. The owner of the schema needs none.
        schema: The schema.

    Raises:
        ConfigurationError: There is no such kind, or no schema can have that name.
    """
    if kind not in typing.get_args(Role):
        raise ConfigurationError(f"kind={kind!r}: grants_sql knows {', '.join(map(repr, typing.get_args(Role)))}")
    to = f"TO {_quoted(role)};"
    granted = [
        f"GRANT {rights} ON {placed('flowcraft.' + table, schema)} {to}" for table, rights in RIGHTS[kind].items()
    ]
    return "\n".join([f"GRANT USAGE ON SCHEMA {placed('{schema}', schema)} {to}", *granted, ""])


def placed(statement: str, schema: str) -> str:
    """A statement that is written for the schema ``flowcraft``, for another one.

    Raises:
        ConfigurationError: No schema can have that name.
    """
    quoted = _quoted(require_schema(schema))
    return statement.replace("flowcraft.", f"{quoted}.").replace("{schema}", quoted)


def require_schema(schema: str) -> str:
    """A schema's name, if it can be one.

    Raises:
        ConfigurationError: It cannot.
    """
    if not 1 <= len(schema.encode(errors="replace")) <= _LONGEST_SCHEMA or "\0" in schema or schema.startswith("pg_"):
        raise ConfigurationError(
            f"schema={schema!r}: give 1 to {_LONGEST_SCHEMA} bytes of text that do not begin with 'pg_'"
        )
    return schema


async def prepare(connection: Connection, schema: str, name: str) -> None:
    """Give a database the tables of this version; any number of processes may do so at once.

    What is there already is only looked at, so that a role without rights to create can do so too.

    Raises:
        BackendError: The database cannot have them, or has those of a newer version.
        psycopg.Error: As the server says.
    """
    cursor = await connection.execute("SELECT current_setting('server_encoding')")
    encoding = ((await cursor.fetchone()) or ("",))[0]
    if encoding != "UTF8":
        raise BackendError(f"{name}: its encoding is {encoding}, which has not every text: create a database with UTF8")
    if await _version(connection, schema, name) == SCHEMA_VERSION:
        return
    try:
        async with connection.transaction():
            # One after the other; the lock is given back with the end of the transaction, whatever that is.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('flowcraft schema ' || %s, 0))", [schema]
            )
            version = await _version(connection, schema, name)  # asked again: it may be done by now
            if version == 0:
                cursor = await connection.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema])
                if cursor.rowcount == 0:
                    await connection.execute(placed(_CREATE_SCHEMA, schema).encode())
                await connection.execute(placed(_versions_sql(), schema).encode())
            for migration in _MIGRATIONS[version:]:
                await connection.execute(placed(migration, schema).encode())
            await connection.execute(placed(_set_version_sql(), schema).encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackendError(
            f"{name}: the schema {schema!r} is missing or of an older version, and this role may not make it ({error}):"
            " call flowcraft_postgres.provision() as a role that may, or run the SQL of schema_sql()"
        ) from error


async def _version(connection: Connection, schema: str, name: str) -> int:
    """The version of the tables; 0 if there are none.

    Raises:
        BackendError: They are newer, or not ours.
    """
    cursor = await connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname IN ('schema_version', 'facts', 'jobs')",
        [schema],
    )
    tables = {row[0] for row in await cursor.fetchall()}
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise BackendError(f"{name}: the schema {schema!r} belongs to another program: give Flowcraft one of its own")
    cursor = await connection.execute(placed("SELECT version FROM flowcraft.schema_version", schema).encode())
    row = await cursor.fetchone()
    version = int(row[0]) if row else 0
    if version > SCHEMA_VERSION:
        raise BackendError(
            f"{name}: the schema {schema!r} has version {version}, and this flowcraft-postgres knows {SCHEMA_VERSION}"
            " at most: upgrade flowcraft-postgres"
        )
    return version


def _versions_sql() -> str:
    return (
        "CREATE TABLE flowcraft.schema_version (single boolean PRIMARY KEY DEFAULT true CHECK (single), version int);"
    )


def _set_version_sql() -> str:
    return (
        f"INSERT INTO flowcraft.schema_version (version) VALUES ({SCHEMA_VERSION})"
        f" ON CONFLICT (single) DO UPDATE SET version = {SCHEMA_VERSION};"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

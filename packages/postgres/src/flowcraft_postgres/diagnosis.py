"""Looks at a database, a schema and a role, and says what is wrong with them; nothing is changed by it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from flowcraft_core.diagnosis import clock_skew
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Finding

from . import symptoms
from ._connections import Connection, Settings
from ._errors import is_refused_as, translate
from ._schema import RIGHTS, SCHEMA_VERSION, TABLES, Role, placed

#: A transaction that has been open for so long is told of, seconds.
_OLD = 3_600.0

_SCHEMA = """
SELECT array(
    SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')
), (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
    has_database_privilege(current_database(), 'CREATE'), current_user::text
"""

_STATE = """
SELECT current_setting('server_encoding'), pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
    current_setting('synchronous_commit'), floor(extract(epoch FROM clock_timestamp()))::float8
"""

_OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8, pid, coalesce(usename::text, ''), application_name
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND xact_start < clock_timestamp() - make_interval(secs => %(old)s)
ORDER BY xact_start LIMIT 1
"""


async def examine(settings: Settings, *, has_own_clock: bool) -> list[Finding]:
    """What is wrong with a database, for a role.

    Args:
        settings: How it is reached.
        has_own_clock: The backend goes by another clock than the server's.
    """
    try:
        connection = await settings.connect()
        async with connection:
            return [finding async for finding in _look(connection, settings, has_own_clock)]
    except psycopg.Error as error:
        return [_of_error(error, settings)]


async def _look(connection: Connection, settings: Settings, has_own_clock: bool) -> AsyncIterator[Finding]:
    """The first thing that keeps it from being used, or all that it could be better at."""
    asked = time.time()
    encoding, is_standby, is_read_only, synchronous_commit, said = await _row(connection, _STATE)
    answered = time.time()
    if encoding != "UTF8":
        yield symptoms.ENCODING.found(encoding=encoding)
        return
    tables, may_make_tables, may_make_schema, role = await _row(connection, _SCHEMA, schema=settings.schema)
    unusable = await _of_schema(connection, settings.schema, tables, role, may_make_tables, may_make_schema)
    if unusable is not None:
        yield unusable
        return
    if is_standby or is_read_only:
        why = "it is a standby" if is_standby else "its transactions are read-only, by default or by this address"
        yield symptoms.READ_ONLY.found(why=why)
        return
    if synchronous_commit == "off" and settings.synchronous_commit is None:
        yield symptoms.SYNCHRONOUS_COMMIT.found(role=role)
    for old in await _rows(connection, _OLDEST, old=_OLD):
        seconds, process, user, program = old
        yield symptoms.OLD_TRANSACTION.found(minutes=seconds / 60, process=process, user=user, program=program)
    if not has_own_clock:
        for finding in clock_skew({"PostgreSQL": (said, asked, answered)}):
            yield finding


async def _of_schema(
    connection: Connection,
    schema: str,
    tables: list[str],
    role: str,
    may_make_tables: bool | None,
    may_make_schema: bool,
) -> Finding | None:
    """What keeps the schema from being used."""
    if not {"schema_version", *TABLES} & set(tables):
        may = may_make_schema if may_make_tables is None else may_make_tables
        kind = symptoms.SCHEMA_MISSING if may else symptoms.SCHEMA_FORBIDDEN
        return kind.found(schema=schema, role=role)
    if "schema_version" not in tables:
        return symptoms.FOREIGN.found(schema=schema)
    if missing := [name for name in TABLES if name not in tables]:
        return symptoms.TABLES_MISSING.found(schema=schema, names=", ".join(missing))
    lacking = {kind: await _lacking(connection, schema, rights) for kind, rights in RIGHTS.items()}
    if lacking["worker"] and lacking["client"]:
        nearer: Role = "client" if len(lacking["client"]) < len(lacking["worker"]) else "worker"
        return symptoms.PERMISSION.found(role=role, kind=nearer, rights=", ".join(lacking[nearer]))
    (version,) = await _row(connection, _version_of(schema))
    if version > SCHEMA_VERSION:
        return symptoms.SCHEMA_NEWER.found(schema=schema, version=version, known=SCHEMA_VERSION)
    return None


def _version_of(schema: str) -> str:
    return placed("SELECT version FROM flowcraft.schema_version", schema).replace("%", "%%")


async def _lacking(connection: Connection, schema: str, rights: dict[str, str]) -> list[str]:
    """The rights of a kind of role that this one has not got."""
    found = await _rows(
        connection,
        """
        SELECT given.privilege || ' on ' || given.name
        FROM unnest(%(names)s::text[], %(privileges)s::text[]) AS given (name, privilege)
        JOIN pg_catalog.pg_namespace n ON n.nspname = %(schema)s
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = given.name
        WHERE NOT has_table_privilege(c.oid, given.privilege) OR NOT has_schema_privilege(n.oid, 'USAGE')
        """,
        schema=schema,
        names=[table for table, given in rights.items() for _ in given.split(", ")],
        privileges=[privilege for given in rights.values() for privilege in given.split(", ")],
    )
    return [right for (right,) in found]


async def _rows(connection: Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement.encode(), parameters)
    return await cursor.fetchall()


async def _row(connection: Connection, statement: str, **parameters: Any) -> tuple[Any, ...]:
    (row,) = await _rows(connection, statement, **parameters)
    return row


def _of_error(error: psycopg.Error, settings: Settings) -> Finding:
    why = translate(error, settings.name)
    if is_refused_as("database", error):
        return symptoms.DATABASE_MISSING.found(why=why)
    if is_refused_as("credentials", error):
        return symptoms.CREDENTIALS.found(why=why)
    if error.sqlstate is None and isinstance(why, TransientError):
        return symptoms.UNREACHABLE.found(why=why)
    return symptoms.UNUSABLE.found(why=why)

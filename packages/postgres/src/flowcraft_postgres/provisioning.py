"""Making the schema ahead of time, and giving roles what they need and no more."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from ._errors import translate
from ._schema import Role, grants_sql, prepare, require_schema


async def provision(
    conninfo: str,
    *,
    schema: str = "flowcraft",
    workers: Sequence[str] = (),
    clients: Sequence[str] = (),
    readers: Sequence[str] = (),
) -> None:
    """Make the schema and its tables, or bring them to this version, and give roles their rights; any number of times.

    The role that does it owns them. Roles that work need not create anything then: they are named here, and exist.

    Args:
        conninfo: The database, and a role that may create a schema in it.
        schema: The schema.
        workers: Roles of workers and reconcilers.
        clients: Roles of programs that start runs, look at them and steer them.
        readers: Roles that only look, such as people's and dashboards'.

    Raises:
        BackendError: The server refuses it.
        TransientError: It cannot be reached.
        ConfigurationError: No schema can have that name.
    """
    require_schema(schema)
    name = f"postgres schema {schema!r}"
    given: tuple[tuple[Role, Sequence[str]], ...] = (("worker", workers), ("client", clients), ("read-only", readers))
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await prepare(connection, schema, name)
            for kind, roles in given:
                for role in roles:
                    await connection.execute(grants_sql(role, kind, schema).encode())
    except psycopg.Error as error:
        raise translate(error, name) from error

"""Durable runs on PostgreSQL."""

from ._schema import Role, grants_sql, schema_sql
from .backend import PostgresBackend, SynchronousCommit
from .context import PostgresContextStore
from .coordination import PostgresCoordinationStore
from .provisioning import provision
from .queue import PostgresJobQueue
from .status import PostgresStatusStore

__all__ = [
    "PostgresBackend",
    "PostgresContextStore",
    "PostgresCoordinationStore",
    "PostgresJobQueue",
    "PostgresStatusStore",
    "Role",
    "SynchronousCommit",
    "grants_sql",
    "provision",
    "schema_sql",
]

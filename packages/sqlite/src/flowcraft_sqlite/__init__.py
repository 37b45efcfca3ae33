"""The embedded backend: durable runs on one machine, in one SQLite file."""

from .backend import SqliteBackend
from .context import SqliteContextStore
from .coordination import SqliteCoordinationStore
from .queue import SqliteJobQueue
from .status import SqliteStatusStore

__all__ = ["SqliteBackend", "SqliteContextStore", "SqliteCoordinationStore", "SqliteJobQueue", "SqliteStatusStore"]

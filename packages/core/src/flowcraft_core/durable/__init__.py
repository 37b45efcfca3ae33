"""The three programs over the ports: client, worker and reconciler."""

from .adapter import Adapter
from .client import Client
from .diagnosing import diagnose
from .engine import Settings
from .reconciler import Reconciled, Reconciler
from .results import Started, StoredResult, StoredRun
from .runs import UnknownRunError
from .shared_context import SharedContext
from .sync_client import SyncClient
from .worker import Worker

__all__ = [
    "Adapter",
    "Client",
    "Reconciled",
    "Reconciler",
    "Settings",
    "SharedContext",
    "Started",
    "StoredResult",
    "StoredRun",
    "SyncClient",
    "UnknownRunError",
    "Worker",
    "diagnose",
]

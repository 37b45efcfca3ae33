"""The three programs over the ports: client, worker and reconciler."""

from .adapter import Adapter
from .client import Client
from .engine import Settings
from .places import backend_from_url, installed_backends, open_url, provision_url
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
    "backend_from_url",
    "installed_backends",
    "open_url",
    "provision_url",
]

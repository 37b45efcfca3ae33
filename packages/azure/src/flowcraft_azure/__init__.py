"""The Azure backend, on Queue Storage, Cosmos DB and Redis.

The handlers for Azure Functions are in ``flowcraft_azure.functions``.
"""

from ._cosmos import CosmosDatabase
from .adapter import AzureQueueAdapter
from .backend import AzureBackend
from .by_hand import CosmosHandWrittenRuns
from .context import CosmosContextStore
from .cosmos_coordination import CosmosCoordinationStore
from .metrics import Metrics
from .provision import provision
from .queue import AzureJobQueue
from .reconciler import AzureReconciler, ReconcilerStats, create_azure_reconciler
from .redis_coordination import RedisCoordinationStore
from .run_context import CosmosDbContext
from .settings import AzureSettings
from .status import CosmosStatusStore

__all__ = [
    "AzureBackend",
    "AzureJobQueue",
    "AzureQueueAdapter",
    "AzureReconciler",
    "AzureSettings",
    "CosmosContextStore",
    "CosmosCoordinationStore",
    "CosmosDatabase",
    "CosmosDbContext",
    "CosmosHandWrittenRuns",
    "CosmosStatusStore",
    "Metrics",
    "ReconcilerStats",
    "RedisCoordinationStore",
    "create_azure_reconciler",
    "provision",
]

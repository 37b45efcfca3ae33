"""The Azure backend, on Queue Storage, Cosmos DB and Redis.

The handlers for Azure Functions are in ``flowcraft_azure.functions``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._cosmos import CosmosDatabase
    from .adapter import AzureQueueAdapter
    from .backend import AzureBackend
    from .by_hand import CosmosHandWrittenRuns
    from .context import CosmosContextStore
    from .cosmos_coordination import CosmosCoordinationStore
    from .metrics import Metrics
    from .provisioning import provision
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

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from flowcraft_core.on_demand import on_demand

    _MODULES = {
        "_cosmos": "CosmosDatabase",
        "adapter": "AzureQueueAdapter",
        "backend": "AzureBackend",
        "by_hand": "CosmosHandWrittenRuns",
        "context": "CosmosContextStore",
        "cosmos_coordination": "CosmosCoordinationStore",
        "metrics": "Metrics",
        "provisioning": "provision",
        "queue": "AzureJobQueue",
        "reconciler": "AzureReconciler ReconcilerStats create_azure_reconciler",
        "redis_coordination": "RedisCoordinationStore",
        "run_context": "CosmosDbContext",
        "settings": "AzureSettings",
        "status": "CosmosStatusStore",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)

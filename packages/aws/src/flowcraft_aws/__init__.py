"""The AWS backend: runs on an SQS queue and three DynamoDB tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._clients import client_config
    from .adapter import SqsAdapter
    from .backend import AwsBackend
    from .context import DynamoDbContextStore
    from .coordination import DynamoDbCoordinationStore
    from .metrics import Metrics
    from .provisioning import Provisioned, provision
    from .queue import SqsJobQueue
    from .reconciler import ReconcileStats, SqsReconciler, create_sqs_reconciler
    from .s3 import S3PayloadStore
    from .shared_context import DynamoDbContext
    from .status import DynamoDbStatusStore

__all__ = [
    "AwsBackend",
    "DynamoDbContext",
    "DynamoDbContextStore",
    "DynamoDbCoordinationStore",
    "DynamoDbStatusStore",
    "Metrics",
    "Provisioned",
    "ReconcileStats",
    "S3PayloadStore",
    "SqsAdapter",
    "SqsJobQueue",
    "SqsReconciler",
    "client_config",
    "create_sqs_reconciler",
    "provision",
]

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from flowcraft_core.on_demand import on_demand

    _MODULES = {
        "_clients": "client_config",
        "adapter": "SqsAdapter",
        "backend": "AwsBackend",
        "context": "DynamoDbContextStore",
        "coordination": "DynamoDbCoordinationStore",
        "metrics": "Metrics",
        "provisioning": "Provisioned provision",
        "queue": "SqsJobQueue",
        "reconciler": "ReconcileStats SqsReconciler create_sqs_reconciler",
        "s3": "S3PayloadStore",
        "shared_context": "DynamoDbContext",
        "status": "DynamoDbStatusStore",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)

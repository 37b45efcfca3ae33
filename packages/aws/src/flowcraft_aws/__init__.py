"""The AWS backend: runs on an SQS queue and three DynamoDB tables."""

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

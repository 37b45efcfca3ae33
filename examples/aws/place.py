"""The adapter of the example: what a worker, a client and a Lambda function have in common."""

from __future__ import annotations

import os

import boto3
from flowcraft_aws import DynamoDbCoordinationStore, SqsAdapter, client_config
from flowcraft_core import FlowRuntime
from orders import orders


def make_adapter() -> SqsAdapter:
    """An adapter on the queue that SQS_QUEUE_URL names, and on the tables by their usual names."""
    sqs = boto3.client("sqs", config=client_config())
    dynamodb = boto3.client("dynamodb", config=client_config())
    return SqsAdapter(
        runtime=FlowRuntime([orders]),
        coordination_store=DynamoDbCoordinationStore(client=dynamodb, table_name="flowcraft-coordination"),
        sqs_client=sqs,
        dynamodb_client=dynamodb,
        queue_url=os.environ["SQS_QUEUE_URL"],
        context_table_name="flowcraft-contexts",
        status_table_name="flowcraft-statuses",
    )

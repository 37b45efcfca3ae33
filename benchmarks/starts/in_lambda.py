"""What a function in Lambda does before it can take its first message: all but the call of a service."""

import os
from typing import Any

import boto3
from flowcraft_aws import DynamoDbCoordinationStore, SqsAdapter, client_config
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from starts.said import said

os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}


async def step(ctx: NodeContext[Any, Any]) -> None:
    """A step."""


dynamodb = boto3.client("dynamodb", config=client_config())
adapter = SqsAdapter(
    runtime=FlowRuntime([create_flow("first").node("step", step)]),
    coordination_store=DynamoDbCoordinationStore(client=dynamodb, table_name="coordination"),
    sqs_client=boto3.client("sqs", config=client_config()),
    dynamodb_client=dynamodb,
    queue_url="https://sqs.us-east-1.amazonaws.com/1/queue",
)
handler = adapter.lambda_handler
said()

"""Creates the queue and the tables; calling it again changes nothing that is there already."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs
from botocore.exceptions import BotoCoreError, ClientError
from flowcraft_core.errors import BackendError, ConfigurationError

from ._clients import make_client
from ._errors import code_of, translate
from .places import CONTEXT_TABLE, COORDINATION_TABLE, QUEUE, STATUS_TABLE
from .status import DUE_KEY, INDEX, SHARD_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

#: How often SQS delivers a message before it sets it aside. The engine gives a job up long before, with a reason; but
#: a message that is released, or whose worker drains, is counted too.
MAX_RECEIVES = 100
#: The longest that SQS keeps a message, seconds: a run that nobody worked on for that long goes on from the facts.
RETENTION = 14 * 86_400
#: Workers say how long they hold a message. Lambda does not, and asks of its queue for six times its own timeout; this
#: is right for one of a minute.
VISIBILITY = 360
#: A table or index is made within so many seconds, or something is wrong.
_PATIENCE = 600.0

_QUEUE_ATTRIBUTES: Any = {
    "MessageRetentionPeriod": str(RETENTION),
    "ReceiveMessageWaitTimeSeconds": "20",
    "VisibilityTimeout": str(VISIBILITY),
}
_INDEX_ATTRIBUTES = [
    {"AttributeName": SHARD_KEY, "AttributeType": "S"},
    {"AttributeName": DUE_KEY, "AttributeType": "N"},
]
_INDEX = {
    "IndexName": INDEX,
    "KeySchema": [
        {"AttributeName": SHARD_KEY, "KeyType": "HASH"},
        {"AttributeName": DUE_KEY, "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "ALL"},
}


@attrs.frozen
class Provisioned:
    """What is there to work on.

    Attributes:
        queue_url: The queue's URL.
        dead_letter_queue_url: The URL of the queue of messages that were delivered too often.
        context_table_name: The table of facts and context values.
        status_table_name: The table of statuses.
        coordination_table_name: The table of counters, leases and sets.
    """

    queue_url: str
    dead_letter_queue_url: str
    context_table_name: str
    status_table_name: str
    coordination_table_name: str


def provision(
    *,
    queue_name: str = QUEUE,
    context_table_name: str = CONTEXT_TABLE,
    status_table_name: str = STATUS_TABLE,
    coordination_table_name: str = COORDINATION_TABLE,
    index: bool = True,
    sqs_client: SQSClient | None = None,
    dynamodb_client: DynamoDBClient | None = None,
) -> Provisioned:
    """Create the queue, its dead-letter queue, the tables and the index, as far as they are missing.

    It blocks until all of it can be used, up to some minutes: call it from a script, not from an event loop.

    Args:
        queue_name: The queue; its dead-letter queue has ``-dead`` behind that.
        context_table_name: The table of facts and context values.
        status_table_name: The table of statuses.
        coordination_table_name: The table of counters, leases and sets.
        index: Whether the statuses get the index by which a reconciler finds what is due; without it, it scans.
        sqs_client: A boto3 client; by default one with boto3's own credentials and region.
        dynamodb_client: Likewise.

    Raises:
        ConfigurationError: The name is that of a FIFO queue.
        BackendError: Something cannot be created, or is there and is something else; the message says which.
        TransientError: A service does not answer; call it again.
    """
    if queue_name.endswith(".fifo"):
        raise ConfigurationError(f"queue_name={queue_name!r} would be a FIFO queue: give a name without '.fifo'")
    sqs = sqs_client or make_client("sqs")
    dynamodb = dynamodb_client or make_client("dynamodb")
    tables = {context_table_name: "runId", status_table_name: "runId", coordination_table_name: "key"}
    try:
        for name, key in tables.items():
            _create_table(dynamodb, name, key, indexed=index and name == status_table_name)
        for name in tables:
            _wait_for(dynamodb, name)
        _expire(dynamodb, coordination_table_name)
        if index:
            _create_index(dynamodb, status_table_name)
        queue_url, dead_url = _create_queues(sqs, queue_name)
    except (BotoCoreError, ClientError) as error:
        raise translate(error, f"provisioning {queue_name!r} and {', '.join(map(repr, tables))}") from error
    return Provisioned(queue_url, dead_url, context_table_name, status_table_name, coordination_table_name)


def _create_table(client: DynamoDBClient, name: str, key: str, *, indexed: bool) -> None:
    indexes: Any = {"GlobalSecondaryIndexes": [_INDEX]} if indexed else {}
    attributes: Any = [{"AttributeName": key, "AttributeType": "S"}, *(_INDEX_ATTRIBUTES if indexed else ())]
    try:
        client.create_table(
            TableName=name,
            AttributeDefinitions=attributes,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            **indexes,
        )
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":
            raise
        schema = client.describe_table(TableName=name)["Table"]["KeySchema"]
        if [(part["AttributeName"], part["KeyType"]) for part in schema] != [(key, "HASH")]:
            raise BackendError(
                f"DynamoDB table {name!r} has another key than {key!r} alone: use another name for the table"
            ) from error


def _wait_for(client: DynamoDBClient, name: str) -> None:
    """Return once a table and its indexes are active."""
    end = time.monotonic() + _PATIENCE
    while True:
        table = client.describe_table(TableName=name)["Table"]
        states = {table["TableStatus"]}
        states |= {made.get("IndexStatus", "ACTIVE") for made in table.get("GlobalSecondaryIndexes", [])}
        if states == {"ACTIVE"}:
            return
        if time.monotonic() > end:
            raise BackendError(f"DynamoDB table {name!r} is {', '.join(sorted(states))} after {_PATIENCE:g} s")
        time.sleep(1.0)


def _expire(client: DynamoDBClient, name: str) -> None:
    """Have DynamoDB remove what has expired."""
    described = client.describe_time_to_live(TableName=name).get("TimeToLiveDescription", {})
    if described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if described.get("AttributeName") != "ttl":
            raise BackendError(
                f"DynamoDB table {name!r} expires by {described.get('AttributeName')!r}: turn that off, and let it"
                " expire by 'ttl'"
            )
        return
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})


def _create_index(client: DynamoDBClient, name: str) -> None:
    """Give a table that was there before the index; that takes minutes."""
    indexes = client.describe_table(TableName=name)["Table"].get("GlobalSecondaryIndexes", [])
    if any(made.get("IndexName") == INDEX for made in indexes):
        return
    attributes: Any = [{"AttributeName": "runId", "AttributeType": "S"}, *_INDEX_ATTRIBUTES]
    created: Any = [{"Create": _INDEX}]
    client.update_table(TableName=name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=created)
    _wait_for(client, name)


def _create_queues(client: SQSClient, name: str) -> tuple[str, str]:
    dead_url, url = _create_queue(client, f"{name}-dead"), _create_queue(client, name)
    redrive = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
    if not redrive:
        dead = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]
        policy = json.dumps({"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": MAX_RECEIVES})
        client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    return url, dead_url


def _create_queue(client: SQSClient, name: str) -> str:
    """A queue's URL; one that is there keeps its attributes."""
    try:
        return client.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if "NonExistentQueue" not in code_of(error) and "QueueDoesNotExist" not in code_of(error):
            raise
    return client.create_queue(QueueName=name, Attributes=_QUEUE_ATTRIBUTES)["QueueUrl"]

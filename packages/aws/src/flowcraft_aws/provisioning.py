"""Creates the queue and the tables; calling it again changes nothing that is there already."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from botocore.exceptions import BotoCoreError, ClientError
from flowcraft_core.errors import BackendError, ConfigurationError
from flowcraft_core.queues import require_queue

from ._clients import make_client
from ._errors import code_of, translate
from ._layout import INDEX_MADE, MAX_RECEIVES, QUEUE_ATTRIBUTES, TableLayout, contexts, coordination, statuses
from .places import CONTEXT_TABLE, COORDINATION_TABLE, QUEUE, STATUS_TABLE, named_queue
from .status import INDEX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

#: A table or index is made within so many seconds, or something is wrong.
_PATIENCE = 600.0


@attrs.frozen
class Provisioned:
    """What is there to work on.

    Attributes:
        queue_url: The queue's URL.
        dead_letter_queue_url: The URL of the queue of messages that were delivered too often.
        context_table_name: The table of facts and context values.
        status_table_name: The table of statuses.
        coordination_table_name: The table of counters, leases and sets.
        queues: The URLs of further queues, by name, as ``AwsBackend`` takes them.
    """

    queue_url: str
    dead_letter_queue_url: str
    context_table_name: str
    status_table_name: str
    coordination_table_name: str
    queues: Mapping[str, str] = attrs.field(factory=dict)


def provision(
    *,
    queue_name: str = QUEUE,
    queues: Sequence[str] = (),
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
        queues: The names that flows and workers call further queues by: ``gpu`` is called as the queue is, with
            ``_gpu`` behind that. They share its dead-letter queue.
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
    for name in queues:
        require_queue("provision: queues", name)
    sqs = sqs_client or make_client("sqs")
    dynamodb = dynamodb_client or make_client("dynamodb")
    tables = [
        contexts(context_table_name),
        statuses(status_table_name, index=index),
        coordination(coordination_table_name),
    ]
    try:
        for table in tables:
            _create_table(dynamodb, table)
        for table in tables:
            _wait_for(dynamodb, table.name)
            _expire(dynamodb, table)
            _create_index(dynamodb, table)
        queue_url, dead_url = _create_queues(sqs, queue_name, queue_name)
        further = {name: _create_queues(sqs, named_queue(queue_name, name), queue_name)[0] for name in queues}
    except (BotoCoreError, ClientError) as error:
        names = ", ".join(repr(table.name) for table in tables)
        raise translate(error, f"provisioning {queue_name!r} and {names}") from error
    return Provisioned(queue_url, dead_url, context_table_name, status_table_name, coordination_table_name, further)


def _create_table(client: DynamoDBClient, table: TableLayout) -> None:
    indexes: Any = {"GlobalSecondaryIndexes": [INDEX_MADE]} if table.is_indexed else {}
    attributes: Any = table.attributes
    schema: Any = table.key_schema
    try:
        client.create_table(
            TableName=table.name,
            AttributeDefinitions=attributes,
            KeySchema=schema,
            BillingMode="PAY_PER_REQUEST",
            **indexes,
        )
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":
            raise
        found = client.describe_table(TableName=table.name)["Table"]["KeySchema"]
        if [(part["AttributeName"], part["KeyType"]) for part in found] != [(table.key, "HASH")]:
            raise BackendError(
                f"DynamoDB table {table.name!r} has another key than {table.key!r} alone: use another name for it"
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


def _expire(client: DynamoDBClient, table: TableLayout) -> None:
    """Have DynamoDB remove what has expired, if anything does."""
    attribute = table.expires_by
    if attribute is None:
        return
    described = client.describe_time_to_live(TableName=table.name).get("TimeToLiveDescription", {})
    if described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        if described.get("AttributeName") != attribute:
            raise BackendError(
                f"DynamoDB table {table.name!r} expires by {described.get('AttributeName')!r}: turn that off, and let "
                f"it expire by {attribute!r}"
            )
        return
    wanted: Any = {"Enabled": True, "AttributeName": attribute}
    client.update_time_to_live(TableName=table.name, TimeToLiveSpecification=wanted)


def _create_index(client: DynamoDBClient, table: TableLayout) -> None:
    """Give a table that was there before the index, if it is to have it; that takes minutes."""
    if not table.is_indexed:
        return
    indexes = client.describe_table(TableName=table.name)["Table"].get("GlobalSecondaryIndexes", [])
    if any(made.get("IndexName") == INDEX for made in indexes):
        return
    attributes: Any = table.attributes
    created: Any = [{"Create": INDEX_MADE}]
    client.update_table(TableName=table.name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=created)
    _wait_for(client, table.name)


def _create_queues(client: SQSClient, name: str, first: str) -> tuple[str, str]:
    dead_url, url = _create_queue(client, f"{first}-dead"), _create_queue(client, name)
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
    return client.create_queue(QueueName=name, Attributes=QUEUE_ATTRIBUTES)["QueueUrl"]

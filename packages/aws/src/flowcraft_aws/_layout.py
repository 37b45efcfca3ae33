"""What there has to be on AWS: ``provision`` creates it by this description, and the doctor compares what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from .status import DUE_KEY, INDEX, SHARD_KEY

#: How often SQS delivers a message before it sets it aside. The engine gives a job up long before, with a reason; but
#: a message that is released, or whose worker drains, is counted too.
MAX_RECEIVES = 100
#: With fewer SQS sets aside what the engine would still have given up itself, or what was only released.
LEAST_RECEIVES = 20
#: The longest that SQS keeps a message, seconds: a run that nobody worked on for that long goes on from the facts.
RETENTION = 14 * 86_400
#: Workers say how long they hold a message. Lambda does not, and asks of its queue for six times its own timeout; this
#: is right for one of a minute.
VISIBILITY = 360

QUEUE_ATTRIBUTES: Any = {
    "MessageRetentionPeriod": str(RETENTION),
    "ReceiveMessageWaitTimeSeconds": "20",
    "VisibilityTimeout": str(VISIBILITY),
}

INDEX_KEY = [
    {"AttributeName": SHARD_KEY, "KeyType": "HASH"},
    {"AttributeName": DUE_KEY, "KeyType": "RANGE"},
]
INDEX_ATTRIBUTES = [
    {"AttributeName": SHARD_KEY, "AttributeType": "S"},
    {"AttributeName": DUE_KEY, "AttributeType": "N"},
]
#: A condition of a query is asked of what is in the index, so that all of an item has to be in it.
PROJECTION = "ALL"
INDEX_MADE: Any = {"IndexName": INDEX, "KeySchema": INDEX_KEY, "Projection": {"ProjectionType": PROJECTION}}


@attrs.frozen
class TableLayout:
    """What a table has to be like.

    Attributes:
        name: Its name.
        key: Its partition key, of type string; there is no sort key.
        expires_by: The attribute by which DynamoDB is to remove items; None if they last.
        is_indexed: Whether it is to have the index of what is due.
        used_by: What programs do with it, as IAM calls it; see ``deploy/aws/policy.json``.
    """

    name: str
    key: str
    expires_by: str | None = None
    is_indexed: bool = False
    used_by: Sequence[str] = ()

    @property
    def key_schema(self) -> list[dict[str, str]]:
        """Its key, as the service has it."""
        return [{"AttributeName": self.key, "KeyType": "HASH"}]

    @property
    def attributes(self) -> list[dict[str, str]]:
        """Those of its key and of its index, with their types, as the service has them."""
        return [{"AttributeName": self.key, "AttributeType": "S"}, *(INDEX_ATTRIBUTES if self.is_indexed else ())]


def contexts(name: str) -> TableLayout:
    """The table of facts and context values."""
    return TableLayout(name, "runId", used_by=("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem"))


def statuses(name: str, *, index: bool = True) -> TableLayout:
    """The table of statuses, which does without its index, at a price."""
    used_by = ("DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
    return TableLayout(name, "runId", is_indexed=index, used_by=used_by)


def coordination(name: str) -> TableLayout:
    """The table of counters, leases and sets."""
    return TableLayout(name, "key", expires_by="ttl", used_by=("DeleteItem", "GetItem", "PutItem", "UpdateItem"))

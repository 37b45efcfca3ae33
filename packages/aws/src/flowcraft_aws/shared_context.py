"""The context of one run, read and changed from outside of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowcraft_core.durable import SharedContext
from flowcraft_core.durable.storage import Records
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.serialization import Serializer

from ._calls import Calls
from .by_hand import ByHand
from .context import DynamoDbContextStore
from .s3 import S3PayloadStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


class DynamoDbContext(SharedContext):
    """A ``flowcraft_core.durable.SharedContext`` of a run in a DynamoDB table; an async context manager."""

    def __init__(
        self,
        *,
        client: DynamoDBClient,
        table_name: str,
        run_id: str,
        serializer: Serializer | None = None,
        codec: PayloadCodec | None = None,
        payloads: S3PayloadStore | None = None,
        calls: Calls | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            client: A boto3 client of DynamoDB.
            table_name: The table of facts and context values.
            run_id: The run.
            serializer: For values; the same as the workers'.
            codec: For stored bytes; the same as the workers'.
            payloads: Where long values are; the same as the workers'.
            calls: Where requests are made; by default in threads of its own.
        """
        store = DynamoDbContextStore(client, table_name, calls or Calls(), payloads=payloads)
        records = Records(store, serializer or Serializer(), codec or CompressingCodec())
        super().__init__(run_id, records, ByHand(store))

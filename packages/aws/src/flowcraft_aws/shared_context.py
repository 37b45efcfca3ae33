"""The context of one run, read and changed from outside of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowcraft_core.durable.runs import RunRecord, Runs
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.view import whole_state
from flowcraft_core.graph.facts import DELETED
from flowcraft_core.graph.fold import context_of
from flowcraft_core.graph.positions import Position
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.serialization import Serializer

from ._calls import Calls
from ._names import directory_name
from .by_hand import ByHand
from .context import DynamoDbContextStore
from .s3 import S3PayloadStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_MISSING = object()


class DynamoDbContext:
    """The shared context of one run, for programs that are none of its steps.

    What is set here counts as set before the first step, the last such call winning: steps see it when they next read
    the name, and a value that a step sets stands against it. It is no part of what the run gives as its result, which
    follows from what its steps did. The names that were set here are in a directory, an item of the run's own.
    """

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
        self.run_id = run_id
        store = DynamoDbContextStore(client, table_name, calls or Calls(), payloads=payloads)
        self._table = store.table
        self._records = Records(store, serializer or Serializer(), codec or CompressingCodec())
        self._by_hand = ByHand(store)

    async def get(self, name: str, default: Any = None) -> Any:
        """The value of a name as it stands, or the default if there is none."""
        value = await self._find(name)
        return default if value is _MISSING else value

    async def has(self, name: str) -> bool:
        """Whether there is a value, be it None."""
        return await self._find(name) is not _MISSING

    async def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: It cannot be stored.
            TransientError: It may or may not be set; set it again.
        """
        await self.patch({name: value})

    async def delete(self, name: str) -> None:
        """Remove a value; none is no error."""
        await self.patch({}, delete=[name])

    async def patch(self, values: Mapping[str, Any], *, delete: list[str] | None = None) -> None:
        """Set some values and remove others, all with one time; name by name, and not all or none.

        Args:
            values: Those to set, by name.
            delete: Names to remove.
        """
        changes = {**values, **dict.fromkeys(delete or (), DELETED)}
        if not changes:
            return
        # The directory first: a value of which nobody knows could not be purged.
        await self._table.update(
            directory_name(self.run_id),
            run_id=self.run_id,
            UpdateExpression="ADD context_names :names",
            ExpressionAttributeValues={":names": {"SS": sorted(changes)}},
        )
        await self._records.apply(self.run_id, "", _outside(time.time_ns()), changes)

    async def to_dict(self) -> dict[str, Any]:
        """All values by name: of what the run was started with, what its steps have set, and what was set here.

        It reads every fact of the run.
        """
        record = await self._record()
        known = await self._initial(record)
        if record is not None:
            known = dict(context_of(await whole_state(record, self._records)))
        names = {*known, *await self._by_hand.names(self.run_id)}
        standing = await self._records.values(self.run_id, "", sorted(names))
        known |= {name: value for name, (_, value) in standing.items()}
        return {name: value for name, value in sorted(known.items()) if value is not DELETED}

    async def _find(self, name: str) -> Any:
        standing = await self._records.values(self.run_id, "", [name])
        if name in standing:
            value = standing[name][1]
            return _MISSING if value is DELETED else value
        return (await self._initial(await self._record())).get(name, _MISSING)

    async def _record(self) -> RunRecord | None:
        return await Runs(self._records).get(self.run_id)

    async def _initial(self, record: RunRecord | None) -> dict[str, Any]:
        """What the run was, or will be, started with."""
        if record is not None:
            return dict(record.context)
        return dict(await self._by_hand.initial_context(self.run_id) or {})


def _outside(nanoseconds: int) -> Position:
    """After what the run was started with, before every node (whose ids are not empty), and in the order of time."""
    return ((0, "", nanoseconds // 1_000),)

"""Facts and context values in a DynamoDB table, each an item of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.ids import new_id
from flowcraft_core.ports import Fact, PositionedValue, StoreLimits
from flowcraft_core.reading import readable

from ._calls import Calls
from ._names import item_name
from ._table import MAX_KEYS_READ, Item, Table, is_absent
from .s3 import S3PayloadStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

#: An item has 400 KiB at most, with its key (1 KB if it was shortened), its long key (8 KB), a position (4 KB), and
#: writer, job and the names of its attributes.
_MAX_VALUE_BYTES = 380 * 1024

_KEY = "runId"


class DynamoDbContextStore:
    """A ``flowcraft_core.ports.ContextStore`` in a table with the partition key ``runId``.

    No item grows with the run, and a run's items lie on many partitions. Every read is strongly consistent.

    Attributes:
        limits: See the port.
        table: Where all of it is.
    """

    limits = StoreLimits(max_value_bytes=_MAX_VALUE_BYTES, max_keys_read=MAX_KEYS_READ)

    def __init__(
        self, client: DynamoDBClient, table_name: str, calls: Calls, *, payloads: S3PayloadStore | None = None
    ) -> None:
        """Use a table, which need not exist yet.

        Args:
            client: Makes the requests.
            table_name: The table.
            calls: Where the requests are made.
            payloads: Where long bodies go; into the items, by default.
        """
        self.table = Table(client, table_name, _KEY, calls)
        self._bodies = _Bodies(calls, payloads)
        if payloads is not None:
            self.limits = attrs.evolve(self.limits, max_value_bytes=payloads.max_bytes)

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        """Store a fact if there is none under the key; else return the one that stands."""
        self._require_room(fact.body, f"the fact {key!r} of run {run_id!r}")
        name = item_name(run_id, "fact", key)
        item: Item = {**_named(name, key), "writer": {"S": fact.writer}}
        if fact.job:
            item["job"] = {"S": fact.job}
        item |= await self._bodies.store(run_id, name, fact.writer, fact.body)
        while True:
            refused = await self.table.put(item, run_id=run_id, knows_itself=False, **is_absent(_KEY))
            if refused is None:
                return None
            # Not every emulator says what stands.
            standing = refused.item or await self.table.get(name, run_id=run_id)
            if standing is not None:  # else it was deleted meanwhile
                await self._bodies.drop_unless_shared(item, standing, run_id)
                return await self._fact(standing, run_id)

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        """The facts under those keys."""
        items = await self._find(run_id, "fact", keys)
        facts = await asyncio.gather(*(self._fact(item, run_id) for item in items.values()))
        return dict(zip(items, facts, strict=True))

    async def apply(self, run_id: str, values: Mapping[str, PositionedValue]) -> None:
        """Set context values, each only if no value of a greater or equal position stands."""
        for name, value in values.items():
            self._require_room(value.body or b"", f"the context value {name!r} of run {run_id!r}")
        await asyncio.gather(*(self._apply_one(run_id, name, value) for name, value in values.items()))

    async def values(self, run_id: str, names: Sequence[str]) -> Mapping[str, PositionedValue]:
        """The standing values of those names."""
        items = await self._find(run_id, "value", names)
        values = await asyncio.gather(*(self._value(item, run_id) for item in items.values()))
        return dict(zip(items, values, strict=True))

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove facts and values."""
        items = [
            *(item_name(run_id, "fact", key) for key in keys),
            *(item_name(run_id, "value", name) for name in names),
        ]
        stored = await self.table.get_many(items, run_id=run_id) if self._bodies.elsewhere and items else {}
        await self.table.delete_many(items, run_id=run_id)
        await self._bodies.drop(list(stored.values()), run_id)

    async def _apply_one(self, run_id: str, name: str, value: PositionedValue) -> None:
        item_id = item_name(run_id, "value", name)
        item: Item = {**_named(item_id, name), "position": {"S": value.position}}
        if value.body is None:
            item["deleted"] = {"BOOL": True}
        else:
            item |= await self._bodies.store(run_id, item_id, new_id(), value.body)
        # DynamoDB compares text by its bytes, and the order of UTF-8 is the order of code points.
        refused = await self.table.put(
            item,
            run_id=run_id,
            ConditionExpression="attribute_not_exists(#key) OR #position < :position",
            ExpressionAttributeNames={"#key": _KEY, "#position": "position"},
            ExpressionAttributeValues={":position": item["position"]},
        )
        if refused is not None and self._bodies.elsewhere:
            standing = refused.item or await self.table.get(item_id, run_id=run_id)
            await self._bodies.drop_unless_shared(item, standing or {}, run_id)

    async def _find(self, run_id: str, kind: Literal["fact", "value"], names: Sequence[str]) -> dict[str, Item]:
        if not names:
            return {}
        by_item = {item_name(run_id, kind, name): name for name in names}
        return {by_item[item]: found for item, found in (await self.table.get_many(by_item, run_id=run_id)).items()}

    async def _fact(self, item: Item, run_id: str) -> Fact:
        with readable(f"run {run_id!r:.80}: the fact in item {item[_KEY]['S']!r:.200}"):
            return Fact(await self._bodies.load(item, run_id), item["writer"]["S"], item.get("job", {}).get("S", ""))

    async def _value(self, item: Item, run_id: str) -> PositionedValue:
        with readable(f"run {run_id!r:.80}: the context value in item {item[_KEY]['S']!r:.200}"):
            return PositionedValue(
                item["position"]["S"], None if "deleted" in item else await self._bodies.load(item, run_id)
            )

    def _require_room(self, body: bytes, what: str) -> None:
        if len(body) > self.limits.max_value_bytes:
            raise ValueError(
                f"{what} has {len(body)} bytes, and DynamoDbContextStore takes {self.limits.max_value_bytes} at most"
            )


class _Bodies:
    """Where bodies are: in the items, or, if they are long and there is a bucket for them, in that."""

    def __init__(self, calls: Calls, payloads: S3PayloadStore | None) -> None:
        self.elsewhere = payloads
        self._calls = calls

    async def store(self, run_id: str, item: str, token: str, body: bytes) -> Item:
        """The attributes that hold a body, or say where it was put."""
        bucket = self.elsewhere
        if bucket is None or len(body) < bucket.threshold:
            return {"body": {"B": body}}
        name = bucket.name_of(run_id, item, token)
        await self._calls.make(lambda: bucket.put(name, body), bucket.place, run_id=run_id)
        return {"s3_object": {"S": name}}

    async def load(self, item: Item, run_id: str) -> bytes:
        """The body of an item.

        Raises:
            ConfigurationError: It is in a bucket, and none was given.
        """
        if "body" in item:
            return bytes(item["body"]["B"])
        name, bucket = item["s3_object"]["S"], self.elsewhere
        if bucket is None:
            raise ConfigurationError(
                f"run {run_id!r}: the value of item {item[_KEY]['S']!r:.200} is in S3 ({name}): give this program the"
                " S3PayloadStore that the others have"
            )
        return await self._calls.make(lambda: bucket.get(name), bucket.place, run_id=run_id)

    async def drop_unless_shared(self, item: Item, standing: Item, run_id: str) -> None:
        """Remove the object of an item that was not stored; one that is stored already, by a first try, is the same."""
        if item.get("s3_object") != standing.get("s3_object"):
            await self.drop([item], run_id)

    async def drop(self, items: Sequence[Item], run_id: str) -> None:
        """Remove the objects of items."""
        names, bucket = [item["s3_object"]["S"] for item in items if "s3_object" in item], self.elsewhere
        if names and bucket is not None:
            await self._calls.make(lambda: bucket.delete(names), bucket.place, run_id=run_id)


def _named(item: str, name: str) -> Item:
    """An item's key, and beside a shortened one the whole name, for people."""
    return {_KEY: {"S": item}} if item.endswith(name) else {_KEY: {"S": item}, "long_key": {"S": name}}

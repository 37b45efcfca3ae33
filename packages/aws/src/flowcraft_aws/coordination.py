"""Counters, leases and sets in a DynamoDB table, each an item that says when it expires."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flowcraft_core.clock import Clock, SystemClock
from flowcraft_core.errors import TransientError
from flowcraft_core.reading import readable

from ._calls import Calls
from ._names import coordination_name, run_of
from ._table import Item, Refused, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

T = TypeVar("T")

_KEY = "key"
_TRIES = 20
_FREE = "attribute_not_exists(#key) OR expires_at <= :now"
_LIVES = "attribute_not_exists(#key) OR expires_at > :now"


class DynamoDbCoordinationStore:
    """A ``flowcraft_core.ports.CoordinationStore`` in a table with the partition key ``key``.

    An item expires at ``expires_at``, whether DynamoDB has removed it yet or not; for its removal ``ttl`` has the next
    whole second.

    Attributes:
        client: What makes the requests.
        table_name: The table.
        table: The same, with what can be done with it.
        clock: What times to live go by.
    """

    def __init__(
        self, client: DynamoDBClient, table_name: str, *, calls: Calls | None = None, clock: Clock | None = None
    ) -> None:
        """Use a table, which need not exist yet.

        Args:
            client: A boto3 client of DynamoDB.
            table_name: The table.
            calls: Where requests are made; by default in threads of the store's own.
            clock: What times to live go by; by default the machine's clock. Those of all workers must agree to within
                a second or so.
        """
        self.client = client
        self.table_name = table_name
        self.table = Table(client, table_name, _KEY, calls or Calls())
        self.clock: Clock = clock or SystemClock()

    async def increment(self, key: str, *, ttl: float) -> int:
        """Add one to a counter that begins at 0, and return the sum."""
        name = coordination_name(key)

        async def add(now: float) -> int | None:
            changed = await self.table.update(
                name,
                run_id=run_of(key),
                counts=True,
                UpdateExpression=(
                    "ADD #count :one SET expires_at = if_not_exists(expires_at, :expires_at),"
                    " #ttl = if_not_exists(#ttl, :ttl)"
                ),
                ConditionExpression=_LIVES,
                ExpressionAttributeNames={"#key": _KEY, "#count": "count", "#ttl": "ttl"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":now": _number(now), **_expiry(now + ttl, ":")},
            )
            if not isinstance(changed, Refused):
                with readable(f"coordination key {key!r:.200}"):
                    return int(changed["count"]["N"])
            begun = await self._replace(key, {"count": {"N": "1"}}, now, ttl)
            return 1 if begun else None

        return await self._settle(key, add)

    async def set_if_absent(self, key: str, value: str, *, ttl: float) -> bool:
        """Set a value if the key has none."""
        return await self._replace(key, {"value": {"S": value}}, self.clock.now(), ttl)

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        """Add to a set, and return how many members it has."""
        if not members:
            return len(await self.members(key))
        name, added = coordination_name(key), {"SS": sorted(set(members))}

        async def add(now: float) -> int | None:
            changed = await self.table.update(
                name,
                run_id=run_of(key),
                UpdateExpression="ADD members :members SET expires_at = :expires_at, #ttl = :ttl",
                ConditionExpression=_LIVES,
                ExpressionAttributeNames={"#key": _KEY, "#ttl": "ttl"},
                ExpressionAttributeValues={":members": added, ":now": _number(now), **_expiry(now + ttl, ":")},
            )
            if not isinstance(changed, Refused):
                with readable(f"coordination key {key!r:.200}"):
                    return len(changed["members"]["SS"])
            begun = await self._replace(key, {"members": added}, now, ttl)
            return len(added["SS"]) if begun else None

        return await self._settle(key, add)

    async def members(self, key: str) -> frozenset[str]:
        """The members of a set."""
        return frozenset((await self._read(key)).get("members", {}).get("SS", ()))

    async def extend_ttl(self, key: str, value: str, *, ttl: float) -> bool:
        """Renew a key that has this value."""
        now = self.clock.now()
        changed = await self.table.update(
            coordination_name(key),
            run_id=run_of(key),
            urgent=True,
            UpdateExpression="SET expires_at = :expires_at, #ttl = :ttl",
            ConditionExpression="#value = :value AND expires_at > :now",
            ExpressionAttributeNames={"#value": "value", "#ttl": "ttl"},
            ExpressionAttributeValues={":value": {"S": value}, ":now": _number(now), **_expiry(now + ttl, ":")},
        )
        return not isinstance(changed, Refused)

    async def delete(self, key: str, *, value: str | None = None) -> None:
        """Remove a key; given a value, only if that is what it has."""
        condition: dict[str, Any] = {}
        if value is not None:
            condition = {
                "ConditionExpression": "#value = :value",
                "ExpressionAttributeNames": {"#value": "value"},
                "ExpressionAttributeValues": {":value": {"S": value}},
            }
        await self.table.delete(coordination_name(key), run_id=run_of(key), **condition)

    async def get(self, key: str) -> str | None:
        """The value of a key, or a counter's sum as text."""
        item = await self._read(key)
        with readable(f"coordination key {key!r:.200}"):
            if "value" in item:
                return str(item["value"]["S"])
            return str(int(item["count"]["N"])) if "count" in item else None

    async def _read(self, key: str) -> Item:
        item = await self.table.get(coordination_name(key), run_id=run_of(key)) or {}
        with readable(f"coordination key {key!r:.200}"):
            lives = "expires_at" in item and float(item["expires_at"]["N"]) > self.clock.now()
        return item if lives else {}

    async def _replace(self, key: str, content: Item, now: float, ttl: float) -> bool:
        """Write an item anew if there is none that lives; whether it was written."""
        refused = await self.table.put(
            {_KEY: {"S": coordination_name(key)}, **content, **_expiry(now + ttl)},
            run_id=run_of(key),
            knows_itself=False,
            ConditionExpression=_FREE,
            ExpressionAttributeNames={"#key": _KEY},
            ExpressionAttributeValues={":now": _number(now)},
        )
        return refused is None

    async def _settle(self, key: str, attempt: Callable[[float], Awaitable[T | None]]) -> T:
        """Try until neither of two conditions fails, one of which holds at any one time."""
        for _ in range(_TRIES):
            answer = await attempt(self.clock.now())
            if answer is not None:
                return answer
        raise TransientError(f"DynamoDB table {self.table_name!r}: the key {key!r:.200} changes too fast")


def _number(value: float) -> dict[str, str]:
    return {"N": repr(value)}


def _expiry(when: float, prefix: str = "") -> Item:
    return {f"{prefix}expires_at": _number(when), f"{prefix}ttl": {"N": str(math.ceil(when))}}

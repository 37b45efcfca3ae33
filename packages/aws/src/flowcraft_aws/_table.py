"""One DynamoDB table: single items, and many of them in as few requests as the service allows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from botocore.exceptions import ClientError
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.texts import require_text

from ._answers import guard
from ._calls import Calls
from ._errors import code_of
from .metrics import requests_of_this_call

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

#: An item, or a part of one, in the service's own notation: ``{"runId": {"S": "a"}}``.
Item: TypeAlias = dict[str, Any]

#: No run has this id, for those are not to begin with a colon, and no hint is called so.
NOBODYS = ":nobody's"

MAX_KEYS_READ = 100
_MAX_KEYS_WRITTEN = 25

# What a request leaves over is asked for again after a pause, which grows while it leaves over everything.
_FIRST_PAUSE = 0.05
_ROUNDS = 8


@attrs.frozen
class Refused:
    """A condition did not hold.

    Attributes:
        item: What stands; None if there is nothing, or the service does not say.
    """

    item: Item | None


class Table:
    """A table with a partition key and no sort key."""

    def __init__(self, client: DynamoDBClient, name: str, key: str, calls: Calls) -> None:
        """Use a table, which need not exist yet.

        Args:
            client: Makes the requests.
            name: The table's name.
            key: Its partition key, of type string.
            calls: Where the requests are made.
        """
        self.client = client
        self.name = name
        self.key = key
        self._calls = calls
        guard(client)
        self._place = f"DynamoDB table {name!r} in {client.meta.region_name}"

    async def check(self) -> None:
        """Find out whether the table can be used, by reading an item that nobody has.

        Raises:
            BackendError: It does not exist, may not be read, or has another key.
            TransientError: The service does not answer.
        """
        try:
            await self.get(NOBODYS)
        except BackendError as error:
            if isinstance(error.__cause__, ClientError) and code_of(error.__cause__) == "ValidationException":
                raise BackendError(
                    f"{self._place} has another key than {self.key!r}, of type string and without a sort key: use"
                    " another table, see flowcraft_aws.provision"
                ) from error.__cause__
            raise

    async def get(self, name: str, *, run_id: str = "") -> Item | None:
        """An item, as it was last written."""
        require_text(name)
        found = await self._calls.make(
            lambda: self.client.get_item(TableName=self.name, Key={self.key: {"S": name}}, ConsistentRead=True),
            self._place,
            run_id=run_id,
        )
        return found.get("Item")

    async def put(self, item: Item, *, run_id: str = "", knows_itself: bool = True, **condition: Any) -> Refused | None:
        """Write an item whole if a condition holds; None if it is written now.

        Args:
            item: The item.
            run_id: The run for which it is written.
            knows_itself: Whether a refusal says the same after the item was written by this very call, its answer was
                lost, and the SDK has made the request again; else that is a transient error.
            condition: As the SDK takes it.
        """
        require_text(item)
        return await self._unless_refused(
            lambda: self.client.put_item(
                TableName=self.name, Item=item, ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition
            ),
            run_id,
            knows_itself,
        )

    async def update(
        self,
        name: str,
        *,
        run_id: str = "",
        urgent: bool = False,
        knows_itself: bool = True,
        counts: bool = False,
        **change: Any,
    ) -> Refused | Item:
        """Change an item if a condition holds; the item as it is then if it is changed now.

        Args:
            name: The item.
            run_id: The run for which it is changed.
            urgent: Whether it is a heartbeat.
            knows_itself: Whether a refusal says the same after the change was made by this very call; see ``put``.
            counts: Whether the change is another one each time it is made: then one that the SDK has made again, and
                may have made twice, is a transient error.
            change: As the SDK takes it.
        """
        require_text(name)
        require_text(change.get("ExpressionAttributeValues"))

        def make() -> Refused | Item:
            answer = _or_refused(
                lambda: self.client.update_item(
                    TableName=self.name, Key={self.key: {"S": name}}, ReturnValues="ALL_NEW", **change
                )
            )
            if counts or (isinstance(answer, Refused) and not knows_itself):
                self._require_one_request()
            return answer if isinstance(answer, Refused) else dict(answer["Attributes"])

        return await self._calls.make(make, self._place, run_id=run_id, urgent=urgent)

    async def delete(self, name: str, *, run_id: str = "", **condition: Any) -> Refused | None:
        """Remove an item if a condition holds."""
        require_text(name)
        require_text(condition)
        return await self._unless_refused(
            lambda: self.client.delete_item(TableName=self.name, Key={self.key: {"S": name}}, **condition), run_id
        )

    async def get_many(self, names: Iterable[str], *, run_id: str) -> dict[str, Item]:
        """The items of those names, as they were last written; those that do not exist are left out."""
        unique = list(dict.fromkeys(names))
        if len(unique) == 1:  # the same price, and a smaller answer
            item = await self.get(unique[0], run_id=run_id)
            return {} if item is None else {unique[0]: item}
        parts = [unique[start : start + MAX_KEYS_READ] for start in range(0, len(unique), MAX_KEYS_READ)]
        found = await asyncio.gather(*(self._get_part(part, run_id) for part in parts))
        return {item[self.key]["S"]: item for items in found for item in items}

    async def delete_many(self, names: Sequence[str], *, run_id: str) -> None:
        """Remove the items of those names."""
        unique = list(dict.fromkeys(names))
        for start in range(0, len(unique), _MAX_KEYS_WRITTEN):
            left: Any = [
                {"DeleteRequest": {"Key": {self.key: {"S": name}}}}
                for name in unique[start : start + _MAX_KEYS_WRITTEN]
            ]
            rounds = _Rounds(self._place)
            while left:
                answer = await self._calls.make(
                    lambda left=left: self.client.batch_write_item(RequestItems={self.name: left}),  # type: ignore[misc]
                    self._place,
                    run_id=run_id,
                )
                unprocessed: Any = answer.get("UnprocessedItems", {})
                rest = unprocessed.get(self.name, [])
                await rounds.end(progress=len(rest) < len(left), left=len(rest))
                left = rest

    async def scan(self, **parameters: Any) -> Any:
        """One page of a scan, as the service answers it."""
        return await self._page(lambda: self.client.scan(TableName=self.name, **parameters))

    async def query(self, **parameters: Any) -> Any:
        """One page of a query, as the service answers it."""
        return await self._page(lambda: self.client.query(TableName=self.name, **parameters))

    async def _page(self, call: Callable[[], Any]) -> Any:
        def look() -> Any:
            answer = call()
            _ = answer["Items"]  # an answer without them says nothing, also not that there are none
            return answer

        return await self._calls.make(look, self._place)

    async def describe(self) -> Any:
        """What the table is like."""
        return await self._calls.make(lambda: self.client.describe_table(TableName=self.name)["Table"], self._place)

    async def _get_part(self, names: Sequence[str], run_id: str) -> list[Item]:
        """The items of at most a hundred names, in as many rounds as their bytes take."""
        keys: Any = [{self.key: {"S": name}} for name in names]
        found: list[Item] = []
        rounds = _Rounds(self._place)
        while keys:
            request = {self.name: {"Keys": keys, "ConsistentRead": True}}

            def look(request: Any = request) -> tuple[list[Item], Any]:
                answer: Any = self.client.batch_get_item(RequestItems=request)
                unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {})
                return answer["Responses"].get(self.name, []), unprocessed.get("Keys", [])

            items, keys = await self._calls.make(look, self._place, run_id=run_id)
            found += items
            await rounds.end(progress=bool(items), left=len(keys))
        return found

    def _require_one_request(self) -> None:
        """In the thread of a call: refuse an answer that may be about what the call itself has done before.

        Raises:
            TransientError: The SDK has made the request again.
        """
        if requests_of_this_call() > 1:
            raise TransientError(f"{self._place}: made again by the SDK, and maybe applied twice; ask what stands")

    async def _unless_refused(self, call: Any, run_id: str, knows_itself: bool = True) -> Refused | None:
        def make() -> Refused | None:
            answer = _or_refused(call)
            if isinstance(answer, Refused) and not knows_itself:
                self._require_one_request()
            return answer if isinstance(answer, Refused) else None

        return await self._calls.make(make, self._place, run_id=run_id)


class _Rounds:
    """Paces the rounds that a batch takes: at once as long as it gets on, with growing pauses while it does not."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._without_progress = 0

    async def end(self, *, progress: bool, left: int) -> None:
        """A round is over.

        Raises:
            TransientError: Nothing got on for too long.
        """
        if not left or progress:
            self._without_progress = 0
            return
        self._without_progress += 1
        if self._without_progress == _ROUNDS:
            raise TransientError(f"{self._place}: {left} items of a batch are throttled; raise the table's capacity")
        longest = _FIRST_PAUSE * 2**self._without_progress
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - so that clients do not return together


def _or_refused(call: Any) -> Any:
    """What a conditional call returns, or what stands if its condition did not hold."""
    try:
        return call()
    except ClientError as error:
        if code_of(error) != "ConditionalCheckFailedException":
            raise
        answer: Mapping[str, Any] = error.response
        return Refused(answer.get("Item") or None)


def is_absent(key: str) -> dict[str, Any]:
    """The condition that there is no item yet."""
    return {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": {"#key": key}}

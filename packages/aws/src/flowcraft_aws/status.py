"""Statuses of runs in a DynamoDB table, with or without an index on those that are due.

A status is an item with the run's id as its key, and with ``status`` and ``lastUpdated`` as people write them by hand.
"""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from flowcraft_core.durable.looks import LookLog
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import FinalState, Page, RunStatus, State
from flowcraft_core.reading import readable

from ._calls import Calls
from ._names import digest
from ._table import Item, Refused, Table, is_absent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_KEY = "runId"
#: The index: a run that is live is in one of so many shards, by its id, and in each sorted by when it is due.
INDEX = "due"
SHARD_KEY = "due_shard"
DUE_KEY = "next_check"
SHARDS = 8

#: A scan reads so many parts of the table at once, each in so many requests per page at most.
_SEGMENTS = 4
_SCANS_PER_PAGE = 10
#: How long a run that was begun by hand may lie before a reconciler looks at it, seconds.
BY_HAND_PATIENCE = 300.0
#: A reason is for people. It must fit into an item, with a dead letter's message; the queue takes back no longer one.
_MAX_REASON = 64 * 1024
_MAX_BODY = 256 * 1024
_CUT = "…"

#: Which shard or segment, and the key of the last item that was seen of it.
_Part: TypeAlias = tuple[int, Item | None]

_LIVE: tuple[State, ...] = ("running", "awaiting")


class DynamoDbStatusStore:
    """A ``flowcraft_core.ports.StatusStore`` in a table with the partition key ``runId``.

    With the index ``due`` what is due is queried, shard by shard; without it the table is scanned. Both are eventually
    consistent; a single status never is.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, calls: Calls, *, log: LookLog | None = None) -> None:
        """Use a table, which need not exist yet.

        Args:
            client: The client of DynamoDB.
            table_name: The table.
            calls: Makes the calls.
            log: Where items that cannot be read are told of; one of its own by default.
        """
        self._log = log or LookLog()
        self.table = Table(client, table_name, _KEY, calls)
        self._has_index: bool | None = None

    async def create(self, status: RunStatus) -> bool:
        """Store a status if the run has none."""
        item: Item = {
            _KEY: {"S": status.run_id},
            "status": {"S": status.state},
            "blueprint_id": {"S": status.blueprint_id},
            "created": {"S": _iso(status.created)},
            "lastUpdated": {"S": _iso(status.updated)},
            SHARD_KEY: {"S": _shard(status.run_id)},
        }
        if status.next_check is not None:
            item[DUE_KEY] = _number(status.next_check)
        if status.tags:
            item["tags"] = {"S": json.dumps(dict(status.tags), ensure_ascii=False)}
        if status.reason is not None:
            item["reason"] = {"S": _shortened(status.reason, _MAX_REASON)}
        if status.body is not None:
            item["body"] = {"S": _shortened(status.body, _MAX_BODY)}
        return await self.table.put(item, run_id=status.run_id, knows_itself=False, **is_absent(_KEY)) is None

    async def get(self, run_id: str) -> RunStatus | None:
        """A run's status, as it was last written."""
        item = await self.table.get(run_id, run_id=run_id)
        if item is None:
            return None
        with readable(f"the status item of run {run_id!r:.80}"):
            return _status(item)

    async def touch(
        self, run_id: str, *, at: float, next_check: float | None, state: Literal["running", "awaiting"] | None = None
    ) -> bool:
        """Set when a live run or a schedule is to be looked at, and how a run is reported; False if it is neither."""
        sets = ["lastUpdated = :at", "created = if_not_exists(created, :at)", f"{SHARD_KEY} = :shard"]
        values: Item = {":at": {"S": _iso(at)}, ":shard": {"S": _shard(run_id)}}
        removes = ""
        if next_check is None:
            removes = f" REMOVE {DUE_KEY}"
        else:
            sets.append(f"{DUE_KEY} = :next_check")
            values[":next_check"] = _number(next_check)
        if state is not None:
            sets.append("#status = :state")
            values[":state"] = {"S": state}
        states = _LIVE if state is not None else (*_LIVE, "schedule")
        return await self._change(run_id, f"SET {', '.join(sets)}{removes}", values, states)

    async def finish(self, run_id: str, state: FinalState, *, at: float, reason: str | None = None) -> bool:
        """End a live run; True to exactly one caller."""
        sets, removes = "#status = :state, lastUpdated = :at", DUE_KEY
        values: Item = {":state": {"S": state}, ":at": {"S": _iso(at)}}
        if reason is None:
            removes += ", reason"
        else:
            sets += ", reason = :reason"
            values[":reason"] = {"S": _shortened(reason, _MAX_REASON)}
        return await self._change(run_id, f"SET {sets} REMOVE {removes}", values, _LIVE, knows_itself=False)

    async def find(
        self, *, state: State, due_before: float | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page:
        """Statuses in a state, page by page."""
        if not 1 <= limit <= 1_000:
            raise ValueError(f"limit={limit} is out of range: DynamoDbStatusStore takes 1 to 1000")
        by_index = due_before is not None and await self.has_index()
        parts = _read_cursor(cursor, by_index)
        asked = parts[: min(_SEGMENTS, limit)]
        most = limit // len(asked)
        look = self._query if by_index else self._scan
        pages = await asyncio.gather(*(look(part, start, state, due_before, most) for part, start in asked))
        left: list[_Part] = [
            (part, start) for (part, _), (_, start) in zip(asked, pages, strict=True) if start is not None
        ]
        left += parts[len(asked) :]
        return Page([status for found, _ in pages for status in found], _write_cursor(left, by_index) if left else None)

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run whose status was written by hand, and names none."""
        await self.table.update(
            run_id,
            run_id=run_id,
            UpdateExpression="SET blueprint_id = :flow",
            ConditionExpression=(
                "attribute_exists(#key) AND (attribute_not_exists(blueprint_id) OR blueprint_id = :none)"
            ),
            ExpressionAttributeNames={"#key": _KEY},
            ExpressionAttributeValues={":flow": {"S": blueprint_id}, ":none": {"S": ""}},
        )

    async def delete(self, run_id: str) -> None:
        """Remove a run's status."""
        await self.table.delete(run_id, run_id=run_id)

    async def has_index(self) -> bool:
        """Whether the table has the index, as of the first time of asking."""
        if self._has_index is None:
            indexes = (await self.table.describe()).get("GlobalSecondaryIndexes", [])
            self._has_index = any(
                index["IndexName"] == INDEX and index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes
            )
        return self._has_index

    async def _change(
        self, run_id: str, expression: str, values: Item, states: Sequence[State], *, knows_itself: bool = True
    ) -> bool:
        """Change a status in one of these states; whether there was one."""
        changed = await self.table.update(
            run_id,
            run_id=run_id,
            knows_itself=knows_itself,
            UpdateExpression=expression,
            ConditionExpression=f"#status IN ({', '.join(f':is_{each}' for each in states)})",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={**values, **{f":is_{each}": {"S": each} for each in states}},
        )
        return not isinstance(changed, Refused)

    async def _query(
        self, shard: int, start: Item | None, state: State, due_before: float | None, most: int
    ) -> tuple[list[RunStatus], Item | None]:
        """A page of what is due in a shard of the index, and where the next one begins."""
        answer = await self.table.query(
            IndexName=INDEX,
            KeyConditionExpression=f"{SHARD_KEY} = :shard AND {DUE_KEY} <= :due",
            FilterExpression="#status = :state",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":shard": {"S": str(shard)},
                ":due": _number(due_before or 0.0),
                ":state": {"S": state},
            },
            Limit=most,
            **({"ExclusiveStartKey": start} if start else {}),
        )
        return _found(answer["Items"], self._log), answer.get("LastEvaluatedKey")

    async def _scan(
        self, segment: int, start: Item | None, state: State, due_before: float | None, most: int
    ) -> tuple[list[RunStatus], Item | None]:
        """A page of a segment of the table, and where the next one begins."""
        condition = "#status = :state"
        values: Item = {":state": {"S": state}}
        if due_before is not None:
            # What was written by hand has no time at which to look, and none at which it was created.
            condition += (
                f" AND ({DUE_KEY} <= :due OR (attribute_not_exists(created) AND attribute_not_exists({DUE_KEY})))"
            )
            values[":due"] = _number(due_before)
        found: list[Item] = []
        size = most
        for _ in range(_SCANS_PER_PAGE):
            answer = await self.table.scan(
                Segment=segment,
                TotalSegments=_SEGMENTS,
                Limit=size,
                FilterExpression=condition,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=values,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            items, start, room = answer["Items"], answer.get("LastEvaluatedKey"), most - len(found)
            found += items[:room]
            if len(items) > room:  # what is too much is read again, from the last one taken on
                start = {_KEY: found[-1][_KEY]}
            if start is None or len(found) == most:
                break
            if 2 * len(items) < size:  # few match: read more at once, as the price is by what is read
                size *= 2
        statuses = _found(found, self._log)
        if due_before is not None:
            statuses = [each for each in statuses if each.next_check is not None and each.next_check <= due_before]
        return statuses, start


def _found(items: Sequence[Item], log: LookLog) -> list[RunStatus]:
    """The statuses in items, but for those that cannot be read: they keep no others from being found."""
    found: list[RunStatus] = []
    for item in items:
        try:
            with readable(f"the status item {item.get(_KEY)!r:.200}"):
                found.append(_status(item))
        except BackendError as error:
            log.left_out(error)
    return found


def _status(item: Item) -> RunStatus:
    run_id, state = item[_KEY]["S"], item.get("status", {}).get("S")
    if state not in get_args(State):
        raise BackendError(
            f"the status item of run {run_id!r} has status={state!r}: write one of {', '.join(get_args(State))}"
        )
    updated = _seconds(item.get("lastUpdated"))
    next_check = item.get(DUE_KEY)
    # What was written by hand has no time at which it was created, and is due if nobody has looked at it for a while.
    by_hand = "created" not in item
    return RunStatus(
        run_id=run_id,
        state=state,
        blueprint_id=item.get("blueprint_id", {}).get("S", ""),
        created=updated if by_hand else _seconds(item["created"]),
        updated=updated,
        next_check=float(next_check["N"])
        if next_check is not None
        else (updated + BY_HAND_PATIENCE if by_hand and state in ("running", "awaiting") else None),
        tags=json.loads(item["tags"]["S"]) if "tags" in item else {},
        reason=item.get("reason", {}).get("S"),
        body=item.get("body", {}).get("S"),
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(attribute: Mapping[str, Any] | None) -> float:
    """The time that an attribute gives; long ago, if people have written something else there."""
    try:
        when = datetime.fromisoformat((attribute or {})["S"])
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (KeyError, ValueError, OverflowError):
        return 0.0


def _number(value: float) -> dict[str, str]:
    return {"N": repr(value)}


def _shortened(text: str, most: int) -> str:
    """A text, of which no more than so many bytes are left."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: most - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _shard(run_id: str) -> str:
    return str(zlib.crc32(run_id.encode()) % SHARDS)


def _write_cursor(parts: list[_Part], by_index: bool) -> str:
    text = json.dumps(["index" if by_index else "scan", parts])
    return base64.urlsafe_b64encode(f"{digest(text)[:8]}{text}".encode()).decode()


def _read_cursor(cursor: str | None, by_index: bool) -> list[_Part]:
    """Where the parts of a search go on: shards or segments, each with the key of the item before."""
    if cursor is None:
        return [(part, None) for part in range(SHARDS if by_index else _SEGMENTS)]
    try:
        decoded = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
        check, text = decoded[:8], decoded[8:]
        kind, parts = json.loads(text) if check == digest(text)[:8] else ("", [])
        if kind != ("index" if by_index else "scan") or not parts:
            raise ValueError(kind)
        return [(int(part), start) for part, start in parts]
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"cursor={cursor!r:.200} is none that DynamoDbStatusStore gave for this question") from error

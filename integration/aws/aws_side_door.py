"""What the emulators really hold, asked in their own words."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aws_emulators import Place, client
from flowcraft_core.ports import Fact, PositionedValue, RunStatus

_HIDDEN_TOO = {"ShowInvisible": "true", "ShowDelayed": "true"}


class AwsSideDoor:
    """See ``SideDoor``: a scan of the tables, and LocalStack's page of a queue's messages."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def messages(self) -> Sequence[str]:
        """See ``SideDoor``."""
        return await asyncio.to_thread(_bodies, self._place)

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        """See ``SideDoor``."""
        return await self._items(
            run_id, "fact", lambda item: Fact(item["body"]["B"], item["writer"]["S"], item.get("job", {"S": ""})["S"])
        )

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        """See ``SideDoor``."""
        return await self._items(
            run_id, "value", lambda item: PositionedValue(item["position"]["S"], item.get("body", {"B": None})["B"])
        )

    async def status(self, run_id: str) -> RunStatus | None:
        """See ``SideDoor``."""
        dynamodb = client("dynamodb", self._place.dynamodb_url)
        for item in await asyncio.to_thread(_scan, dynamodb, self._place.statuses):
            if item["runId"]["S"] == run_id:
                return RunStatus(
                    run_id=run_id,
                    state=item["status"]["S"],
                    blueprint_id=item["blueprint_id"]["S"],
                    created=datetime.fromisoformat(item["created"]["S"]).timestamp(),
                    updated=datetime.fromisoformat(item["lastUpdated"]["S"]).timestamp(),
                    next_check=float(item["next_check"]["N"]) if "next_check" in item else None,
                    tags=json.loads(item.get("tags", {"S": "{}"})["S"]),
                    reason=item.get("reason", {"S": None})["S"],
                    body=item.get("body", {"S": None})["S"],
                )
        return None

    async def _items(self, run_id: str, kind: str, read: Callable[[Any], Any]) -> dict[str, Any]:
        dynamodb = client("dynamodb", self._place.dynamodb_url)
        found: dict[str, Any] = {}
        for item in await asyncio.to_thread(_scan, dynamodb, self._place.contexts):
            run, its_kind, name = item["runId"]["S"].split("#", 2)
            if urllib.parse.unquote(run) == run_id and its_kind.rstrip("~") == kind:
                found[item["long_key"]["S"] if "long_key" in item else name] = read(item)
        return found


def _scan(dynamodb: Any, table: str) -> list[Any]:
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def _bodies(place: Place) -> list[str]:
    query = urllib.parse.urlencode({"QueueUrl": place.queue_url, **_HIDDEN_TOO})
    address = urllib.parse.urlsplit(place.sqs_url).netloc
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("GET", f"/_aws/sqs/messages?{query}", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"LocalStack does not list the messages of {place.queue_url}: {content}")
    messages = content["ReceiveMessageResponse"]["ReceiveMessageResult"] or {"Message": []}
    found = messages["Message"]
    return [message["Body"] for message in (found if isinstance(found, list) else [found])]

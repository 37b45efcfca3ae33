"""The backend of the scenarios on SQS and DynamoDB, in real time that runs faster."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import aws_emulators
from aws_emulators import Place, client, proxied
from boto3.dynamodb.types import TypeSerializer
from flowcraft_core import ports
from flowcraft_testkit.contracts import FastClock
from hastened import Hastened
from on_emulators import OnEmulators

_LONGEST_DELAY = 20.0


class OnAws(OnEmulators):
    """On a queue and tables of this check's own, in LocalStack's SQS and moto's DynamoDB."""

    name = "aws"
    late = 50.0
    hour = 40.0
    day = 120.0
    options: ClassVar[Mapping[str, Any]] = {"poll": 20.0, "reconcile_interval": 15.0}
    moments: ClassVar[Iterable[int]] = (3, 7)

    def __init__(self) -> None:
        super().__init__()
        sqs, dynamodb = emulators()
        self.place = Place.create(sqs=sqs, dynamodb=dynamodb)

    def connect(self) -> ports.Backend:
        """See ``Durable``."""
        return hastened(self.place, self.clock, self.longest_visibility)

    def stand_between(self) -> None:
        """See ``Durable``."""
        self.place, self.proxies = self.standing.enter_context(proxied(self.place))

    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """See ``Durable``."""
        when = datetime.fromtimestamp(self.clock.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self._write(self.place.contexts, {"runId": run_id, "context": dict(context)})
        await self._write(self.place.statuses, {"runId": run_id, "status": "running", "lastUpdated": when})

    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """See ``Durable``; of messages SQS takes none but text."""
        status = {"status": "running", "due_shard": "0", "next_check": Decimal(1), "lastUpdated": "now", "tags": "{}"}
        odd: tuple[dict[str, Any], ...] = (
            *({"tags": "no json"}, {"tags": 5}, {"tags": "[1]"}, {"created": "yesterday"}, {"lastUpdated": 5}),
            *({"status": 5}, {"next_check": "soon"}, {"reason": {"a": 1}}, {"blueprint_id": None}),
        )
        for number, change in enumerate(odd):
            await self._write(self.place.statuses, {"runId": f"odd {number}", **status, **change}, index=False)
        contexts = {"no json": "no json", "deep": "[" * 50_000, "a list": [1], "a number": 5, "binary": {"a": b"x"}}
        for run_id, context in contexts.items():
            await self._write(self.place.contexts, {"runId": run_id, "context": context})
        return 0, tuple(contexts)

    async def _write(self, table: str, item: Mapping[str, Any], *, index: bool = True) -> None:
        serializer, dynamodb = TypeSerializer(), client("dynamodb", self.place.dynamodb_url)
        marshalled = {name: serializer.serialize(value) for name, value in item.items()}
        try:
            await asyncio.to_thread(dynamodb.put_item, TableName=table, Item=marshalled)
        except dynamodb.exceptions.ClientError:
            if index:
                raise
            # What does not fit into an index is refused by the service itself.

    async def lose_messages(self) -> None:
        """See ``Durable``."""
        sqs = client("sqs", self.place.sqs_url)
        await asyncio.to_thread(sqs.purge_queue, QueueUrl=self.place.queue_url)

    async def lose_coordination(self) -> None:
        """See ``Durable``."""

        def empty() -> None:
            dynamodb = client("dynamodb", self.place.dynamodb_url)
            for page in dynamodb.get_paginator("scan").paginate(TableName=self.place.coordination):
                for item in page["Items"]:
                    dynamodb.delete_item(TableName=self.place.coordination, Key={"key": item["key"]})

        await asyncio.to_thread(empty)


def hastened(place: Place, clock: FastClock, max_visibility: float | None = None) -> Hastened:
    """A backend on a clock that is faster than its queue's; not yet open."""
    return Hastened(place.backend(clock=clock), clock, max_delay=_LONGEST_DELAY, max_visibility=max_visibility)


@functools.cache
def emulators() -> tuple[str, str]:
    """The addresses of SQS and DynamoDB; started when they are first asked for."""
    return _running.enter_context(aws_emulators.localstack()).url, _running.enter_context(aws_emulators.moto()).url


_running = contextlib.ExitStack()


def end_emulators() -> None:
    """End what ``emulators`` started."""
    _running.close()
    emulators.cache_clear()

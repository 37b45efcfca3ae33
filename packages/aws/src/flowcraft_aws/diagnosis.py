"""Looks at a queue, tables and permissions on AWS, and says what is wrong with them; nothing is changed by it.

Whether something may be done is found out by calls that can do nothing: writes under a condition that never holds,
deletes of what is not there, a batch of no messages. What is refused as such was allowed to be asked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from flowcraft_core.diagnosis import clock_skew
from flowcraft_core.ports import Finding

from . import symptoms
from ._asking import Asking, Refusal
from ._calls import Calls
from ._layout import INDEX_KEY, LEAST_RECEIVES, MAX_RECEIVES, PROJECTION, RETENTION, VISIBILITY, TableLayout
from ._table import NOBODYS
from .queue import SqsJobQueue
from .status import DUE_KEY, INDEX, SHARD_KEY

if TYPE_CHECKING:
    from .s3 import S3PayloadStore

#: A condition that holds for nothing.
_NEVER = "attribute_exists(#key) AND attribute_not_exists(#key)"
#: Tables are of use in these states.
_USABLE = ("ACTIVE", "UPDATING")
_IN_URL = re.compile(r"//(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.(?:queue\.)?")


@attrs.frozen
class DiagnosedTable:
    """A table, and what it has to be like.

    Attributes:
        client: A client of DynamoDB.
        layout: What it has to be like.
    """

    client: Any
    layout: TableLayout

    @property
    def place(self) -> str:
        """What it is called in messages."""
        return f"DynamoDB table {self.layout.name!r}"


@attrs.define
class _Report:
    """What has come out so far.

    Attributes:
        found: What is wrong.
        missing: Tables that are not there.
        denied: What is not allowed, and has to be.
        unseen: What is not allowed, and was only to be looked at.
    """

    found: list[Finding] = attrs.field(factory=list)
    missing: list[str] = attrs.field(factory=list)
    denied: list[str] = attrs.field(factory=list)
    unseen: list[str] = attrs.field(factory=list)

    def findings(self, region: str) -> list[Finding]:
        """All of it: what has one cause is one finding, as one policy that lacks something for several tables."""
        found = list(self.found)
        if self.missing:
            found.append(symptoms.TABLE_MISSING.found(names=", ".join(map(repr, self.missing)), region=region))
        if self.denied:
            found.append(symptoms.PERMISSION.found(actions="; ".join(self.denied)))
        elif self.unseen:
            found.append(symptoms.UNSEEN.found(actions="; ".join(self.unseen)))
        # Credentials are those of the program: what one service says of them goes for all.
        first = next((each for each in found if each.code == symptoms.CREDENTIALS.code), None)
        return [each for each in found if each is first or each.code != symptoms.CREDENTIALS.code]


async def examine(
    sqs: Any, queue_urls: Sequence[str], tables: Sequence[DiagnosedTable], payloads: S3PayloadStore | None
) -> list[Finding]:
    """What is wrong; asked in whichever event loop.

    Args:
        sqs: The client of SQS.
        queue_urls: The queues, the one that there is in any case first.
        tables: The tables.
        payloads: Where long values go, if they go there.
    """
    asking, report = Asking(Calls(8)), _Report()
    here = sqs.meta.region_name
    elsewhere = {url: region for url in queue_urls if (region := _region_of(url)) not in (None, here)}
    parts = [_of_tables(asking, tables, report), _of_bucket(asking, payloads, report)]
    await asyncio.gather(*parts, *(_of_queue(asking, sqs, url, report) for url in queue_urls if url not in elsewhere))
    for url, region in elsewhere.items():
        report.found.append(symptoms.REGION.found(url=url, region=region, asked=here))
    if queue_urls[0] in elsewhere:
        report.missing.clear()  # in the wrong region there are no tables either
    found = report.findings(tables[0].client.meta.region_name if tables else here)
    return list(dict.fromkeys([*found, *clock_skew(asking.readings)]))


def _region_of(queue_url: str) -> str | None:
    """The region that a queue's URL names, where it does."""
    named = _IN_URL.search(queue_url)
    return None if named is None else named[1]


# --- the queue --------------------------------------------------------------------------------------------------------


async def _of_queue(asking: Asking, sqs: Any, url: str, report: _Report) -> None:
    place, action = f"SQS queue {url!r}", "sqs:GetQueueAttributes"
    try:
        if "://" not in url:  # its name
            action = "sqs:GetQueueUrl"
            url = (await asking.ask(sqs, "get_queue_url", place, QueueName=url))["QueueUrl"]
            action = "sqs:GetQueueAttributes"
        answer = await asking.ask(sqs, "get_queue_attributes", place, QueueUrl=url, AttributeNames=["All"])
    except Refusal as refusal:
        if "NonExistentQueue" in refusal.code or "QueueDoesNotExist" in refusal.code:
            report.found.append(symptoms.QUEUE_MISSING.found(url=url, region=sqs.meta.region_name))
            return
        if not refusal.is_denied:
            report.found.append(refusal.finding)
            return
        report.denied.append(f"{action} on {place}")
        if "://" not in url:
            return  # without its URL, nothing more can be asked
    else:
        report.found += _of_attributes(answer.get("Attributes", {}), url)
    receipt: Any = {"QueueUrl": url, "ReceiptHandle": "flowcraft-doctor"}
    # More than a queue gives, so that it gives nothing; some stand-ins take 0 for 1.
    nothing: Any = {"QueueUrl": url, "MaxNumberOfMessages": 11, "VisibilityTimeout": 0, "WaitTimeSeconds": 0}
    probes: Mapping[str, tuple[str, Any]] = {
        "sqs:ChangeMessageVisibility": ("change_message_visibility", {**receipt, "VisibilityTimeout": 0}),
        "sqs:DeleteMessage": ("delete_message", receipt),
        "sqs:ReceiveMessage": ("receive_message", nothing),
        "sqs:SendMessage": ("send_message_batch", {"QueueUrl": url, "Entries": []}),
    }
    await _of_probes(asking, sqs, place, probes, report)


def _of_attributes(attributes: Mapping[str, str], url: str) -> Iterator[Finding]:
    if (seconds := int(attributes.get("VisibilityTimeout", VISIBILITY))) < VISIBILITY:
        yield symptoms.QUEUE_VISIBILITY.found(url=url, seconds=seconds, wanted=VISIBILITY)
    if (kept := int(attributes.get("MessageRetentionPeriod", RETENTION))) < RETENTION:
        yield symptoms.QUEUE_RETENTION.found(url=url, days=kept / 86_400, wanted=RETENTION)
    longest = SqsJobQueue.limits.max_body_bytes
    if (most := int(attributes.get("MaximumMessageSize", longest))) < longest:
        yield symptoms.QUEUE_MESSAGE_SIZE.found(url=url, most=most, wanted=longest)
    receives = int(json.loads(attributes.get("RedrivePolicy") or "{}").get("maxReceiveCount", MAX_RECEIVES))
    if receives < LEAST_RECEIVES:
        yield symptoms.QUEUE_REDRIVE.found(url=url, receives=receives, wanted=MAX_RECEIVES)


# --- the tables -------------------------------------------------------------------------------------------------------


async def _of_tables(asking: Asking, tables: Sequence[DiagnosedTable], report: _Report) -> None:
    names = [table.layout.name for table in tables]
    if len(set(names)) < len(names):
        report.found.append(symptoms.TABLES_SHARED.found(names=", ".join(map(repr, names))))
        return
    for table in tables:
        try:
            answer = await asking.ask(table.client, "describe_table", table.place, TableName=table.layout.name)
        except Refusal as refusal:
            if "ResourceNotFound" in refusal.code:
                report.missing.append(table.layout.name)
            elif refusal.is_denied:
                report.unseen.append(f"dynamodb:DescribeTable on {table.place}")
                await _of_rights(asking, table, report, is_indexed=table.layout.is_indexed)
            else:
                report.found.append(refusal.finding)
                return  # so it is with all of them
        else:
            await _of_table(asking, table, answer["Table"], report)


async def _of_table(asking: Asking, table: DiagnosedTable, made: Any, report: _Report) -> None:
    layout = table.layout
    types = {each["AttributeName"]: each["AttributeType"] for each in made.get("AttributeDefinitions", [])}
    if made["KeySchema"] != layout.key_schema or types.get(layout.key, "S") != "S":
        key = ", ".join(f"{each['AttributeName']!r} ({types.get(each['AttributeName'])})" for each in made["KeySchema"])
        report.found.append(symptoms.TABLE_KEY.found(name=layout.name, key=key, wanted=layout.key))
        return
    if made["TableStatus"] not in _USABLE:
        report.found.append(symptoms.TABLE_NOT_ACTIVE.found(name=layout.name, state=made["TableStatus"]))
        return
    indexes = [index for index in made.get("GlobalSecondaryIndexes", []) if index["IndexName"] == INDEX]
    report.found += _of_index(layout, indexes) if layout.is_indexed else ()
    if layout.expires_by is not None or layout.is_indexed:
        try:
            answer = await asking.ask(table.client, "describe_time_to_live", table.place, TableName=layout.name)
            report.found += _of_expiry(layout, answer.get("TimeToLiveDescription", {}))
        except Refusal as refusal:
            if refusal.is_denied:
                report.unseen.append(f"dynamodb:DescribeTimeToLive on {table.place}")
    await _of_rights(asking, table, report, is_indexed=bool(indexes))


def _of_index(layout: TableLayout, indexes: Sequence[Any]) -> Iterator[Finding]:
    if not indexes:
        yield symptoms.INDEX_MISSING.found(name=layout.name, index=INDEX)
    for index in indexes:
        key, projection = index["KeySchema"], index.get("Projection", {}).get("ProjectionType", PROJECTION)
        if key != INDEX_KEY:
            what = (
                f"the key {', '.join(repr(part['AttributeName']) for part in key)}, and not {SHARD_KEY!r}, {DUE_KEY!r}"
            )
            yield symptoms.INDEX_WRONG.found(name=layout.name, index=INDEX, what=what)
        elif projection != PROJECTION:
            what = f"the projection {projection}, and not {PROJECTION}"
            yield symptoms.INDEX_WRONG.found(name=layout.name, index=INDEX, what=what)
        elif (state := index.get("IndexStatus", "ACTIVE")) not in _USABLE:
            yield symptoms.INDEX_NOT_ACTIVE.found(name=layout.name, index=INDEX, state=state)


def _of_expiry(layout: TableLayout, described: Mapping[str, Any]) -> Iterator[Finding]:
    is_on = described.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    attribute = described.get("AttributeName") if is_on else None
    if layout.expires_by is not None and attribute != layout.expires_by:
        what = f"expires by {attribute!r}, which nothing in it has" if is_on else "does not expire"
        yield symptoms.EXPIRY_OFF.found(name=layout.name, what=what, wanted=layout.expires_by)
    if layout.expires_by is None and attribute == DUE_KEY:
        yield symptoms.EXPIRY_OF_RUNS.found(name=layout.name, attribute=attribute)


# --- permissions ------------------------------------------------------------------------------------------------------


async def _of_rights(asking: Asking, table: DiagnosedTable, report: _Report, *, is_indexed: bool) -> None:
    name, key = table.layout.name, {table.layout.key: {"S": NOBODYS}}
    one: Any = {"TableName": name, "Key": key}
    never: Any = {"ConditionExpression": _NEVER, "ExpressionAttributeNames": {"#key": table.layout.key}}
    due: Any = {
        "KeyConditionExpression": f"{SHARD_KEY} = :shard",
        "ExpressionAttributeValues": {":shard": {"S": NOBODYS}},
    }
    calls: dict[str, tuple[str, Any]] = {
        "BatchGetItem": ("batch_get_item", {"RequestItems": {name: {"Keys": [key]}}}),
        "BatchWriteItem": ("batch_write_item", {"RequestItems": {name: [{"DeleteRequest": {"Key": key}}]}}),
        "DeleteItem": ("delete_item", {**one, **never}),
        "GetItem": ("get_item", one),
        "PutItem": ("put_item", {"TableName": name, "Item": key, **never}),
        "Query": ("query", {"TableName": name, "IndexName": INDEX, "Limit": 1, **due}),
        "Scan": ("scan", {"TableName": name, "Limit": 1}),
        "UpdateItem": ("update_item", {**one, **never, "UpdateExpression": "REMOVE nothing"}),
    }
    asked = [action for action in table.layout.used_by if action != "Query" or is_indexed]
    await _of_probes(asking, table.client, table.place, {f"dynamodb:{each}": calls[each] for each in asked}, report)


async def _of_probes(
    asking: Asking, client: Any, place: str, probes: Mapping[str, tuple[str, Any]], report: _Report
) -> None:
    """Note what is not allowed; any answer but that says that it is."""

    async def is_denied(method: str, parameters: Any) -> bool:
        try:
            await asking.ask(client, method, place, **parameters)
        except Refusal as refusal:
            return refusal.is_denied
        return False

    answers = await asyncio.gather(*(is_denied(*probe) for probe in probes.values()))
    if denied := [action for action, no in zip(probes, answers, strict=True) if no]:
        report.denied.append(f"{', '.join(denied)} on {place}")


# --- the bucket -------------------------------------------------------------------------------------------------------


async def _of_bucket(asking: Asking, payloads: S3PayloadStore | None, report: _Report) -> None:
    if payloads is None:
        return
    name = payloads.name_of(NOBODYS, NOBODYS, NOBODYS)
    try:
        await asking.ask(payloads.client, "get_object", payloads.place, Bucket=payloads.bucket, Key=name)
    except Refusal as refusal:
        if refusal.code == "NoSuchBucket":
            report.found.append(symptoms.BUCKET_MISSING.found(name=payloads.bucket))
        # Where the bucket may not be listed, what is not there may not be read either: that says nothing.
        elif refusal.code != "NoSuchKey" and not refusal.is_denied:
            report.found.append(refusal.finding)

"""``SqsAdapter`` and what belongs to it, as its users have it."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import attrs
import boto3
import pytest
from aws_emulators import Place, add_index, client
from flowcraft_aws import DynamoDbContext, DynamoDbCoordinationStore, SqsAdapter, create_sqs_reconciler
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.errors import BackendError, ConfigurationError, ResumeError


async def _one(ctx: NodeContext) -> int:
    return 1


async def _double(ctx: NodeContext) -> int:
    doubled: int = ctx.input * 2
    await ctx.context.set("doubled", doubled)
    return doubled


async def _first(ctx: NodeContext) -> int:
    first: int = await ctx.context.get("first")
    return first


def _chain() -> FlowBuilder:
    return create_flow("chain").node("a", _first).node("b", _double).edge("a", "b")


def _adapter(place: Place, *flows: FlowBuilder, **options: Any) -> SqsAdapter:
    return place.adapter(FlowRuntime(flows or [_chain()]), **{"poll": 1.0, **options})


# --- workers and clients ----------------------------------------------------------------------------------------------


def test_a_program_that_is_not_async_works_in_the_background(place: Place) -> None:
    adapter = _adapter(place)
    adapter.start()
    try:
        started = adapter.sync_client.start("chain", {"first": 4})
        result = adapter.sync_client.wait(started.run_id, timeout=60)
    finally:
        adapter.stop()
    assert (result.status, result.outputs) == ("completed", {"a": 4, "b": 8})
    of_run = adapter.metrics.of_run(started.run_id)
    assert of_run["dynamodb.PutItem"] == 5  # its record, its status, two outcomes, a context value
    assert sum(of_run.values()) <= sum(adapter.metrics.requests.values())


async def test_a_program_that_is_async_serves_in_its_own_loop(place: Place) -> None:
    adapter = _adapter(place)
    async with adapter:
        serving = asyncio.ensure_future(adapter.serve())
        started = await adapter.client.start("chain", {"first": 1})
        assert (await adapter.client.wait(started.run_id, timeout=60)).outputs["b"] == 2
        adapter.stop()
        await serving


def test_a_fifo_queue_is_refused_when_the_adapter_is_made(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="FIFO"):
        SqsAdapter(
            runtime=FlowRuntime([_chain()]),
            coordination_store=DynamoDbCoordinationStore(client("dynamodb", place.dynamodb_url), place.coordination),
            sqs_client=client("sqs", place.sqs_url),
            dynamodb_client=client("dynamodb", place.dynamodb_url),
            queue_url=f"{place.queue_url}.fifo",
        )


@pytest.mark.parametrize("emulator", ["moto", "dynalite"])
async def test_what_cannot_be_used_is_told_when_the_adapter_is_opened(
    localstack: str, request: pytest.FixtureRequest, emulator: str
) -> None:
    there = Place.create(sqs=localstack, dynamodb=request.getfixturevalue(emulator))
    sorted_table = f"{there.contexts}-sorted"
    client("dynamodb", there.dynamodb_url).create_table(
        TableName=sorted_table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("runId", "time")],
        KeySchema=[{"AttributeName": "runId", "KeyType": "HASH"}, {"AttributeName": "time", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    mistaken = attrs.evolve(there, contexts=sorted_table, statuses=there.coordination, coordination="missing")
    with pytest.raises(BackendError) as caught:
        await _adapter(mistaken).__aenter__()
    contexts, statuses, coordination = str(caught.value).splitlines()
    for told, name in ((contexts, sorted_table), (statuses, there.coordination)):
        assert f"{name!r} in us-east-1 has another key than 'runId'" in told
    assert "'missing' in us-east-1" in coordination
    assert "create the table" in coordination
    with pytest.raises(BackendError, match=r"nobodys-queue.*create the queue"):
        await _adapter(attrs.evolve(there, queue_url=f"{localstack}/000000000000/nobodys-queue")).__aenter__()


# --- by hand ----------------------------------------------------------------------------------------------------------


async def test_a_run_begun_with_two_items_and_a_message_per_start_node_completes(place: Place) -> None:
    """Without anything of this package: an item each for context and status, and messages to the queue."""
    flow = create_flow("by-hand").node("left", _first).node("right", _one).node("join", _join)
    flow.edge("left", "join").edge("right", "join")
    run_id = "by-hand-1"
    resource: Any = boto3.resource(
        "dynamodb",
        endpoint_url=place.dynamodb_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    resource.Table(place.contexts).put_item(Item={"runId": run_id, "context": {"first": 20, "tags": ["a"]}})
    when = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    resource.Table(place.statuses).put_item(Item={"runId": run_id, "status": "running", "lastUpdated": when})
    entries = [
        {
            "Id": f"{run_id}-{node}",
            "MessageBody": json.dumps({"runId": run_id, "blueprintId": "by-hand", "nodeId": node}),
        }
        for node in ("left", "right")
    ]
    client("sqs", place.sqs_url).send_message_batch(QueueUrl=place.queue_url, Entries=entries)
    adapter = _adapter(place, flow)
    async with adapter:
        serving = asyncio.ensure_future(adapter.serve())
        result = await adapter.client.wait(run_id, timeout=60)
        assert (result.status, result.outputs) == ("completed", {"left": 20, "right": 1, "join": 21})
        assert result.context == {"first": 20, "tags": ["a"]}
        adapter.stop()
        await serving
    item = resource.Table(place.statuses).get_item(Key={"runId": run_id}, ConsistentRead=True)["Item"]
    assert item["status"] == "completed"
    assert item["lastUpdated"] > when


async def _join(ctx: NodeContext) -> int:
    total: int = sum(ctx.input.values())
    return total


# --- reconciling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indexed", [False, True])
async def test_a_reconciler_brings_on_runs_whose_messages_were_lost(place: Place, indexed: bool) -> None:
    if indexed:
        add_index(place)
    adapter = _adapter(place, reconcile=False)
    reconciler = create_sqs_reconciler(
        adapter=adapter,
        dynamodb_client=client("dynamodb", place.dynamodb_url),
        status_table_name=place.statuses,
        stalled_threshold_seconds=0,
    )
    async with adapter:
        backend = adapter.new_backend()
        started = [await adapter.client.start("chain", {"first": number}) for number in range(3)]
        client("sqs", place.sqs_url).purge_queue(QueueUrl=place.queue_url)
        assert (await reconciler.run()).scanned_items == 0  # none is due yet
        async with backend:
            now = time.time()
            for each in started:
                await backend.status.touch(each.run_id, at=now - 60, next_check=now - 30)
        patient = create_sqs_reconciler(
            adapter=adapter,
            dynamodb_client=client("dynamodb", place.dynamodb_url),
            status_table_name=place.statuses,
            stalled_threshold_seconds=300,
        )
        stats = await patient.run()
        assert (stats.scanned_items, stats.reconciled_runs, stats.recent_runs) == (3, 0, 3)
        stats = await reconciler.run()
        assert (stats.scanned_items, stats.reconciled_runs, stats.revived_runs, stats.errors) == (3, 3, 3, 0)
        serving = asyncio.ensure_future(adapter.serve())
        for number, each in enumerate(started):
            assert (await adapter.client.wait(each.run_id, timeout=60)).outputs["b"] == number * 2
        adapter.stop()
        await serving
    if indexed:  # of those that have ended it has none
        assert client("dynamodb", place.dynamodb_url).scan(TableName=place.statuses, IndexName="due")["Count"] == 0


# --- the context from outside -----------------------------------------------------------------------------------------


async def test_the_context_of_a_run_can_be_read_and_changed_from_outside(place: Place) -> None:
    flow = create_flow("waits").node("a", _first).wait("w").node("b", _double)
    flow.edge("a", "w").edge("w", "b")
    adapter = _adapter(place, flow)
    async with adapter:
        serving = asyncio.ensure_future(adapter.serve())
        started = await adapter.client.start(flow, {"first": 3, "other": [1, 2]})
        async with adapter.context(started.run_id) as context:
            assert isinstance(context, DynamoDbContext)
            assert await context.get("first") == 3
            assert await context.get("none", "default") == "default"
            await context.set("note", {"deep": [None, 1.5]})
            await context.patch({"first": 4, "more": None}, delete=["other"])
            assert await context.has("more") is True
            assert await context.has("other") is False
            assert await context.to_dict() == {"first": 4, "more": None, "note": {"deep": [None, 1.5]}}
            await context.delete("note")
            await _resume(adapter.client, started.run_id)
            result = await adapter.client.wait(started.run_id, timeout=60)
            assert result.outputs["b"] == 14
            assert result.context == {"first": 3, "other": [1, 2], "doubled": 14}  # what follows from the run alone
            assert await context.to_dict() == {"doubled": 14, "first": 4, "more": None}
            await context.set("doubled", 0)  # it is the last word, and not the run's
            assert await context.get("doubled") == 0
            assert (await adapter.client.result(started.run_id)).context["doubled"] == 14
        await adapter.client.purge(started.run_id)
        adapter.stop()
        await serving
    left = client("dynamodb", place.dynamodb_url).scan(TableName=place.contexts)["Items"]
    assert [item["runId"]["S"] for item in left if started.run_id in item["runId"]["S"]] == []


async def _resume(a_client: Client, run_id: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            return await a_client.resume(run_id, "w", output=7)
        except ResumeError:  # it was not reached yet
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


# --- Lambda -----------------------------------------------------------------------------------------------------------


class _LambdaContext:
    def __init__(self, seconds: float = 60.0) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1_000)


def _invoke(adapter: SqsAdapter, place: Place, seconds: float = 60.0) -> dict[str, Any] | None:
    """What Lambda does with a queue: receive, call the handler, and delete what it did not give back."""
    sqs = client("sqs", place.sqs_url)
    received = sqs.receive_message(
        QueueUrl=place.queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=2,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        MessageAttributeNames=["All"],
    )
    messages = received.get("Messages", [])
    if not messages:
        return None
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        }
        for message in messages
    ]
    answer = adapter.lambda_handler({"Records": records}, _LambdaContext(seconds))
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    for message in messages:
        if message["MessageId"] not in failed:
            sqs.delete_message(QueueUrl=place.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return answer


def test_runs_complete_in_lambda_with_clients_kept_between_invocations(place: Place) -> None:
    flow = create_flow("fan").node("a", _one).node("b", _one).node("c", _one).node("d", _join)
    flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")
    adapter = _adapter(place, flow)
    started = adapter.sync_client.start(flow)
    invocations = 0
    while (answer := _invoke(adapter, place)) is not None:
        assert answer == {"batchItemFailures": []}
        invocations += 1
    assert invocations >= 2
    assert adapter.sync_client.wait(started.run_id, timeout=5).outputs["d"] == 2
    for body in ("no job", "x" * 1_000_000):
        client("sqs", place.sqs_url).send_message(QueueUrl=place.queue_url, MessageBody=body)
        assert _invoke(adapter, place) == {"batchItemFailures": []}  # set aside, with its reason
    letters = sorted(adapter.sync_client.dead_letters(), key=lambda letter: len(letter.body or ""))
    assert letters[0].body == "no job"
    assert (letters[1].body or "").startswith("xxx")
    assert all(letter.reason for letter in letters)
    adapter.sync_client.send_back(letters[1].run_id)
    assert _invoke(adapter, place) == {"batchItemFailures": []}  # also what was cut can be sent back
    counts = adapter.reconcile_handler({}, None)
    assert counts["scanned"] == 0
    adapter.stop()


def test_a_step_that_never_fits_into_an_invocation_fails_by_name(place: Place) -> None:
    flow = create_flow("slow").node("slow", _one, timeout=120)
    adapter = _adapter(place, flow)
    started = adapter.sync_client.start(flow)
    end = time.monotonic() + 90
    while adapter.sync_client.status(started.run_id).state == "running":
        assert time.monotonic() < end, "the run does not end"
        _invoke(adapter, place, seconds=10)
    result = adapter.sync_client.wait(started.run_id, timeout=5)
    assert result.status == "failed"
    assert "slow" in str(result.errors) + str(result.reason)
    adapter.stop()

from typing import Any

import attrs
import pytest
from flowcraft_aws import DynamoDbContextStore, DynamoDbCoordinationStore, DynamoDbStatusStore, SqsJobQueue
from flowcraft_aws._table import Refused, Table, is_absent
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact, PositionedValue, RunStatus

from .helpers import RefusalError, Service, service


def table_of(dynamodb: Service) -> Table:
    return Table(dynamodb.client, "contexts", "runId", dynamodb.calls)


def keys_of(parameters: dict[str, Any]) -> list[str]:
    return [key["runId"]["S"] for key in parameters["RequestItems"]["contexts"]["Keys"]]


async def test_what_a_batch_leaves_over_is_asked_for_again() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        keys = keys_of(parameters)
        given, left = keys[:7], keys[7:]
        return {
            "Responses": {"contexts": [{"runId": {"S": key}} for key in given]},
            "UnprocessedKeys": {"contexts": {"Keys": [{"runId": {"S": key}} for key in left]}} if left else {},
        }

    dynamodb = service("dynamodb", answer)
    names = [f"key {place}" for place in range(20)]
    assert (await table_of(dynamodb).get_many([*names, "key 0"], run_id="run")).keys() == set(names)
    assert [len(keys_of(parameters)) for parameters in dynamodb.parameters("BatchGetItem")] == [20, 13, 6]
    assert all(
        parameters["RequestItems"]["contexts"]["ConsistentRead"] for parameters in dynamodb.parameters("BatchGetItem")
    )


async def test_many_keys_are_read_a_hundred_at_a_time_and_one_by_itself() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": {"contexts": []}} if operation == "BatchGetItem" else {}

    dynamodb = service("dynamodb", answer)
    table = table_of(dynamodb)
    assert await table.get_many([f"key {place}" for place in range(250)], run_id="run") == {}
    assert sorted(len(keys_of(parameters)) for parameters in dynamodb.parameters("BatchGetItem")) == [50, 100, 100]
    assert await table.get_many(["key"], run_id="run") == {}
    assert dynamodb.parameters("GetItem")[0]["ConsistentRead"] is True


async def test_a_batch_that_does_not_get_on_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowcraft_aws._table._FIRST_PAUSE", 0.0)

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        name = "UnprocessedKeys" if operation == "BatchGetItem" else "UnprocessedItems"
        return {"Responses": {"contexts": []}, name: parameters["RequestItems"]}

    table = table_of(service("dynamodb", answer))
    with pytest.raises(TransientError, match="2 items of a batch are throttled"):
        await table.get_many(["a", "b"], run_id="run")
    with pytest.raises(TransientError, match="2 items of a batch are throttled"):
        await table.delete_many(["a", "b"], run_id="run")


async def test_what_a_deletion_leaves_over_is_asked_for_again() -> None:
    gone: set[str] = set()

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        requests = parameters["RequestItems"]["contexts"]
        gone.update(request["DeleteRequest"]["Key"]["runId"]["S"] for request in requests[:20])
        return {"UnprocessedItems": {"contexts": requests[20:]} if requests[20:] else {}}

    dynamodb = service("dynamodb", answer)
    names = [f"key {place}" for place in range(30)]
    await table_of(dynamodb).delete_many(names, run_id="run")
    assert gone == set(names)
    sizes = [len(each["RequestItems"]["contexts"]) for each in dynamodb.parameters("BatchWriteItem")]
    assert sizes == [25, 5, 5]


async def test_a_condition_that_does_not_hold_is_an_answer() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ConditionalCheckFailedException", Item={"runId": {"S": "a"}})

    dynamodb = service("dynamodb", answer)
    refused = await table_of(dynamodb).put({"runId": {"S": "a"}}, **is_absent("runId"))
    assert refused == Refused({"runId": {"S": "a"}})
    assert dynamodb.metrics.requests == {"dynamodb.PutItem": 1}


# --- what the stores ask of it ---


async def test_a_second_writer_is_given_the_fact_that_stands_by_the_one_request() -> None:
    standing = {"runId": {"S": "run#fact#a"}, "body": {"B": "b25l"}, "writer": {"S": "first"}, "job": {"S": "job"}}

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ConditionalCheckFailedException", Item=standing)

    dynamodb = service("dynamodb", answer)
    store = DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls)
    assert await store.put("run", "a", Fact(b"two", "second")) == Fact(b"one", "first", "job")
    assert [operation for operation, _ in dynamodb.sent] == ["PutItem"]


async def test_a_writer_whose_answer_was_lost_is_told_by_its_own_fact() -> None:
    """The SDK tries again by itself, and its second try finds what the first has written: that is not known at once."""
    items: dict[str, Any] = {}

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        key = parameters["Item"]["runId"]["S"]
        if key in items:
            raise RefusalError("ConditionalCheckFailedException", Item=items[key])
        items[key] = parameters["Item"]
        raise RefusalError("InternalServerError", 500)

    dynamodb = service("dynamodb", answer, attempts=2)
    store = DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls)
    fact = Fact(b"one", "me")
    with pytest.raises(TransientError, match="made again by the SDK"):
        await store.put("run", "a", fact)
    assert await store.put("run", "a", fact) == fact
    assert dynamodb.metrics.requests == {"dynamodb.PutItem": 3}
    assert dynamodb.metrics.retries == {"dynamodb.PutItem": 1}
    assert dynamodb.metrics.of_run("run") == {"dynamodb.PutItem": 3}


async def test_a_context_value_is_one_conditional_write() -> None:
    dynamodb = service("dynamodb", lambda *_: {})
    store = DynamoDbContextStore(dynamodb.client, "contexts", dynamodb.calls)
    await store.apply("run", {"a": PositionedValue("1", b"x"), "b": PositionedValue("1", None)})
    assert sorted(item["Item"]["runId"]["S"] for item in dynamodb.parameters("PutItem")) == [
        "run#value#a",
        "run#value#b",
    ]


async def test_a_join_is_one_request_with_the_size_in_its_answer() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"members": {"SS": ["0", "1"]}}}

    dynamodb = service("dynamodb", answer)
    store = DynamoDbCoordinationStore(dynamodb.client, "coordination", calls=dynamodb.calls)
    assert await store.add_members("join", "1", ttl=60) == 2
    assert [operation for operation, _ in dynamodb.sent] == ["UpdateItem"]
    assert "ADD members" in dynamodb.sent[0][1]["UpdateExpression"]


async def test_a_status_that_people_wrote_can_be_read() -> None:
    item = {"runId": {"S": "r"}, "status": {"S": "running"}, "lastUpdated": {"S": "2025-06-01T10:00:00.500Z"}}
    dynamodb = service("dynamodb", lambda *_: {"Item": item})
    store = DynamoDbStatusStore(dynamodb.client, "statuses", dynamodb.calls)
    when = 1_748_772_000.5
    assert await store.get("r") == RunStatus(
        run_id="r", state="running", blueprint_id="", created=when, updated=when, next_check=when + 300
    )


async def test_a_reason_that_is_too_long_is_cut_and_ends_the_run_all_the_same() -> None:
    dynamodb = service("dynamodb", lambda *_: {"Attributes": {}})
    store = DynamoDbStatusStore(dynamodb.client, "statuses", dynamodb.calls)
    assert await store.finish("r", "failed", at=1.0, reason="é" * 500_000) is True
    reason = dynamodb.parameters("UpdateItem")[0]["ExpressionAttributeValues"][":reason"]["S"]
    assert len(reason.encode()) < 100_000
    assert reason.endswith("é…")


async def test_a_dead_letter_that_is_longer_than_an_item_is_kept_as_far_as_it_can_be_sent_back() -> None:
    """A queue takes messages of 1 MiB from other programs; what cannot be kept would come again and again."""
    dynamodb = service("dynamodb", lambda *_: {})
    store = DynamoDbStatusStore(dynamodb.client, "statuses", dynamodb.calls)
    letter = RunStatus(run_id=":dead:1", state="dead", blueprint_id="", created=1.0, updated=1.0)
    letter = attrs.evolve(letter, reason="é" * 500_000, body="é" * 500_000)
    assert await store.create(letter) is True
    item = dynamodb.parameters("PutItem")[0]["Item"]
    body = item["body"]["S"]
    assert SqsJobQueue.limits.max_body_bytes - 3 <= len(body.encode()) <= SqsJobQueue.limits.max_body_bytes
    assert body.endswith("é…")
    assert len(body.encode()) + len(item["reason"]["S"].encode()) < 390_000


@pytest.mark.parametrize("has_index", [True, False])
async def test_what_is_due_is_queried_where_there_is_an_index_and_scanned_where_there_is_none(has_index: bool) -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeTable":
            indexes = [{"IndexName": "due", "IndexStatus": "ACTIVE"}] if has_index else []
            return {"Table": {"GlobalSecondaryIndexes": indexes}}
        return {"Items": []}

    dynamodb = service("dynamodb", answer)
    store = DynamoDbStatusStore(dynamodb.client, "statuses", dynamodb.calls)
    pages, cursor = 0, None
    while pages == 0 or cursor is not None:
        page = await store.find(state="running", due_before=5.0, cursor=cursor)
        pages, cursor = pages + 1, page.cursor
    asked = [operation for operation, _ in dynamodb.sent if operation != "DescribeTable"]
    assert asked == (["Query"] * 8 if has_index else ["Scan"] * 4)
    assert [operation for operation, _ in dynamodb.sent].count("DescribeTable") == 1


class Statuses:
    """A table of statuses, of which every so-manieth is in the state that is asked for; a scan reads it in order."""

    def __init__(self, number: int, every: int) -> None:
        self.read = 0
        self.matching = [f"{place:05}" for place in range(number) if place % every == 0]
        self._keys = [f"{place:05}" for place in range(number)]

    def answer(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["Segment"] != 0:
            return {"Items": []}
        start = parameters.get("ExclusiveStartKey", {"runId": {"S": ""}})["runId"]["S"]
        keys = [key for key in self._keys if key > start]
        page = keys[: parameters["Limit"]]
        self.read += len(page)
        items = [{"runId": {"S": key}, "status": {"S": "running"}} for key in page if key in self.matching]
        return {"Items": items, **({"LastEvaluatedKey": {"runId": {"S": page[-1]}}} if len(page) < len(keys) else {})}


@pytest.mark.parametrize("every", [1, 3, 50, 5_000])
async def test_a_scan_reads_little_more_than_it_gives_and_needs_few_requests(every: int) -> None:
    """Both are paid for: what is read twice, and each request that brings next to nothing."""
    number = 5_000
    statuses = Statuses(number, every)
    dynamodb = service("dynamodb", statuses.answer)
    store = DynamoDbStatusStore(dynamodb.client, "statuses", dynamodb.calls)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.find(state="running", cursor=cursor, limit=100)
        assert len(page.items) <= 100
        found += [status.run_id for status in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == statuses.matching
    assert statuses.read < 2.5 * number
    assert len(dynamodb.sent) < 2 * len(found) / 25 + 40

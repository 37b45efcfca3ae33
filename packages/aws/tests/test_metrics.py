from typing import Any

import pytest
from flowcraft_aws import DynamoDbCoordinationStore
from flowcraft_aws.metrics import watch
from flowcraft_core.errors import TransientError
from flowcraft_core.ids import new_id

from .helpers import RefusalError, service


async def test_what_the_sdk_sends_again_is_counted_apart() -> None:
    refusals = [RefusalError("ThrottlingException"), RefusalError("InternalServerError", 500)]

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if refusals:
            raise refusals.pop()
        return {}

    dynamodb = service("dynamodb", answer, attempts=3)
    get = lambda: dynamodb.client.get_item(TableName="t", Key={"key": {"S": "a"}})  # noqa: E731
    await dynamodb.calls.make(get, "table", run_id="run")
    await dynamodb.calls.make(get, "table")
    assert dynamodb.metrics.requests == {"dynamodb.GetItem": 4}
    assert dynamodb.metrics.retries == {"dynamodb.GetItem": 2}
    assert dynamodb.metrics.of_run("run") == {"dynamodb.GetItem": 3}
    assert dynamodb.metrics.of_run("other") == {}
    assert dynamodb.metrics.request_bytes["dynamodb.GetItem"] > 100


async def test_what_is_asked_beside_the_first_call_is_no_retry() -> None:
    dynamodb = service("dynamodb", lambda *_: {})

    def two() -> None:
        for key in "ab":
            dynamodb.client.get_item(TableName="t", Key={"key": {"S": key}})

    await dynamodb.calls.make(two, "table")
    assert dynamodb.metrics.requests == {"dynamodb.GetItem": 2}
    assert dynamodb.metrics.retries == {}


async def test_hints_are_counted_for_the_run_that_they_belong_to() -> None:
    dynamodb = service("dynamodb", lambda *_: {"Attributes": {"members": {"SS": ["0"]}}})
    store = DynamoDbCoordinationStore(dynamodb.client, "coordination", calls=dynamodb.calls)
    await store.add_members(f"join:order:7:{new_id()}:end:0.0", "0", ttl=1.0)
    await store.set_if_absent("reconciler", "me", ttl=1.0)  # nobody's
    assert dynamodb.metrics.of_run("order:7") == {"dynamodb.UpdateItem": 1}
    assert dynamodb.metrics.requests == {"dynamodb.UpdateItem": 1, "dynamodb.PutItem": 1}


async def test_a_call_that_fails_is_counted() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ThrottlingException")

    sqs = service("sqs", answer)
    with pytest.raises(TransientError):
        await sqs.calls.make(lambda: sqs.client.receive_message(QueueUrl="https://sqs/1/q"), "queue")
    assert sqs.metrics.requests == {"sqs.ReceiveMessage": 1}
    assert sqs.metrics.empty_receives == 0  # it was not answered


async def test_clients_are_shared_and_each_backend_counts_its_own() -> None:
    dynamodb = service("dynamodb", lambda *_: {})
    watch(dynamodb.client)  # a second time, for a second backend
    dynamodb.client.get_item(TableName="t", Key={"key": {"S": "a"}})  # somebody else's
    assert dynamodb.metrics.requests == {}
    await dynamodb.calls.make(lambda: dynamodb.client.get_item(TableName="t", Key={"key": {"S": "a"}}), "table")
    assert dynamodb.metrics.requests == {"dynamodb.GetItem": 1}

import json
from typing import Any

import pytest
from flowcraft_aws import provision
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError

from .helpers import RefusalError, Service, service


def active(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB with tables that are there already, as they should be."""
    key = "key" if parameters["TableName"] == "flowcraft-coordination" else "runId"
    match operation:
        case "CreateTable":
            raise RefusalError("ResourceInUseException")
        case "DescribeTable":
            return {
                "Table": {
                    "TableStatus": "ACTIVE",
                    "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                    "GlobalSecondaryIndexes": [{"IndexName": "due", "IndexStatus": "ACTIVE"}],
                }
            }
        case "DescribeTimeToLive":
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}
    raise AssertionError(f"{operation} would change what is there")


def queues(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    match operation:
        case "GetQueueUrl":
            return {"QueueUrl": f"https://sqs/1/{parameters['QueueName']}"}
        case "GetQueueAttributes":
            return {"Attributes": {"QueueArn": "arn:dead"} if parameters["QueueUrl"].endswith("-dead") else {}}
    return {}


def made(sqs: Service, dynamodb: Service, **options: Any) -> Any:
    return provision(sqs_client=sqs.client, dynamodb_client=dynamodb.client, **options)


def test_what_is_there_is_left_as_it_is() -> None:
    sqs = service("sqs", queues)
    there = made(sqs, service("dynamodb", active))
    assert there.queue_url == "https://sqs/1/flowcraft-jobs"
    assert there.dead_letter_queue_url == "https://sqs/1/flowcraft-jobs-dead"
    assert "CreateQueue" not in [operation for operation, _ in sqs.sent]
    (redrive,) = sqs.parameters("SetQueueAttributes")  # a queue without a dead-letter queue is given one
    assert json.loads(redrive["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"] == "arn:dead"


def test_a_dead_letter_queue_of_the_users_own_stays() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "GetQueueAttributes":
            return {"Attributes": {"RedrivePolicy": "theirs"}}
        return queues(operation, parameters)

    sqs = service("sqs", answer)
    made(sqs, service("dynamodb", active))
    assert sqs.parameters("SetQueueAttributes") == []


@pytest.mark.parametrize("index", [True, False])
def test_a_new_table_of_statuses_has_its_index_from_the_beginning(index: bool) -> None:
    """Given to a table later, it takes minutes."""

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {} if operation == "CreateTable" else active(operation, parameters)

    dynamodb = service("dynamodb", answer)
    made(service("sqs", queues), dynamodb, index=index)
    created = dynamodb.parameters("CreateTable")
    assert [table["TableName"] for table in created if "GlobalSecondaryIndexes" in table] == (
        ["flowcraft-statuses"] if index else []
    )


def test_a_table_with_another_key_is_refused_by_name() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        described = active(operation, parameters)
        if parameters["TableName"] == "flowcraft-statuses":
            described["Table"]["KeySchema"] = [{"AttributeName": "id", "KeyType": "HASH"}]
        return described

    with pytest.raises(BackendError, match=r"flowcraft-statuses.*'runId'"):
        made(service("sqs", queues), service("dynamodb", answer))


def test_a_table_that_expires_by_something_else_is_refused_by_name() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeTimeToLive":
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "gone_at"}}
        return active(operation, parameters)

    with pytest.raises(BackendError, match=r"flowcraft-coordination.*'gone_at'"):
        made(service("sqs", queues), service("dynamodb", answer))


def test_a_fifo_queue_is_refused_by_name() -> None:
    dynamodb = service("dynamodb", active)
    with pytest.raises(ConfigurationError, match=r"jobs\.fifo"):
        made(service("sqs", queues), dynamodb, queue_name="jobs.fifo")
    assert dynamodb.sent == []  # before anything is made


def test_a_service_that_does_not_answer_is_worth_another_try() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ThrottlingException")

    with pytest.raises(TransientError, match="flowcraft-jobs"):
        made(service("sqs", queues), service("dynamodb", answer))

from typing import Any

import pytest
from flowcraft_aws import provision
from flowcraft_core.errors import BackendError, TransientError

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
            return {"Attributes": {"QueueArn": "arn:dead"}}
    return {}


def made(sqs: Service, dynamodb: Service, **options: Any) -> Any:
    return provision(sqs_client=sqs.client, dynamodb_client=dynamodb.client, **options)


def test_what_is_there_is_left_as_it_is() -> None:
    sqs = service("sqs", queues)
    there = made(sqs, service("dynamodb", active))
    assert there.queue_url == "https://sqs/1/flowcraft-jobs"
    assert there.dead_letter_queue_url == "https://sqs/1/flowcraft-jobs-dead"
    assert "CreateQueue" not in [operation for operation, _ in sqs.sent]


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
    with pytest.raises(BackendError, match=r"jobs\.fifo"):
        made(service("sqs", queues), service("dynamodb", active), queue_name="jobs.fifo")


def test_a_service_that_does_not_answer_is_worth_another_try() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ThrottlingException")

    with pytest.raises(TransientError, match="flowcraft-jobs"):
        made(service("sqs", queues), service("dynamodb", answer))

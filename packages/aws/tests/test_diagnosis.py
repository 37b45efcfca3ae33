"""What no emulator can show to the doctor; all else is tried on them."""

from typing import Any

import pytest
from flowcraft_aws import AwsBackend
from flowcraft_aws.diagnosis import _region_of
from flowcraft_aws.provisioning import provision

from .helpers import Answer, RefusalError, service

URL = "https://sqs.eu-west-1.amazonaws.com/1/jobs"
QUEUE = {"VisibilityTimeout": "360", "MessageRetentionPeriod": "1209600", "RedrivePolicy": '{"maxReceiveCount":"100"}'}


def of_sqs(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A queue as ``provision`` makes it; whatever else is asked is allowed, and refused for what it is."""
    if operation == "GetQueueAttributes":
        return {"Attributes": QUEUE}
    raise RefusalError("InvalidParameterValue")


def of_dynamodb(**changed: Any) -> Answer:
    """Tables as ``provision`` makes them, with changes to that of statuses."""
    made: dict[str, dict[str, Any]] = {}

    def note(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "CreateTable":
            made[parameters["TableName"]] = {**parameters, "TableStatus": "ACTIVE"}
        if operation == "DescribeTable":
            return {"Table": made[parameters["TableName"]]}
        return {}

    def queues(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": URL, "Attributes": {"QueueArn": "arn"}}

    provision(sqs_client=service("sqs", queues).client, dynamodb_client=service("dynamodb", note).client)
    made["flowcraft-statuses"] |= changed

    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "DescribeTable":
                return {"Table": made[parameters["TableName"]]}
            case "DescribeTimeToLive" if parameters["TableName"] == "flowcraft-coordination":
                return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}
            case "PutItem" | "UpdateItem" | "DeleteItem":
                assert "attribute_not_exists" in parameters["ConditionExpression"], "it could write"
                raise RefusalError("ConditionalCheckFailedException")
        return {}

    return answer


async def found(dynamodb: Answer, sqs: Answer = of_sqs) -> list[tuple[str, str]]:
    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", sqs).client, dynamodb_client=service("dynamodb", dynamodb).client
    )
    return [(each.code, each.problem) for each in await backend.diagnose()]


async def test_what_is_as_provision_makes_it_has_no_findings() -> None:
    assert await found(of_dynamodb()) == []


@pytest.mark.parametrize("state", ["CREATING", "DELETING", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVED"])
async def test_a_table_that_is_no_use_yet_or_any_more_is_named(state: str) -> None:
    ((code, problem),) = await found(of_dynamodb(TableStatus=state))
    assert code == "AWS-TABLE-NOT-ACTIVE"
    assert state in problem


async def test_an_index_that_is_being_made_is_named() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answered = of_dynamodb()(operation, parameters)
        for index in answered.get("Table", {}).get("GlobalSecondaryIndexes", []):
            index["IndexStatus"] = "CREATING"
        return answered

    ((code, problem),) = await found(answer)
    assert code == "AWS-INDEX-NOT-ACTIVE"
    assert "'due'" in problem


async def test_credentials_that_no_service_takes_are_one_finding() -> None:
    def refuse(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("UnrecognizedClientException")

    ((code, _),) = await found(refuse, refuse)
    assert code == "AWS-CREDENTIALS"


async def test_what_is_allowed_nowhere_is_one_finding_that_lists_it() -> None:
    def refuse(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("AccessDeniedException")

    ((code, problem),) = await found(refuse, refuse)
    assert code == "AWS-PERMISSION"
    for action in ("sqs:GetQueueAttributes", "sqs:SendMessage", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"):
        assert action in problem


async def test_what_is_refused_for_another_reason_is_told_as_it_is() -> None:
    def refuse(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("SubscriptionRequiredException")

    ((code, problem),) = await found(refuse)
    assert code == "AWS-UNUSABLE"
    assert "SubscriptionRequiredException" in problem


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (URL, "eu-west-1"),
        ("https://us-gov-west-1.queue.amazonaws.com/1/jobs", "us-gov-west-1"),
        ("http://sqs.us-east-1.localhost.localstack.cloud:4566/0/jobs", "us-east-1"),
        ("http://127.0.0.1:4566/0/jobs", None),
        ("https://queue.amazonaws.com/1/jobs", None),
        ("https://vpce-1-abc.sqs.eu-west-1.vpce.amazonaws.com/1/jobs", None),
    ],
)
def test_a_queues_url_may_name_its_region(url: str, region: str | None) -> None:
    assert _region_of(url) == region

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flowcraft_aws import AwsBackend, DynamoDbCoordinationStore, client_config
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError

from .helpers import URL, RefusalError, service


def nothing(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {}


async def test_a_queue_that_is_not_there_is_told_when_the_backend_is_opened() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("QueueDoesNotExist")

    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", answer).client, dynamodb_client=service("dynamodb", nothing).client
    )
    for _ in range(2):  # and it can be tried again
        with pytest.raises(BackendError, match=f"{URL}.*provision"):
            await backend.open()
    await backend.close()


async def test_all_tables_that_cannot_be_used_are_told_when_the_backend_is_opened() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        match parameters["TableName"]:
            case "contexts":
                raise RefusalError("ResourceNotFoundException")
            case "statuses":  # with another key, or a sort key
                raise RefusalError("ValidationException")
        return {}

    backend = AwsBackend(
        queue_url=URL,
        context_table_name="contexts",
        status_table_name="statuses",
        sqs_client=service("sqs", nothing).client,
        dynamodb_client=service("dynamodb", answer).client,
    )
    with pytest.raises(BackendError) as caught:
        await backend.open()
    missing, other_key = str(caught.value).splitlines()
    assert re.match(r"DynamoDB table 'contexts' in eu-west-1: .*NotFound.*: create the table, .*provision", missing)
    assert re.match("DynamoDB table 'statuses' in eu-west-1 has another key than 'runId'", other_key)


async def test_a_queue_and_tables_that_are_missing_are_told_at_once() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("QueueDoesNotExist" if operation == "GetQueueAttributes" else "ResourceNotFoundException")

    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", answer).client, dynamodb_client=service("dynamodb", answer).client
    )
    with pytest.raises(BackendError) as caught:
        await backend.open()
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "SQS queue 'https",
        *(f"DynamoDB table 'flowcraft-{table}' in eu-west-1" for table in ("contexts", "statuses", "coordination")),
    ]


async def test_a_service_that_does_not_answer_when_the_backend_is_opened_is_worth_another_try() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("ThrottlingException")

    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", nothing).client, dynamodb_client=service("dynamodb", answer).client
    )
    with pytest.raises(TransientError, match="flowcraft-contexts"):
        await backend.open()


def test_a_program_without_a_region_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(BackendError, match=r"'sqs'.*AWS_DEFAULT_REGION"):
        AwsBackend(queue_url=URL)


@pytest.mark.parametrize("url", ["", None])
def test_a_url_that_is_missing_is_told(url: Any) -> None:
    sqs, dynamodb = service("sqs", nothing), service("dynamodb", nothing)
    with pytest.raises(ConfigurationError, match="queue_url is missing"):
        AwsBackend(queue_url=url, sqs_client=sqs.client, dynamodb_client=dynamodb.client)


async def test_a_fifo_queue_with_another_name_is_refused_when_the_backend_is_opened() -> None:
    def answer(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"FifoQueue": "true"}}

    backend = AwsBackend(
        queue_url=URL, sqs_client=service("sqs", answer).client, dynamodb_client=service("dynamodb", nothing).client
    )
    with pytest.raises(ConfigurationError, match="FIFO"):
        await backend.open()


async def test_the_coordination_store_that_is_given_is_used_with_its_client_and_table() -> None:
    sqs, facts, hints = service("sqs", nothing), service("dynamodb", nothing), service("dynamodb", nothing)
    backend = AwsBackend(
        queue_url=URL,
        sqs_client=sqs.client,
        dynamodb_client=facts.client,
        coordination_store=DynamoDbCoordinationStore(client=hints.client, table_name="hints"),
    )
    async with backend:
        await backend.coordination.get("key")
    keys = [parameters["Key"]["key"]["S"] for parameters in hints.parameters("GetItem")]
    assert {parameters["TableName"] for parameters in hints.parameters("GetItem")} == {"hints"}
    assert keys == [":nobody's", "key"]
    assert "hints" not in [parameters["TableName"] for parameters in facts.parameters("GetItem")]
    assert backend.metrics.requests["dynamodb.GetItem"] == 4  # with the look at each of the three tables


async def test_clients_that_were_given_stay_open_and_a_backend_can_be_opened_again() -> None:
    sqs, dynamodb = service("sqs", nothing), service("dynamodb", nothing)
    backend = AwsBackend(queue_url=URL, sqs_client=sqs.client, dynamodb_client=dynamodb.client)
    for _ in range(2):
        async with backend:
            assert await backend.status.get("run") is None
        with pytest.raises(BackendError, match="not open"):
            await backend.status.get("run")
    read = [parameters["Key"].get("runId", {}).get("S") for parameters in dynamodb.parameters("GetItem")]
    assert read.count("run") == 2


def test_the_settings_of_clients_leave_time_for_a_long_poll() -> None:
    config: Any = client_config(threads=5)
    assert config.read_timeout > 20
    assert config.max_pool_connections == 5
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_programs_find_the_backend_by_name() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["flowcraft.backends"]["aws"].partition(":")
    assert getattr(import_module(module), name) is AwsBackend


class Odd:
    """None of boto3's clients."""


@pytest.mark.parametrize(
    ("argument", "given", "said"),
    [
        ("sqs_client", Odd(), r"sqs_client is .*Odd: give a client as boto3.client\('sqs'"),
        ("dynamodb_client", Odd(), r"dynamodb_client is .*Odd: give a client as boto3.client\('dynamodb'"),
        ("sqs_client", service("dynamodb", nothing).client, "sqs_client is .*DynamoDB, a client of 'dynamodb'"),
        ("dynamodb_client", service("sqs", nothing).client, "dynamodb_client is .*SQS, a client of 'sqs'"),
    ],
)
def test_what_is_no_client_of_the_service_is_refused_by_its_class(argument: str, given: Any, said: str) -> None:
    clients = {"sqs_client": service("sqs", nothing).client, "dynamodb_client": service("dynamodb", nothing).client}
    with pytest.raises(ConfigurationError, match=said):
        AwsBackend(queue_url=URL, **{**clients, argument: given})


async def test_one_table_for_contexts_and_statuses_is_refused_when_the_backend_is_opened() -> None:
    backend = AwsBackend(
        queue_url=URL,
        context_table_name="runs",
        status_table_name="runs",
        sqs_client=service("sqs", nothing).client,
        dynamodb_client=service("dynamodb", nothing).client,
    )
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"contexts, statuses .*'runs', 'runs'.*table of its own"):
            await backend.open()

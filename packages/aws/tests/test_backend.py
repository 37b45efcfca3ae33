import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flowcraft_aws import AwsBackend, DynamoDbCoordinationStore, client_config
from flowcraft_core.errors import BackendError, ConfigurationError

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
    assert [parameters["TableName"] for parameters in hints.parameters("GetItem")] == ["hints"]
    assert facts.sent == []
    assert backend.metrics.requests["dynamodb.GetItem"] == 1


async def test_clients_that_were_given_stay_open_and_a_backend_can_be_opened_again() -> None:
    sqs, dynamodb = service("sqs", nothing), service("dynamodb", nothing)
    backend = AwsBackend(queue_url=URL, sqs_client=sqs.client, dynamodb_client=dynamodb.client)
    for _ in range(2):
        async with backend:
            assert await backend.status.get("run") is None
        with pytest.raises(BackendError, match="not open"):
            await backend.status.get("run")
    assert len(dynamodb.parameters("GetItem")) == 2


def test_the_settings_of_clients_leave_time_for_a_long_poll() -> None:
    config: Any = client_config(threads=5)
    assert config.read_timeout > 20
    assert config.max_pool_connections == 5
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_programs_find_the_backend_by_name() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["flowcraft.backends"]["aws"].partition(":")
    assert getattr(import_module(module), name) is AwsBackend

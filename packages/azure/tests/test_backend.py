"""Opening a backend says all that is wrong, on a server that knows a queue and no database, or neither."""

from __future__ import annotations

import re
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureBackend
from flowcraft_azure._clients import is_open
from flowcraft_core.errors import BackendError

from .servers import ACCOUNT, Answer, serving

MISSING_QUEUE: Answer = (404, {"x-ms-error-code": "QueueNotFound"}, "<Error />")
MISSING: Answer = (404, {}, {"code": "NotFound", "message": "none"})


def container(path: str) -> Answer:
    return 200, {}, {"id": "c", "_rid": "r", "_self": "s", "partitionKey": {"paths": [path], "kind": "Hash"}}


async def test_all_that_is_missing_is_told_at_once_and_nothing_stays_open() -> None:
    answers = {"jobs": [MISSING_QUEUE], "account": [ACCOUNT], "contexts": [MISSING], "statuses": [container("/id")]}
    clients: list[CosmosClient] = []
    async with serving(**answers) as url:

        def cosmos_client() -> CosmosClient:
            clients.append(CosmosClient(url, "a2V5", enable_endpoint_discovery=False))
            return clients[-1]

        backend = AzureBackend(
            queue_client=lambda: QueueClient(f"{url}/account", "jobs", credential="a2V5"),
            cosmos_client=cosmos_client,
            cosmos_database_name="db",
        )
        for _ in range(2):  # and it can be tried again
            with pytest.raises(BackendError) as caught:
                await backend.open()
            queue, contexts, statuses = str(caught.value).splitlines()
            assert re.match("queue 'jobs': status 404: QueueNotFound: create the queue: .*provision", queue)
            assert re.match("Cosmos DB, container db/contexts: status 404: .*provision", contexts)
            assert re.match("container db/statuses is partitioned by /id: .*/runId", statuses)
        with pytest.raises(BackendError, match="queue_client is not open"):
            await backend.queue.receive(max_messages=1, wait=0, visibility=30)
    assert len(clients) == 2
    assert not any(is_open(client) for client in clients)


class NoIdentity:
    """A credential as on a machine where nobody is logged in."""

    async def get_token(self, *scopes: str, **options: object) -> object:
        raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token.\nAttempted credentials:")

    async def close(self) -> None: ...

    async def __aenter__(self) -> NoIdentity:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_program_without_an_identity_is_told_what_to_give_it() -> None:
    identity: Any = NoIdentity()
    backend = AzureBackend(
        queue_client=lambda: QueueClient("https://127.0.0.1:1/account", "jobs", credential=identity),
        cosmos_client=lambda: CosmosClient("https://127.0.0.1:1", identity),
        cosmos_database_name="db",
    )
    with pytest.raises(BackendError) as caught:
        await backend.open()
    queue, database = str(caught.value).splitlines()
    remedy = r"DefaultAzureCredential failed to retrieve a token\. Give the program an identity \(az login"
    assert re.match(f"queue 'jobs': {remedy}", queue)
    assert re.match(f"Cosmos DB, database 'db': {remedy}", database)


async def test_a_key_that_was_copied_in_part_is_told() -> None:
    backend = AzureBackend(
        queue_client=lambda: QueueClient("https://127.0.0.1:1/account", "jobs", credential="a2V5a"),
        cosmos_client=lambda: CosmosClient("https://127.0.0.1:1", "a2V5a"),
        cosmos_database_name="db",
    )
    with pytest.raises(BackendError) as caught:
        await backend.open()
    queue, database = str(caught.value).splitlines()
    assert re.match("queue 'jobs': .*base64.*whole connection string", queue)
    assert re.match("Cosmos DB, database 'db': the account's key is not base64", database)

"""Creates what the backend needs, where it is missing: for development, tests, and those who have no templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from azure.core.exceptions import ResourceExistsError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient

from . import _cosmos_errors, _queue_errors
from ._clients import Connection
from ._cosmos import PARTITION_KEY_PATH, cosmos_connection, require_two_containers
from ._layout import EACH_BY_ITSELF, contexts, statuses
from .queue import ONCE, queue_connection


async def provision(
    *,
    queue_client: QueueClient | Callable[[], QueueClient],
    queue_clients: Mapping[str, QueueClient | Callable[[], QueueClient]] | None = None,
    cosmos_client: CosmosClient | Callable[[], CosmosClient],
    cosmos_database_name: str,
    context_container_name: str = "contexts",
    status_container_name: str = "statuses",
    throughput: int | None = None,
) -> None:
    """Create the queue, the database and its two containers, each if it is missing; what is there stays as it is.

    Needs an account key for Cosmos DB: tokens may read and write documents, but not create containers. In production
    let the templates of ``deploy/azure`` do this.

    Args:
        queue_client: A client of the storage queue, or a function that makes one.
        queue_clients: Likewise of further ones, by name.
        cosmos_client: A client of the Cosmos DB account, or a function that makes one.
        cosmos_database_name: The database.
        context_container_name: The container of facts and context values.
        status_container_name: The container of statuses.
        throughput: Request units per second of each container that is created; by default the account's, which is 400,
            or none if the account is serverless.

    Raises:
        ConfigurationError: One container was given for both.
        BackendError: A service refuses: the message says which.
        TransientError: A service does not answer.
    """
    require_two_containers(context_container_name, status_container_name)
    for given in (queue_client, *(queue_clients or {}).values()):
        await _create_queue(queue_connection(given))
    cosmos = cosmos_connection(cosmos_client)
    async with _cosmos_errors.translated(f"database {cosmos_database_name!r}"):
        await cosmos.open()
    try:
        async with _cosmos_errors.translated(f"database {cosmos_database_name!r}"):
            database = await cosmos.client.create_database_if_not_exists(cosmos_database_name)
        for layout in (contexts(context_container_name), statuses(status_container_name)):
            async with _cosmos_errors.translated(f"container {cosmos_database_name}/{layout.name}"):
                await database.create_container_if_not_exists(
                    layout.name,
                    PartitionKey(PARTITION_KEY_PATH),
                    indexing_policy=layout.indexing,
                    default_ttl=EACH_BY_ITSELF,
                    offer_throughput=throughput,
                )
    finally:
        await cosmos.close()


async def _create_queue(queue: Connection[QueueClient]) -> None:
    await queue.open()
    try:
        async with _queue_errors.translated(queue.client.queue_name):
            try:
                await queue.client.create_queue(**ONCE)
            except ResourceExistsError as error:
                if not _queue_errors.says_exists(error):
                    raise
    finally:
        await queue.close()

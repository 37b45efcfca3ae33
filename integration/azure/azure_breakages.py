"""Queues, containers, Redis, credentials and ways to Azure that are broken on purpose, on emulators."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import azure_emulators
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.storage.queue import QueueSasPermissions, TextBase64EncodePolicy, generate_queue_sas
from azure.storage.queue.aio import QueueClient
from azure_emulators import Emulators
from breakage import Breakages
from flowcraft_azure import AzureBackend, AzureSettings, RedisCoordinationStore
from flowcraft_azure.symptoms import SYMPTOMS
from flowcraft_core.diagnosis import CLOCK_SKEW
from flowcraft_core.ports import Backend
from places import Place
from proxy import OTHER_HOUR, Proxy
from redis.asyncio import Redis
from servers import free_port

BREAKAGES = Breakages({symptom.code for symptom in (*SYMPTOMS, CLOCK_SKEW)})

_CHANGED: Mapping[str, Any] = {"indexingMode": "consistent", "automatic": True}
_STATUS_PATHS = ("runId", "status", "nextCheck", "lastUpdated")


@contextlib.asynccontextmanager
async def ground() -> AsyncIterator[Emulators]:
    """Queue Storage, Cosmos DB and Redis, for all breakages."""
    with azure_emulators.emulators() as running:
        yield running


@contextlib.asynccontextmanager
async def place(ground: Emulators) -> AsyncIterator[Place]:
    """A queue, a database and a prefix of its own for each breakage, as ``provision`` makes them."""
    made = Place(ground)
    await made.create()
    yield made
    with contextlib.suppress(Exception):  # of what was broken, some may be gone
        await made.remove()


@contextlib.asynccontextmanager
async def healthy(place: Place) -> AsyncIterator[Backend]:
    """A backend that nothing is wrong with."""
    yield place.backend()


# --- the queue --------------------------------------------------------------------------------------------------------


@BREAKAGES.found_as("AZURE-QUEUE-MISSING", "flowcraft-")
async def the_queue_is_deleted(place: Place) -> AsyncIterator[Backend]:
    async with place.emulators.queue_client(place.name) as queue:
        await queue.delete_queue()
    yield place.backend()


@BREAKAGES.found_as("AZURE-QUEUE-ENCODING", "message_encode_policy", "TextBase64EncodePolicy")
async def the_client_encodes_messages(place: Place) -> AsyncIterator[Backend]:
    connection = place.emulators.storage_connection_string
    policy = TextBase64EncodePolicy()
    yield _backend(
        place,
        queue_client=lambda: QueueClient.from_connection_string(connection, place.name, message_encode_policy=policy),
    )


@BREAKAGES.found_as("AZURE-CREDENTIALS", "flowcraft-", "connection string")
async def the_accounts_key_is_another(place: Place) -> AsyncIterator[Backend]:
    account = place.emulators.storage_connection_string.replace("AccountKey=Eby8", "AccountKey=Xby8")
    yield _backend(place, queue_client=lambda: QueueClient.from_connection_string(account, place.name))


@BREAKAGES.found_as("AZURE-PERMISSION", "to send", "flowcraft-")
async def messages_may_not_be_sent(place: Place) -> AsyncIterator[Backend]:
    yield _backend(place, queue_client=_limited(place, QueueSasPermissions(read=True, update=True, process=True)))


@BREAKAGES.found_as("AZURE-PERMISSION", "to receive", "flowcraft-")
async def messages_may_not_be_received(place: Place) -> AsyncIterator[Backend]:
    yield _backend(place, queue_client=_limited(place, QueueSasPermissions(read=True, update=True, add=True)))


@BREAKAGES.found_as("AZURE-UNREACHABLE", "flowcraft-", "127.0.0.1")
async def nobody_answers_for_the_queue(place: Place) -> AsyncIterator[Backend]:
    account = place.emulators.storage_connection_string.replace(
        place.emulators.queue_url, f"http://127.0.0.1:{free_port()}/devstoreaccount1"
    )
    yield _backend(place, queue_client=lambda: QueueClient.from_connection_string(account, place.name))


@BREAKAGES.found_as("AZURE-SETTINGS", "AZURE_STORAGE_CONNECTION_STRING")
async def the_connection_string_is_cut(place: Place) -> AsyncIterator[Backend]:
    settings = AzureSettings(storage="DefaultEndpointsProtocol=https;AccountNa", cosmos="")
    yield _backend(place, queue_client=settings.queue_client)


# --- the containers ---------------------------------------------------------------------------------------------------


@BREAKAGES.found_as("AZURE-DATABASE-MISSING", "flowcraft-")
async def the_database_is_deleted(place: Place) -> AsyncIterator[Backend]:
    async with place.emulators.cosmos_client() as cosmos:
        await cosmos.delete_database(place.name)
    yield place.backend()


@BREAKAGES.found_as("AZURE-CONTAINER-MISSING", "'contexts'", "'statuses'")
async def both_containers_are_deleted(place: Place) -> AsyncIterator[Backend]:
    async with place.emulators.cosmos_client() as cosmos:
        for name in ("contexts", "statuses"):
            await cosmos.get_database_client(place.name).delete_container(name)
    yield place.backend()


@BREAKAGES.found_as("AZURE-CONTAINERS-SHARED", "'contexts'")
async def one_container_is_given_twice(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(status_container_name="contexts")


@BREAKAGES.found_as("AZURE-CONTAINER-KEY", "statuses", "/id", "/runId")
async def a_container_is_partitioned_otherwise(place: Place) -> AsyncIterator[Backend]:
    await _make_again(place, "statuses", key="/id")
    yield place.backend()


@BREAKAGES.found_as("AZURE-EXPIRY-OFF", "contexts", "-1")
async def hints_do_not_expire(place: Place) -> AsyncIterator[Backend]:
    await _make_again(place, "contexts", default_ttl=None)
    yield place.backend(redis=False)


@BREAKAGES.found_as("AZURE-EXPIRY-OF-RUNS", "contexts", "1 days")
async def facts_expire_after_a_day(place: Place) -> AsyncIterator[Backend]:
    await _make_again(place, "contexts", default_ttl=86_400)
    yield place.backend()


@BREAKAGES.found_as("AZURE-INDEX-MISSING", "statuses", "/nextCheck/?")
async def what_is_due_is_not_indexed(place: Place) -> AsyncIterator[Backend]:
    paths = [{"path": f"/{name}/?"} for name in _STATUS_PATHS if name != "nextCheck"]
    policy = {**_CHANGED, "includedPaths": paths, "excludedPaths": [{"path": "/*"}]}
    await _make_again(place, "statuses", indexing_policy=policy)
    yield place.backend()


@BREAKAGES.found_as("AZURE-INDEX-COSTLY", "contexts")
async def all_that_is_in_facts_is_indexed(place: Place) -> AsyncIterator[Backend]:
    policy = {**_CHANGED, "includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": '/"_etag"/?'}]}
    await _make_again(place, "contexts", indexing_policy=policy)
    yield place.backend()


@BREAKAGES.found_as("AZURE-CREDENTIALS", "Cosmos DB", "base64")
async def the_databases_key_is_cut(place: Place) -> AsyncIterator[Backend]:
    url = place.emulators.cosmos_url
    yield _backend(place, cosmos_client=lambda: CosmosClient(url, "abcde", enable_endpoint_discovery=False))


@BREAKAGES.found_as("AZURE-UNREACHABLE", "Cosmos DB")
async def nobody_answers_for_the_database(place: Place) -> AsyncIterator[Backend]:
    url = f"http://127.0.0.1:{free_port()}"
    yield _backend(place, cosmos_client=lambda: CosmosClient(url, "YWJj", enable_endpoint_discovery=False))


@BREAKAGES.found_as("AZURE-PERMISSION", "to replace", "contexts", "statuses")
async def documents_may_not_be_replaced(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, (_, cosmos, _)), cosmos.trouble(["forbidden"], only={"replace"}):
        yield there.backend()


@BREAKAGES.found_as("CLOCK-SKEW", "ahead of", "Cosmos DB")
async def the_clocks_differ(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, (_, cosmos, _)), cosmos.trouble([OTHER_HOUR]):
        yield there.backend()


# --- Redis ------------------------------------------------------------------------------------------------------------


@BREAKAGES.found_as("AZURE-UNREACHABLE", "Redis")
async def nobody_answers_for_redis(place: Place) -> AsyncIterator[Backend]:
    yield _on_redis(place, f"redis://127.0.0.1:{free_port()}/0")


@BREAKAGES.found_as("AZURE-CREDENTIALS", "Redis")
async def the_key_of_redis_is_another(place: Place) -> AsyncIterator[Backend]:
    async with _user(place, "+@all") as url:
        yield _on_redis(place, url.replace(":secret@", ":another@"))


@BREAKAGES.found_as("AZURE-PERMISSION", "to run scripts", "Redis")
async def scripts_may_not_be_run(place: Place) -> AsyncIterator[Backend]:
    async with _user(place, "+@all -@scripting") as url:
        yield _on_redis(place, url)


@BREAKAGES.found_as("AZURE-REDIS-EVICTION", "maxmemory-policy", "noeviction")
async def redis_refuses_when_it_is_full(place: Place) -> AsyncIterator[Backend]:
    async with _redis(place) as redis:
        await redis.config_set("maxmemory", "100mb")
        await redis.config_set("maxmemory-policy", "noeviction")
        try:
            yield place.backend()
        finally:
            await redis.config_set("maxmemory", "0")


@BREAKAGES.found_as("AZURE-REDIS-READ-ONLY", "127.0.0.1:")
async def redis_is_a_replica(place: Place) -> AsyncIterator[Backend]:
    async with _redis(place) as redis:
        await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        try:
            yield place.backend()
        finally:
            await redis.execute_command("REPLICAOF", "NO", "ONE")


# --- what they have in common -----------------------------------------------------------------------------------------


def _backend(place: Place, **clients: Any) -> AzureBackend:
    usual: dict[str, Any] = {
        "queue_client": lambda: place.emulators.queue_client(place.name),
        "cosmos_client": place.emulators.cosmos_client,
        "cosmos_database_name": place.name,
        "coordination_store": place.redis_store(),
    }
    return AzureBackend(**{**usual, **clients})


def _limited(place: Place, permission: QueueSasPermissions) -> Any:
    """What makes a client of the queue that may do so much."""
    connection = place.emulators.storage_connection_string
    parts = dict(each.split("=", 1) for each in connection.strip(";").split(";"))
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    signature = generate_queue_sas(
        parts["AccountName"], place.name, parts["AccountKey"], permission=permission, expiry=until
    )
    return lambda: QueueClient(place.emulators.queue_url, place.name, credential=signature)


async def _make_again(place: Place, name: str, *, key: str = "/runId", **changed: Any) -> None:
    """Make a container anew."""
    paths = ("runId",) if name == "contexts" else _STATUS_PATHS
    policy = {
        **_CHANGED,
        "includedPaths": [{"path": f"/{path}/?"} for path in paths],
        "excludedPaths": [{"path": "/*"}],
    }
    options: dict[str, Any] = {"indexing_policy": policy, "default_ttl": -1, **changed}
    async with place.emulators.cosmos_client() as cosmos:
        database = cosmos.get_database_client(place.name)
        await database.delete_container(name)
        await database.create_container(name, PartitionKey(key), **options)


def _on_redis(place: Place, url: str) -> AzureBackend:
    return _backend(place, coordination_store=RedisCoordinationStore(lambda: Redis.from_url(url)))


@contextlib.asynccontextmanager
async def _redis(place: Place) -> AsyncIterator[Any]:
    redis: Any = place.emulators.redis_client()
    try:
        yield redis
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def _user(place: Place, rights: str) -> AsyncIterator[str]:
    """A user of Redis with some rights, and the address with its name and key."""
    async with _redis(place) as redis:
        await redis.execute_command("ACL", "SETUSER", "doctored", "reset", "on", ">secret", "~*", *rights.split(" "))
        try:
            yield place.emulators.redis_url.replace("redis://", "redis://doctored:secret@")
        finally:
            await redis.execute_command("ACL", "DELUSER", "doctored")


@contextlib.contextmanager
def _behind_proxies(place: Place) -> Iterator[tuple[Place, tuple[Proxy, Proxy, Proxy]]]:
    with place.proxied() as (there, proxies):
        yield there, proxies

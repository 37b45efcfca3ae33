import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureQueueAdapter, CosmosCoordinationStore, CosmosDatabase, Metrics, RedisCoordinationStore
from flowcraft_azure._clients import Connection, is_open, require_unopened
from flowcraft_core import ConfigurationError, FlowRuntime
from flowcraft_core.errors import BackendError
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster

from .fakes import server_of_redis

KEY = "a2V5"


class Client:
    def __init__(self) -> None:
        self.log: list[str] = []

    async def open(self) -> None:
        self.log.append("open")

    async def close(self) -> None:
        self.log.append("close")


def connection(given: Any) -> Connection[Client]:
    return Connection("a client", given, open_client=Client.open, close_client=Client.close)


async def test_those_who_share_a_client_open_and_close_it_once() -> None:
    client = Client()
    shared = connection(client)
    await shared.open()
    await shared.open()
    await shared.close()
    assert (shared.client, client.log) == (client, ["open"])
    await shared.close()
    await shared.close()
    assert client.log == ["open", "close"]
    with pytest.raises(BackendError, match="a client is not open"):
        _ = shared.client


async def test_those_who_open_at_once_wait_until_it_is_open() -> None:
    client, may_open = Client(), asyncio.Event()

    async def open_client(client: Client) -> None:
        await may_open.wait()
        await client.open()

    shared = Connection("a client", client, open_client=open_client, close_client=Client.close)
    first, second = asyncio.ensure_future(shared.open()), asyncio.ensure_future(shared.open())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not first.done()
    assert not second.done()
    may_open.set()
    await asyncio.gather(first, second)
    assert shared.client is client
    await shared.close()
    assert client.log == ["open"]
    await shared.close()
    assert client.log == ["open", "close"]


async def test_of_those_who_open_at_once_each_is_told_that_it_fails() -> None:
    async def refuse(client: Client) -> None:
        await asyncio.sleep(0)
        raise BackendError("no")

    shared = Connection("a client", Client, open_client=refuse, close_client=Client.close)
    found = await asyncio.gather(shared.open(), shared.open(), return_exceptions=True)
    assert [str(error) for error in found] == ["no", "no"]
    with pytest.raises(BackendError, match="a client is not open"):
        _ = shared.client


async def test_a_function_makes_a_client_each_time() -> None:
    made: list[Client] = []

    def make() -> Client:
        made.append(Client())
        return made[-1]

    for _ in range(2):
        each = connection(make)
        await each.open()
        await each.close()
    assert [client.log for client in made] == [["open", "close"]] * 2


async def test_a_client_belongs_to_one_event_loop() -> None:
    shared = connection(Client())
    await shared.open()

    def elsewhere() -> None:
        asyncio.run(shared.open())

    with pytest.raises(BackendError, match="give a client as a function"):
        await asyncio.to_thread(elsewhere)
    await shared.close()


async def test_a_client_that_cannot_be_opened_is_closed() -> None:
    class Broken(Client):
        async def open(self) -> None:
            await super().open()
            raise OSError("no way")

    made: list[Broken] = []

    def make() -> Broken:
        made.append(Broken())
        return made[-1]

    each = Connection("a client", make, open_client=Broken.open, close_client=Broken.close)
    for _ in range(2):
        with pytest.raises(OSError, match="no way"):
            await each.open()
    assert [client.log for client in made] == [["open", "close"]] * 2


async def test_a_client_that_was_given_and_has_been_closed_is_refused_by_name() -> None:
    """An SDK's own error for it speaks of its transport."""
    each = connection(Client())
    await each.open()
    await each.close()
    with pytest.raises(ConfigurationError, match="give a client as a function"):
        await each.open()


async def test_open_clients_of_each_sdk_are_known_and_left_open() -> None:
    queue = QueueClient("https://a.queue.core.windows.net", "jobs", credential=KEY)
    cosmos = CosmosClient("https://a.documents.azure.com", KEY)
    for client in (queue, cosmos):
        assert not is_open(client)
    await queue.__aenter__()
    await cosmos.client_connection.pipeline_client.__aenter__()
    opened: dict[str, object] = {"queue_client": queue, "cosmos_client": cosmos}
    for name, each_client in opened.items():
        assert is_open(each_client)
        with pytest.raises(ConfigurationError, match=f"{name} is open in another event loop"):
            require_unopened(**{name: each_client})
        require_unopened(**{name: lambda: None})
    log: list[str] = []

    async def note(client: Any) -> None:
        log.append("called")

    each: Connection[QueueClient] = Connection("queue_client", queue, open_client=note, close_client=note)
    await each.open()
    await each.close()
    assert log == []
    await queue.close()
    await cosmos.client_connection.pipeline_client.close()


async def test_a_client_of_redis_is_open_while_it_is_connected() -> None:
    async with server_of_redis() as url:
        redis: Redis = Redis.from_url(url)
        assert not is_open(redis)
        await redis.ping()
        assert is_open(redis)
        await redis.aclose()
        assert not is_open(redis)


def test_a_client_of_a_cluster_is_open_while_one_of_its_nodes_is() -> None:
    cluster = RedisCluster(host="127.0.0.1", port=1)
    assert not is_open(cluster)
    node = ClusterNode("127.0.0.1", 1)
    cluster.nodes_manager.nodes_cache["127.0.0.1:1"] = node
    connection: Any = SimpleNamespace(is_connected=True)
    node._connections.append(connection)
    assert is_open(cluster)
    connection.is_connected = False
    assert not is_open(cluster)


def cosmos_client() -> CosmosClient:
    return CosmosClient("https://a.documents.azure.com", KEY)


def test_start_refuses_what_is_open_before_it_does_anything() -> None:
    async def open_client() -> QueueClient:
        client = QueueClient("https://a.queue.core.windows.net", "jobs", credential=KEY)
        await client.__aenter__()
        return client

    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(open_client())
    adapter = AzureQueueAdapter(
        runtime=FlowRuntime([]), queue_client=client, cosmos_client=cosmos_client, cosmos_database_name="db"
    )
    with pytest.raises(ConfigurationError, match=r"queue_client is open .* adapter.serve\(\)"):
        adapter.start()
    loop.run_until_complete(client.close())
    loop.close()


def test_a_store_made_again_shares_a_client_and_makes_another_by_a_function() -> None:
    redis: Redis = Redis.from_url("redis://127.0.0.1:1")
    given = RedisCoordinationStore(redis, prefix="mine:")
    assert given.again(Metrics())._connection is given._connection
    made = RedisCoordinationStore(lambda: redis, prefix="mine:")
    assert made.again(Metrics())._connection is not made._connection
    assert made.again(Metrics()).prefix == "mine:"
    cosmos = CosmosClient("https://a.documents.azure.com", KEY)
    metrics = Metrics()
    for client, shared in ((cosmos, True), (lambda: cosmos, False)):
        store = CosmosCoordinationStore(CosmosDatabase(client, "db").container("c"))
        database, again = store.container.database, store.again(metrics).container
        assert (again.database._connection is database._connection) is shared
        assert (again.name, again.database.name, again.database.metrics) == ("c", "db", metrics)

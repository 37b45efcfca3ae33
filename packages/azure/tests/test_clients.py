import asyncio
from typing import Any

import pytest
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureQueueAdapter, CosmosCoordinationStore, CosmosDatabase, RedisCoordinationStore
from flowcraft_azure._clients import Connection, is_open, require_unopened
from flowcraft_core import ConfigurationError, FlowRuntime
from flowcraft_core.errors import BackendError
from redis.asyncio import Redis

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


async def test_a_client_that_cannot_be_opened_leaves_nothing_behind() -> None:
    class Broken(Client):
        async def open(self) -> None:
            await super().open()
            raise OSError("no way")

    each = Connection("a client", Broken(), open_client=Broken.open, close_client=Broken.close)
    for _ in range(2):
        with pytest.raises(OSError, match="no way"):
            await each.open()


async def test_open_clients_of_each_sdk_are_known_and_left_open() -> None:
    queue = QueueClient("https://a.queue.core.windows.net", "jobs", credential=KEY)
    cosmos = CosmosClient("https://a.documents.azure.com", KEY)
    redis: Redis = Redis.from_url("redis://127.0.0.1:1")
    for client in (queue, cosmos, redis):
        assert not is_open(client)
    await queue.__aenter__()
    await cosmos.client_connection.pipeline_client.__aenter__()
    redis.connection_pool._available_connections.append(_connection_of(redis))
    opened: dict[str, object] = {"queue_client": queue, "cosmos_client": cosmos, "coordination_store": redis}
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


def cosmos_client() -> CosmosClient:
    return CosmosClient("https://a.documents.azure.com", KEY)


def _connection_of(redis: Any) -> Any:
    return redis.connection_pool.make_connection()


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


def test_stores_are_made_anew_for_each_event_loop_where_they_were_given_functions() -> None:
    redis: Redis = Redis.from_url("redis://127.0.0.1:1")
    given = RedisCoordinationStore(redis, prefix="mine:")
    assert given.again() is given
    made = RedisCoordinationStore(lambda: redis, prefix="mine:")
    assert made.again() is not made
    assert made.again()._prefix == "mine:"
    cosmos = CosmosClient("https://a.documents.azure.com", KEY)
    of_client = CosmosCoordinationStore(CosmosDatabase(cosmos, "db").container("c"))
    assert of_client.again() is of_client
    of_function = CosmosCoordinationStore(CosmosDatabase(lambda: cosmos, "db").container("c"))
    assert of_function.again().container.name == "c"
    assert of_function.again() is not of_function

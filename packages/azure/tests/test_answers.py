"""What is no whole answer of a service is never a value, and above all never "there is none"."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import attrs
import azure.cosmos
import azure.storage.queue
import pytest
import redis
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient
from flowcraft_azure import AzureBackend, AzureQueueAdapter, RedisCoordinationStore, provision
from flowcraft_azure.queue import _Hold
from flowcraft_core import FlowRuntime
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Delivery, Fact, Message, PositionedValue, RunStatus
from redis.asyncio import Redis

MARK = {"x-ms-request-id": "1", "x-ms-activity-id": "1"}
STATUS = RunStatus(run_id="run", state="running", blueprint_id="flow", created=1.0, updated=1.0)
ACCOUNT: dict[str, Any] = {"writableLocations": [], "readableLocations": [], "userConsistencyPolicy": {}}
CONTAINER = {"id": "c", "_rid": "rid", "_self": "self", "partitionKey": {"paths": ["/runId"], "kind": "Hash"}}
FULL = json.dumps({"id": "fact:key", "runId": "run", "body": "eA==", "writer": "w", "job": ""}).encode()


def answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """An answer as it is on the wire; with its length, unless it says another one."""
    lines = {"content-length": str(len(body)), "content-type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} so\r\n{head}\r\n".encode() + body


def good(method: str, path: str) -> bytes:
    if path.endswith("/jobs"):
        return answer(201 if method == "put" else 200, MARK, b"")
    return answer(200, MARK, json.dumps(CONTAINER if "/colls/" in path else ACCOUNT).encode())


@contextlib.asynccontextmanager
async def server(about_data: bytes) -> AsyncIterator[str]:
    """The address of a server that gives one answer to all that is asked about messages and documents."""
    connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                await reader.readexactly(length)
                method, url = head.split()[:2]
                path = url.partition("?")[0].rstrip("/")
                if "/docs" in path or "/messages" in path:
                    writer.write(about_data)
                    await writer.drain()
                    break
                writer.write(good(method, path))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        try:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        finally:
            for writer in connections:
                writer.close()


def backend_at(url: str) -> AzureBackend:
    return AzureBackend(
        queue_client=lambda: QueueClient(f"{url}/account", "jobs", credential="a2V5"),
        cosmos_client=lambda: CosmosClient(
            url, "a2V5", enable_endpoint_discovery=False, retry_total=0, retry_connect=0, retry_read=0, retry_status=0
        ),
        cosmos_database_name="db",
    )


#: What comes in place of an answer.
ANSWERS: dict[str, bytes] = {
    "a body that was cut": answer(200, {**MARK, "content-length": str(len(FULL))}, FULL[:20]),
    "JSON that ends too soon": answer(200, MARK, FULL[:-3]),
    "nothing": answer(200, MARK, b""),
    "a page": answer(200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>"),
    "a page with a mark": answer(200, {**MARK, "content-type": "text/html"}, b"<html>hello</html>"),
    "a list": answer(200, MARK, b"[]"),
    "bytes": answer(200, MARK, b"\xff\xfe\x00"),
    "another document": answer(200, MARK, b'{"id":"another"}'),
    "a refusal that says it is none": answer(200, MARK, b'{"code":"429","message":"slow"}'),
    "a refusal of a queue that says it is none": answer(
        200, {**MARK, "content-type": "application/xml"}, b"<?xml version='1.0'?><Error><Code>ServerBusy</Code></Error>"
    ),
    "nothing found by a gateway": answer(404, {}, b""),
    "a gateway's page": answer(404, {"content-type": "text/html"}, b"<html>Not Found</html>"),
    "a conflict of a gateway": answer(409, {"content-type": "text/html"}, b"<html>Conflict</html>"),
    "a gateway that refuses": answer(403, {"content-type": "text/html"}, b"<html>Forbidden</html>"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


def held() -> Delivery:
    return Delivery("body", 1, _Hold("id", "receipt"))


#: Every method of every port that asks a service.
CALLS: dict[str, Callable[[AzureBackend], Awaitable[Any]]] = {
    "context.put": lambda b: b.context.put("run", "key", Fact(b"x", "w")),
    "context.get": lambda b: b.context.get("run", ["key"]),
    "context.get of many": lambda b: b.context.get("run", ["key", "other"]),
    "context.apply": lambda b: b.context.apply("run", {"name": PositionedValue("p", b"x")}),
    "context.values": lambda b: b.context.values("run", ["name"]),
    "context.delete": lambda b: b.context.delete("run", keys=["key"], names=["name"]),
    "status.create": lambda b: b.status.create(STATUS),
    "status.get": lambda b: b.status.get("run"),
    "status.touch": lambda b: b.status.touch("run", at=1.0, next_check=2.0),
    "status.finish": lambda b: b.status.finish("run", "completed", at=1.0),
    "status.find": lambda b: b.status.find(state="running"),
    "status.find due": lambda b: b.status.find(state="running", due_before=1.0),
    "status.delete": lambda b: b.status.delete("run"),
    "coordination.increment": lambda b: b.coordination.increment("key", ttl=1.0),
    "coordination.set_if_absent": lambda b: b.coordination.set_if_absent("key", "me", ttl=1.0),
    "coordination.add_members": lambda b: b.coordination.add_members("key", "a", ttl=1.0),
    "coordination.members": lambda b: b.coordination.members("key"),
    "coordination.extend_ttl": lambda b: b.coordination.extend_ttl("key", "me", ttl=1.0),
    "coordination.delete": lambda b: b.coordination.delete("key"),
    "coordination.get": lambda b: b.coordination.get("key"),
    "queue.send": lambda b: b.queue.send([Message("body")]),
    "queue.receive": lambda b: b.queue.receive(max_messages=1, wait=0, visibility=30),
    "queue.extend": lambda b: b.queue.extend([held()], 30),
    "queue.acknowledge": lambda b: b.queue.acknowledge([held()]),
    "queue.release": lambda b: b.queue.release([held()]),
    "by_hand.initial_context": lambda b: b.by_hand.initial_context("run"),
    "by_hand.delete": lambda b: b.by_hand.delete("run"),
}

#: Of those that change something and have nothing to give back, a success is taken at its word if it is the service's.
NOTHING_TO_SAY = {"context.delete", "status.delete", "coordination.delete", "by_hand.delete"}
MAY_BE_ANY = {"another document", "a refusal that says it is none"}


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_is_no_answer_is_a_transient_error(name: str) -> None:
    async with server(ANSWERS[name]) as url, backend_at(url) as backend:
        for call, make in CALLS.items():
            is_write = call in NOTHING_TO_SAY or call in (
                *("context.put", "context.apply", "status.create", "coordination.set_if_absent"),
            )
            is_success = ANSWERS[name].startswith(b"HTTP/1.1 200") and b"x-ms-" in ANSWERS[name]
            if is_write and is_success:
                continue  # whatever the service says beside "200": what was asked for is done
            with pytest.raises(TransientError) as caught:
                await make(backend)
            assert caught.value.__cause__ is not None, call


@pytest.mark.parametrize(
    "error", [TypeError("no"), ValueError("no"), KeyError("no"), AttributeError("no"), EOFError(), IndexError()]
)
async def test_whatever_an_sdk_raises_over_an_answer_is_a_transient_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(answer(200, MARK, b"{}")) as url, backend_at(url) as backend:

        async def fail(*_: Any, **__: Any) -> Any:
            raise error

        for kind, method in (
            (azure.cosmos.aio.ContainerProxy, "read_item"),
            (azure.cosmos.aio.ContainerProxy, "create_item"),
            (QueueClient, "send_message"),
        ):
            monkeypatch.setattr(kind, method, fail)
        for call in ("context.get", "context.put", "status.get", "coordination.get", "queue.send"):
            with pytest.raises(TransientError) as caught:
                await CALLS[call](backend)
            assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AuthenticationFailed", r"AuthenticationFailed: the key, token or signature is not valid.*connection string"),
        ("AuthorizationPermissionMismatch", "Storage Queue Data Contributor"),
    ],
)
async def test_a_wrong_key_is_told_from_a_missing_role(code: str, said: str) -> None:
    refusal = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    headers = {**MARK, "x-ms-error-code": code, "content-type": "application/xml"}
    async with server(answer(403, headers, refusal)) as url, backend_at(url) as backend:
        with pytest.raises(BackendError, match=said) as caught:
            await backend.queue.send([Message("body")])
        assert type(caught.value) is BackendError


@pytest.mark.parametrize(
    "reply", [b"!odd\r\n", b":many\r\n", b"$5\r\nab", b"+OK\r\n", b"*1\r\n:1\r\n", b"$2\r\n\xff\xfe\r\n"]
)
async def test_an_answer_that_redis_does_not_give_is_a_transient_error(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                words.append(await reader.readexactly(int((await reader.readline())[1:])))
                await reader.readline()
            if words[0] in (b"PING", b"CLIENT", b"HELLO", b"SELECT"):
                writer.write(b"+PONG\r\n" if words[0] == b"PING" else b"+OK\r\n")
                continue
            asked += 1
            writer.write(reply)
            if reply == b"$5\r\nab":
                break
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        store = RedisCoordinationStore(lambda: Redis.from_url(f"redis://127.0.0.1:{port}/0?protocol=2"))
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: store.increment("k", ttl=1),
            lambda: store.members("k"),
            lambda: store.add_members("k", "m", ttl=1),
            lambda: store.extend_ttl("k", "v", ttl=1),
        ]
        if reply != b"+OK\r\n":
            calls += [lambda: store.get("k"), lambda: store.set_if_absent("k", "v", ttl=1)]
        await store.open()
        try:
            for call in calls:
                with pytest.raises(TransientError):
                    await call()
        finally:
            await store.close()


@pytest.mark.parametrize(
    "said", ["LOADING", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "OOM", "READONLY"]
)
async def test_what_passes_in_redis_is_a_transient_error(said: str) -> None:
    from flowcraft_azure._redis_errors import translated

    with pytest.raises(TransientError, match="Redis"):
        async with translated():
            raise redis.exceptions.ResponseError(f"{said} for a while")
    with pytest.raises(BackendError, match="WRONGTYPE") as caught:
        async with translated():
            raise redis.exceptions.ResponseError("WRONGTYPE Operation against a key")
    assert type(caught.value) is BackendError


def asynchronous() -> dict[str, Any]:
    return {
        "queue_client": lambda: QueueClient("https://a.queue.core.windows.net", "jobs", credential="a2V5"),
        "cosmos_client": lambda: CosmosClient("https://a.documents.azure.com", "a2V5"),
        "cosmos_database_name": "db",
    }


SYNC_QUEUE = azure.storage.queue.QueueClient("https://a.queue.core.windows.net", "jobs", credential="a2V5")
WRONG: dict[str, tuple[str, Callable[[], Any], str]] = {
    "a queue client of the synchronous package": (
        "queue_client",
        lambda: SYNC_QUEUE,
        "queue_client is azure.storage.queue.QueueClient: give a client of azure.storage.queue.aio",
    ),
    "a client of the queue service": (
        "queue_client",
        lambda: QueueServiceClient("https://a.queue.core.windows.net", credential="a2V5"),
        r"queue_client is azure.storage.queue.aio.QueueServiceClient: give a client of azure.storage.queue.aio",
    ),
    "a Cosmos client of the synchronous package": (
        "cosmos_client",
        lambda: object.__new__(azure.cosmos.CosmosClient),
        "cosmos_client is azure.cosmos.*CosmosClient: give a client of azure.cosmos.aio",
    ),
    "text": ("cosmos_client", lambda: "AccountEndpoint=https://…", "cosmos_client is builtins.str: give a client of"),
    "none": ("queue_client", lambda: None, "queue_client is builtins.NoneType: give a client of"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("as_function", [True, False])
async def test_a_client_of_another_kind_is_refused_by_its_class(name: str, as_function: bool) -> None:
    argument, make, said = WRONG[name]
    async with server(answer(200, MARK, b"{}")) as url:
        arguments: dict[str, Any] = {
            "queue_client": lambda: QueueClient(f"{url}/account", "jobs", credential="a2V5"),
            "cosmos_client": lambda: CosmosClient(url, "a2V5", enable_endpoint_discovery=False),
            "cosmos_database_name": "db",
            argument: make if as_function else make(),
        }
        with pytest.raises(ConfigurationError, match=said):
            async with AzureQueueAdapter(runtime=FlowRuntime([]), **arguments):
                pass
        with pytest.raises(ConfigurationError, match=said):
            await provision(**arguments)


async def test_a_redis_client_of_the_synchronous_package_is_refused_by_its_class() -> None:
    given: Any = redis.Redis()
    for each in (given, lambda: given):
        with pytest.raises(ConfigurationError, match=r"the Redis client is redis.client.Redis: give .* redis.asyncio"):
            await RedisCoordinationStore(each).open()


async def test_a_function_that_makes_no_client_is_told_as_such() -> None:
    arguments = {**asynchronous(), "queue_client": QueueClient}  # without what it takes
    with pytest.raises(ConfigurationError, match="given as queue_client makes no client: TypeError"):
        async with AzureBackend(**arguments):
            pass


async def test_one_container_for_contexts_and_statuses_is_refused() -> None:
    one: dict[str, Any] = {"context_container_name": "runs", "status_container_name": "runs"}
    with pytest.raises(ConfigurationError, match="'runs' was given for both contexts and statuses"):
        await AzureBackend(**asynchronous(), **one).open()
    with pytest.raises(ConfigurationError, match="'runs' was given for both contexts and statuses"):
        await provision(**asynchronous(), **one)


async def test_text_that_no_encoding_has_is_refused_before_anything_is_sent() -> None:
    """Half of a surrogate pair: JSON would take it, and it would be another text when it comes back."""
    half = "\ud800"
    async with server(answer(500, MARK, b"{}")) as url, backend_at(url) as backend:
        for made in (
            backend.status.get(half),
            backend.status.create(attrs.evolve(STATUS, reason=half)),
            backend.status.create(attrs.evolve(STATUS, tags={half: ""})),
            backend.status.finish("run", "failed", at=1.0, reason=half),
            backend.context.put("run", "key", Fact(b"x", half)),
            backend.context.get("run", [half]),
            backend.coordination.add_members("key", half, ttl=1.0),
            backend.queue.send([Message(half)]),
            backend.queue.send([Message("body", half)]),
        ):
            with pytest.raises(ValueError, match="surrogate"):
                await made
    store = RedisCoordinationStore(lambda: Redis.from_url("redis://127.0.0.1:1"))
    for asked in (store.get(half), store.set_if_absent("key", half, ttl=1.0), store.add_members("k", half, ttl=1.0)):
        with pytest.raises(ValueError, match="surrogate"):
            await asked

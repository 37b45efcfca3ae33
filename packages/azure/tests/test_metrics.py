"""Requests are counted as they are answered, also those that an SDK makes again; the answers are a server's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureJobQueue, CosmosDatabase, Metrics
from flowcraft_azure import metrics as metrics_module
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Message

#: A status, headers, and what is said.
Answer: TypeAlias = tuple[int, Mapping[str, str], Any]

_ACCOUNT: Answer = (200, {}, {"writableLocations": [], "readableLocations": [], "userConsistencyPolicy": {}})
_CONTAINER: Answer = (
    200,
    {},
    {"id": "c", "_rid": "rid", "_self": "self", "partitionKey": {"paths": ["/runId"], "kind": "Hash"}},
)
_THROTTLED: Answer = (429, {"x-ms-retry-after-ms": "1", "x-ms-request-charge": "0.5"}, {})


@contextlib.asynccontextmanager
async def serving(**answers: list[Answer]) -> AsyncIterator[str]:
    """The address of a server with answers by the last part of a path; the last answer is given again and again."""

    async def answer(request: web.Request) -> web.Response:
        left = answers[request.path.rstrip("/").rpartition("/")[2] or "account"]
        status, headers, said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, str):
            return web.Response(status=status, headers=headers, text=said, content_type="application/xml")
        return web.json_response(said, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_what_cosmos_db_throttles_is_counted_though_the_sdk_makes_it_again() -> None:
    metrics = Metrics()
    charged: Answer = (200, {"x-ms-request-charge": "1.25"}, {"id": "one"})
    answers: dict[str, list[Answer]] = {
        "account": [_ACCOUNT],
        "c": [_CONTAINER],
        "one": [_THROTTLED, charged],
        "docs": [(201, {}, {})],
    }
    async with serving(**answers) as url:
        client = CosmosClient(url, "a2V5", enable_endpoint_discovery=False)
        container = CosmosDatabase(lambda: client, "db", metrics=metrics).container("c")
        await container.open()
        assert await container.read("one", "run-1") == {"id": "one"}
        assert await container.create({"id": "two", "runId": "run-2"})
        await container.close()
    assert metrics.requests == {"cosmos.read": 2, "cosmos.create": 1}
    assert metrics.retries == {"cosmos.read": 1}
    assert metrics.request_units == {"cosmos.read": 1.75}
    assert metrics.of_run("run-1") == {"cosmos.read": 2}
    assert metrics.of_run("run-2") == {"cosmos.create": 1}
    assert metrics.request_bytes["cosmos.create"] >= len('{"id":"two","runId":"run-2"}')


async def test_what_a_queue_refuses_for_now_is_counted_and_so_are_looks_that_bring_nothing() -> None:
    metrics = Metrics()
    nothing: Answer = (200, {}, '<?xml version="1.0" encoding="utf-8"?><QueueMessagesList />')
    busy: Answer = (503, {"x-ms-error-code": "ServerBusy"}, "<Error />")
    async with serving(jobs=[(200, {}, "")], messages=[busy, nothing]) as url:
        client = QueueClient(f"{url}/account", "jobs", credential="a2V5")
        queue = AzureJobQueue(lambda: client, metrics=metrics)
        await queue.open()
        with pytest.raises(TransientError, match="status 503"):
            await queue.send([Message("job")])
        assert await queue.receive(max_messages=1, wait=0, visibility=30) == []
        await queue.close()
    assert metrics.requests == {"queue.send": 1, "queue.receive": 1}
    assert metrics.retries == {"queue.send": 1}
    assert metrics.empty_receives == 1


def test_only_the_runs_that_were_heard_of_last_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Request:
        method, url = "GET", "https://a/dbs/d/colls/c/docs/id?x"
        headers: dict[str, str]

    class Response:
        status_code, headers = 200, dict[str, str]()

    class Both:
        http_request, http_response = Request(), Response()

    monkeypatch.setattr(metrics_module, "_PARTITIONS_KEPT", 2)
    metrics = Metrics()
    for run in ("a", "b", "a", "c"):
        Both.http_request.headers = {"x-ms-documentdb-partitionkey": f'["{run}"]'}
        metrics.note(Both)
    assert [metrics.of_run(run).get("cosmos.read", 0) for run in "abc"] == [2, 0, 1]
    assert metrics.requests == {"cosmos.read": 4}

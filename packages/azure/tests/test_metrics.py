"""Requests are counted as they are answered, also those that an SDK makes again; the answers are a server's."""

from __future__ import annotations

import pytest
from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_azure import AzureJobQueue, CosmosDatabase, Metrics
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Message

from .servers import ACCOUNT, Answer, serving

_CONTAINER: Answer = (
    200,
    {},
    {"id": "c", "_rid": "rid", "_self": "self", "partitionKey": {"paths": ["/runId"], "kind": "Hash"}},
)
_MARK = {"x-ms-request-id": "1"}
_THROTTLED: Answer = (429, {"x-ms-retry-after-ms": "1", "x-ms-request-charge": "0.5"}, {})


async def test_what_cosmos_db_throttles_is_counted_though_the_sdk_makes_it_again() -> None:
    metrics = Metrics()
    charged: Answer = (200, {"x-ms-request-charge": "1.25"}, {"id": "one"})
    answers: dict[str, list[Answer]] = {
        "account": [ACCOUNT],
        "c": [_CONTAINER],
        "one": [_THROTTLED, charged],
        "docs": [(201, {"x-ms-activity-id": "1"}, "")],
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
    nothing: Answer = (200, _MARK, '<?xml version="1.0" encoding="utf-8"?><QueueMessagesList />')
    busy: Answer = (503, {"x-ms-error-code": "ServerBusy", **_MARK}, "<Error />")
    async with serving(jobs=[(200, {}, "")], messages=[busy, nothing]) as url:
        client = QueueClient(f"{url}/account", "jobs", credential="a2V5")
        queue = AzureJobQueue(lambda: client, metrics=metrics)
        await queue.open()
        with pytest.raises(TransientError, match="status 503"):
            await queue.send([Message("job", "run-1")])
        assert await queue.receive(max_messages=1, wait=0, visibility=30) == []
        await queue.close()
    assert metrics.requests == {"queue.send": 1, "queue.receive": 1}
    assert metrics.retries == {"queue.send": 1}
    assert metrics.empty_receives == 1
    assert metrics.of_run("run-1") == {"queue.send": 1}

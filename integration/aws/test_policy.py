"""The policy in ``deploy/aws`` allows what workers, clients, reconcilers and the doctor do, and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_emulators import Place, client
from flowcraft_aws.places import named_queue
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import diagnose
from flowcraft_testkit.contracts import QUEUES

_POLICY = Path(__file__).parents[2] / "deploy" / "aws" / "policy.json"


class _Asked:
    """What IAM would be asked for, below the adapter: pairs of an action and what it is done to."""

    def __init__(self, place: Place) -> None:
        self.permissions: set[tuple[str, str]] = set()
        self._names = {
            **dict.fromkeys(_names_of_queues(place), "flowcraft-jobs"),
            place.contexts: "table/flowcraft-contexts",
            place.statuses: "table/flowcraft-statuses",
            place.coordination: "table/flowcraft-coordination",
        }

    def note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        (batched,) = params.get("RequestItems", {None: None})
        named = (params[key] for key in ("TableName", "QueueUrl", "QueueName") if key in params)
        name = self._names[batched or next(named)]
        if "IndexName" in params:
            name += f"/index/{params['IndexName']}"
        # A batch of messages is allowed by the action on one.
        self.permissions.add((f"{service}:{model.name.removesuffix('Batch')}", name))


def _names_of_queues(place: Place) -> list[str]:
    """Those of the place, by URL and by name: those by name (``docs/queues.md``) want what the first one does."""
    urls = [place.queue_url, *(named_queue(place.queue_url, name) for name in QUEUES)]
    return [*urls, *(url.rpartition("/")[2] for url in urls)]


def _allowed() -> set[tuple[str, str]]:
    statements = json.loads(_POLICY.read_text(encoding="utf-8"))["Statement"]
    return {
        (action, statement["Resource"].rpartition(":")[2])
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


@pytest.fixture
def place(localstack: str, moto: str) -> Place:
    """One of which the doctor has nothing to say."""
    return Place.provisioned(sqs=localstack, dynamodb=moto)


@pytest.fixture
def asked(place: Place) -> Iterator[_Asked]:
    asked = _Asked(place)
    clients = {"sqs": client("sqs", place.sqs_url), "dynamodb": client("dynamodb", place.dynamodb_url)}
    for service, made in clients.items():
        made.meta.events.register(f"provide-client-params.{service}", asked.note)
    yield asked
    for service, made in clients.items():
        made.meta.events.unregister(f"provide-client-params.{service}", asked.note)


async def _slow(ctx: NodeContext) -> int:
    await asyncio.sleep(2.0)  # until a heartbeat
    return 1


async def test_the_policy_allows_what_is_done_and_nothing_else(place: Place, asked: _Asked) -> None:
    flow = create_flow("fan").node("a", _slow).node("b", _slow).node("c", _slow).node("d", _slow)
    flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")
    adapter = place.adapter(FlowRuntime([flow]), visibility=3.0, poll=1.0, reconcile_interval=1.0)
    async with adapter:
        started = await adapter.client.start(flow)
        async with adapter.context(started.run_id) as context:
            await context.set("name", "value")
        # A job that is delivered again, as after a crash.
        job = {"runId": started.run_id, "blueprintId": "fan", "nodeId": "a"}
        assert await adapter.handle_job(json.dumps(job), count=2) is True
        serving = asyncio.ensure_future(adapter.serve())
        await adapter.client.wait(started.run_id, timeout=60)
        end = time.monotonic() + 60
        while not adapter.metrics.requests.get("dynamodb.Query"):  # the reconciler's
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        assert [run.run_id async for run in adapter.client.runs("completed")] == [started.run_id]
        await adapter.client.purge(started.run_id)
        adapter.stop()
        await serving
    assert await diagnose(place.backend(queue_url=place.queue_name)) == []  # as a backend's URL has it
    assert asked.permissions == _allowed()

"""SQS and DynamoDB with a proxy in front of each, in which answers are cut, held back, refused and malformed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs
import boto3
import pytest
from aws_emulators import CREDENTIALS, Place
from botocore.config import Config
from dialects import DYNAMODB, SQS
from faulty_operations import OPERATIONS, Operation, tried
from faulty_runs import flows, runs_through
from flowcraft_aws import AwsBackend, SqsAdapter
from flowcraft_core import FlowRuntime, create_flow
from proxy import KINDS, HttpProxy


def _proxy(url: str, dialect: Any, seed: int) -> HttpProxy:
    parts = urlsplit(url)
    return HttpProxy(parts.hostname or "", parts.port or 0, dialect, seed=seed)


@pytest.fixture(scope="module")
def proxies(localstack: str, moto: str) -> Iterator[tuple[HttpProxy, HttpProxy]]:
    with _proxy(localstack, SQS, 7) as sqs, _proxy(moto, DYNAMODB, 11) as dynamodb:
        yield sqs, dynamodb


def _client(service: Any, url: str, attempts: int) -> Any:
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
    )
    return boto3.client(service, endpoint_url=url, config=config, **CREDENTIALS)


def _through(place: Place, proxies: tuple[HttpProxy, HttpProxy], attempts: int) -> AwsBackend:
    sqs, dynamodb = proxies
    return AwsBackend(
        queue_url=place.queue_url,
        context_table_name=place.contexts,
        status_table_name=place.statuses,
        coordination_table_name=place.coordination,
        sqs_client=_client("sqs", sqs.url, attempts),
        dynamodb_client=_client("dynamodb", dynamodb.url, attempts),
    )


# With three attempts, as ``client_config`` asks for, the SDK itself meets a cut answer and tries again.
@pytest.mark.parametrize(("kind", "attempts"), [*((kind, 1) for kind in KINDS), ("cut_body", 3), ("cut_after", 3)])
async def test_each_operation_gives_a_right_value_or_an_error_of_the_port(
    kind: str, attempts: int, place: Place, proxies: tuple[HttpProxy, HttpProxy]
) -> None:
    async with place.backend() as direct, _through(place, proxies, attempts) as faulty:
        for number, operation in enumerate(OPERATIONS):
            proxy = proxies[0 if operation.name.startswith("queue") else 1]
            before = proxy.faults[kind]
            ended = await tried(operation, direct, faulty, f"{kind}-{number}", proxy.trouble([kind]))
            assert proxy.faults[kind] > before, f"{operation.name} has met no fault"
            if kind in ("cut_before", "cut_after", "cut_head", "cut_body", "throttle", "failure", "unavailable"):
                assert ended == "TransientError", f"{operation.name}: {ended}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_each_operation_works_again_after_its_connections_were_cut(
    operation: Operation, place: Place, proxies: tuple[HttpProxy, HttpProxy]
) -> None:
    sqs, _ = proxies
    async with place.backend() as direct, _through(place, proxies, 3) as faulty:
        await faulty.status.get("warm")
        for proxy in proxies:
            proxy.cut()
        assert await tried(operation, direct, faulty, f"cut-{operation.name}", sqs.trouble([])) == "value"


async def test_runs_come_to_the_same_results_through_hundreds_of_faults(
    place: Place, proxies: tuple[HttpProxy, HttpProxy]
) -> None:
    sqs, dynamodb = proxies
    there = attrs.evolve(place, sqs_url=sqs.url, dynamodb_url=dynamodb.url)

    def make(runtime: FlowRuntime) -> SqsAdapter:
        return there.adapter(runtime, poll=1.0, visibility=6.0, reconcile_interval=4.0)

    for proxy in proxies:
        proxy.faults.clear()
    met = await runs_through(proxies, make, rate=0.12, runs=4, least=300)
    assert len(met) == len(KINDS), f"not every kind was met: {met}"
    print(met)


def test_a_thread_goes_on_after_it_was_refused_for_a_moment(
    place: Place, proxies: tuple[HttpProxy, HttpProxy], caplog: pytest.LogCaptureFixture
) -> None:
    """A token that has just expired, or a policy that is being changed."""
    sqs, _ = proxies

    async def hello(ctx: Any) -> str:
        return "hello"

    flow = create_flow("hello").node("hello", hello)
    there = attrs.evolve(place, sqs_url=sqs.url)
    adapter = there.adapter(FlowRuntime([flow]), poll=1.0)
    with caplog.at_level(logging.ERROR):
        with sqs.trouble(["forbidden"], only={"ReceiveMessage"}):
            adapter.start()
            end = time.monotonic() + 30
            while sqs.faults["forbidden"] < 2:
                assert time.monotonic() < end, "it does not go on asking"
                time.sleep(0.05)
        run = adapter.sync_client.start(flow)
        assert adapter.sync_client.wait(run.run_id, timeout=60).status == "completed"
    assert adapter.is_running
    assert any(record.exc_info and record.levelno >= logging.ERROR for record in caplog.records)
    adapter.stop()


async def test_a_purge_of_a_run_that_is_called_as_an_item_leaves_the_item(place: Place) -> None:
    """The ids of runs may come from outside; none of them leads to what is stored of another run."""
    (chain, *_) = flows()
    async with place.adapter(FlowRuntime([chain])) as adapter:
        await adapter.client.start(chain, {"n": 1}, run_id="victim")
        for run_id in ("victim#fact#:run", "victim#fact", "victim#", "victim%23fact%23:run"):
            await adapter.client.purge(run_id)
            async with adapter.context(run_id) as context:
                assert await context.to_dict() == {}
        assert (await adapter.client.result("victim")).status == "running"

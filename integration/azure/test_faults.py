"""Queue Storage, Cosmos DB and Redis behind proxies: answers are cut, held back, refused and malformed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from azure.cosmos.aio import CosmosClient
from azure_emulators import Emulators
from dialects import COSMOS, QUEUE_STORAGE
from faulty_operations import OPERATIONS, Operation, tried
from faulty_runs import flows, runs_through
from flowcraft_azure import AzureBackend, AzureQueueAdapter, RedisCoordinationStore
from flowcraft_core import FlowRuntime, create_flow
from places import Place
from proxy import KINDS, HttpProxy, Proxy, RedisProxy
from redis.asyncio import Redis


@attrs.frozen
class Proxies:
    """One for each service."""

    queue: Proxy
    cosmos: Proxy
    redis: Proxy

    def of(self, operation: Operation, *, redis: bool) -> Proxy:
        """The one that an operation goes through."""
        if operation.name.startswith("queue"):
            return self.queue
        return self.redis if redis and operation.name.startswith("coordination") else self.cosmos

    @property
    def all(self) -> tuple[Proxy, Proxy, Proxy]:
        """All three."""
        return self.queue, self.cosmos, self.redis

    def emulators(self, behind: Emulators) -> Emulators:
        """What clients are told: the proxies' addresses."""
        account = urlsplit(behind.queue_url).path
        return attrs.evolve(
            behind,
            queue_url=f"{self.queue.url}{account}",
            cosmos_url=self.cosmos.url,
            redis_url=f"redis://{self.redis.host}:{self.redis.port}/0?protocol=2",
        )


@pytest.fixture(scope="module")
def proxies(emulators: Emulators) -> Iterator[Proxies]:
    def place_of(url: str) -> tuple[str, int]:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or 0

    with (
        HttpProxy(*place_of(emulators.queue_url), QUEUE_STORAGE, seed=3) as queue,
        HttpProxy(*place_of(emulators.cosmos_url), COSMOS, seed=5) as cosmos,
        RedisProxy(*place_of(emulators.redis_url), seed=7) as redis,
    ):
        yield Proxies(queue, cosmos, redis)


@attrs.frozen
class Hasty(Emulators):
    """Clients that try once: what the SDKs do by themselves is not what is looked at, and takes long."""

    def cosmos_client(self) -> CosmosClient:
        """See ``Emulators``."""
        key = self.environment()["COSMOS_DB_CONNECTION_STRING"].partition("AccountKey=")[2]
        none: Any = dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), 0)
        return CosmosClient(self.cosmos_url, key, enable_endpoint_discovery=False, **none)

    def redis_client(self) -> Redis:
        """See ``Emulators``."""
        client: Redis = Redis.from_url(self.redis_url, retry_on_error=[], socket_timeout=5)
        return client


def _through(place: Place, proxies: Proxies, *, redis: bool) -> AzureBackend:
    hasty = Hasty(**attrs.asdict(proxies.emulators(place.emulators)))
    return attrs.evolve(place, emulators=hasty).backend(redis=redis, staleness=0.0)


#: By proxy, what is a fault there: Redis has no status codes.
CASES = [(kind, redis) for redis in (True, False) for kind in KINDS]


@pytest.mark.parametrize(("kind", "redis"), CASES)
async def test_each_operation_gives_a_right_value_or_an_error_of_the_port(
    kind: str, redis: bool, place: Place, proxies: Proxies
) -> None:
    async with place.backend(redis=redis, staleness=0.0) as direct, _through(place, proxies, redis=redis) as faulty:
        for number, operation in enumerate(OPERATIONS):
            proxy = proxies.of(operation, redis=redis)
            if kind not in proxy.kinds or (not redis and not operation.name.startswith("coordination")):
                continue  # with and without Redis, only coordination differs
            before = proxy.faults[kind]
            ended = await tried(operation, direct, faulty, f"{kind}-{number}", proxy.trouble([kind]))
            assert proxy.faults[kind] > before, f"{operation.name} has met no fault"
            if kind in ("cut_head", "cut_body", "failure", "gateway_404"):
                assert ended == "TransientError", f"{operation.name}: {ended}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_each_operation_works_again_after_its_connections_were_cut(
    operation: Operation, place: Place, proxies: Proxies
) -> None:
    there = attrs.evolve(place, emulators=proxies.emulators(place.emulators))
    async with place.backend(staleness=0.0) as direct, there.backend(staleness=0.0) as faulty:
        await faulty.status.get("warm")
        await faulty.coordination.get("warm")
        for proxy in proxies.all:
            proxy.cut()
        ended = [
            await tried(operation, direct, faulty, f"cut-{number}-{operation.name}", proxies.queue.trouble([]))
            for number in range(2)
        ]
        assert set(ended) <= {"value", "TransientError"}
        assert ended[-1] == "value"


@pytest.mark.parametrize("redis", [True, False])
async def test_runs_come_to_the_same_results_through_hundreds_of_faults(
    redis: bool, place: Place, proxies: Proxies
) -> None:
    emulators = proxies.emulators(place.emulators)

    def make(runtime: FlowRuntime) -> AzureQueueAdapter:
        return AzureQueueAdapter(
            runtime=runtime,
            queue_client=lambda: emulators.queue_client(place.name),
            cosmos_client=emulators.cosmos_client,
            cosmos_database_name=place.name,
            coordination_store=(
                RedisCoordinationStore(emulators.redis_client, prefix=f"{place.name}:") if redis else None
            ),
            staleness=0.0,
            poll=1.0,
            visibility=6.0,
            reconcile_interval=4.0,
        )

    for proxy in proxies.all:
        proxy.faults.clear()
    met = await runs_through(proxies.all, make, rate=0.12, runs=4, least=300)
    assert len(met) == len(KINDS), f"not every kind was met: {met}"
    print(met)


def test_a_thread_goes_on_after_it_was_refused_for_a_moment_and_cut_off(
    place: Place, proxies: Proxies, caplog: pytest.LogCaptureFixture
) -> None:
    """A token that has just expired, or a firewall that is being changed."""

    async def hello(ctx: Any) -> str:
        return "hello"

    flow = create_flow("hello").node("hello", hello)
    emulators = proxies.emulators(place.emulators)
    adapter = AzureQueueAdapter(
        runtime=FlowRuntime([flow]),
        queue_client=lambda: emulators.queue_client(place.name),
        cosmos_client=emulators.cosmos_client,
        cosmos_database_name=place.name,
        poll=1.0,
    )
    with caplog.at_level(logging.ERROR):
        for kind in ("forbidden", "cut_body"):
            before = proxies.queue.faults[kind]
            with proxies.queue.trouble([kind], only={"receive"}):
                if not adapter.is_running:
                    adapter.start()
                end = time.monotonic() + 30
                while proxies.queue.faults[kind] < before + 2:
                    assert time.monotonic() < end, "it does not go on asking"
                    time.sleep(0.05)
        run = adapter.sync_client.start(flow)
        assert adapter.sync_client.wait(run.run_id, timeout=60).status == "completed"
    assert adapter.is_running
    assert any(record.exc_info and record.levelno >= logging.ERROR for record in caplog.records)
    adapter.stop()


async def test_a_purge_of_a_run_that_is_called_as_a_document_leaves_the_document(place: Place) -> None:
    """The ids of runs may come from outside; none of them leads to what is stored of another run."""
    (chain, *_) = flows()
    adapter = AzureQueueAdapter(
        runtime=FlowRuntime([chain]),
        queue_client=lambda: place.emulators.queue_client(place.name),
        cosmos_client=place.emulators.cosmos_client,
        cosmos_database_name=place.name,
    )
    async with adapter:
        await adapter.client.start(chain, {"n": 1}, run_id="victim")
        for run_id in ("fact:~3arun", "fact::run", "status", "key:victim", "by-hand", "victim ", "~victim"):
            await adapter.client.purge(run_id)
            async with adapter.context(run_id) as context:
                assert await context.to_dict() == {}
        assert (await adapter.client.result("victim")).status == "running"

"""The coordination store on a Redis in cluster mode, where a script may touch the keys of one slot only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

import attrs
import azure_emulators
import pytest
import servers
from flowcraft_azure import RedisCoordinationStore
from flowcraft_testkit.contracts import CoordinationStoreContract, Declared, Opener
from places import Place
from redis import Redis
from redis.asyncio.cluster import RedisCluster
from test_contracts import DECLARED

_SLOTS = range(16_384)


@pytest.fixture(scope="module")
def cluster() -> Iterator[servers.Server]:
    """A cluster of one node, which has all the slots."""

    def command(port: int) -> list[str]:
        return azure_emulators.redis_command(port, "--cluster-enabled", "yes")

    with servers.served("redis-cluster", command, servers.answers_tcp) as server:
        with Redis(server.host, server.port) as node:
            node.execute_command("CLUSTER ADDSLOTS", *_SLOTS)
            end = time.monotonic() + 30
            while node.cluster("INFO")["cluster_state"] != "ok":
                assert time.monotonic() < end
                time.sleep(0.1)
        yield server


class TestRedisClusterCoordinationStore(CoordinationStoreContract):
    """The counters, leases and sets."""

    declared: ClassVar[Declared] = attrs.evolve(
        DECLARED, side_door=False, cuts=False, outages=False, refusals=False, processes=False, other_store=False
    )

    @pytest.fixture
    def open_backend(self, place: Place, cluster: servers.Server) -> Opener:
        """See ``Contract``."""

        def store() -> RedisCoordinationStore:
            return RedisCoordinationStore(
                lambda: RedisCluster(host=cluster.host, port=cluster.port), prefix=f"{place.name}:"
            )

        return lambda: place.backend(coordination_store=store(), staleness=0.0)

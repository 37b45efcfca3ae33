"""A place of its own on the emulators for each test: a queue, a database, and a prefix in Redis."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import attrs
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient
from azure_emulators import Emulators
from dialects import COSMOS, QUEUE_STORAGE
from flowcraft_azure import (
    AzureBackend,
    CosmosCoordinationStore,
    CosmosDatabase,
    Metrics,
    RedisCoordinationStore,
    provision,
)
from flowcraft_testkit.contracts import QUEUES
from proxy import HttpProxy, Proxy, RedisProxy

_numbers = itertools.count()
_session = uuid.uuid4().hex[:8]


@attrs.frozen
class Place:
    """Names on the emulators that nobody else uses.

    Attributes:
        emulators: Where.
        name: The queue's, the database's, and what the keys in Redis begin with.
    """

    emulators: Emulators
    name: str = attrs.field(factory=lambda: f"flowcraft-{_session}-{next(_numbers)}")

    async def create(self) -> None:
        """Create the queue, the database and its containers."""
        await provision(
            queue_client=lambda: self.emulators.queue_client(self.name),
            queue_clients=self.queue_clients,
            cosmos_client=self.emulators.cosmos_client,
            cosmos_database_name=self.name,
        )

    @property
    def queue_clients(self) -> dict[str, Callable[[], QueueClient]]:
        """What makes a client of each further queue, by name."""
        return {name: partial(self.emulators.queue_client, f"{self.name}-{name}") for name in QUEUES}

    async def remove(self) -> None:
        """Remove them; the emulators keep all in memory, and answer queries by looking at all of it."""
        async with self.emulators.cosmos_client() as cosmos:
            await cosmos.delete_database(self.name)
        for name in (self.name, *(f"{self.name}-{name}" for name in QUEUES)):
            async with self.emulators.queue_client(name) as queue:
                with contextlib.suppress(ResourceNotFoundError):  # not every program makes those by name
                    await queue.delete_queue()

    def backend(self, *, redis: bool = True, metrics: Metrics | None = None, **options: Any) -> AzureBackend:
        """A backend here, not yet open: with Redis, or with all in Cosmos DB; all that it asks is counted."""
        metrics = metrics or Metrics()
        if redis:
            options.setdefault("coordination_store", self.redis_store().again(metrics))
        return AzureBackend(
            queue_client=lambda: self.emulators.queue_client(self.name),
            queues=self.queue_clients,
            cosmos_client=self.emulators.cosmos_client,
            cosmos_database_name=self.name,
            metrics=metrics,
            **options,
        )

    @contextlib.contextmanager
    def proxied(self, *, seed: int = 3) -> Iterator[tuple[Place, tuple[Proxy, Proxy, Proxy]]]:
        """The same place behind proxies, of Queue Storage, of Cosmos DB and of Redis."""

        def of(url: str) -> tuple[str, int]:
            parts = urlsplit(url)
            return parts.hostname or "", parts.port or 0

        behind = self.emulators
        with (
            HttpProxy(*of(behind.queue_url), QUEUE_STORAGE, seed=seed) as queue,
            HttpProxy(*of(behind.cosmos_url), COSMOS, seed=seed) as cosmos,
            RedisProxy(*of(behind.redis_url), seed=seed) as redis,
        ):
            there = attrs.evolve(
                behind,
                queue_url=f"{queue.url}{urlsplit(behind.queue_url).path}",
                cosmos_url=cosmos.url,
                redis_url=f"redis://{redis.host}:{redis.port}/0?protocol=2",
            )
            yield attrs.evolve(self, emulators=there), (queue, cosmos, redis)

    def environment(self) -> dict[str, str]:
        """The variables by which ``AzureSettings.from_environment`` finds this place."""
        named = {
            "FLOWCRAFT_QUEUE": self.name,
            "FLOWCRAFT_NAMED_QUEUES": ",".join(QUEUES),
            "FLOWCRAFT_DATABASE": self.name,
        }
        return {**self.emulators.environment(), **named}

    @property
    def url(self) -> str:
        """The place as a URL, for programs with its ``environment``."""
        return f"azure:///{self.name}?queue={self.name}&prefix={self.name}:"

    def redis_store(self) -> RedisCoordinationStore:
        """The coordination store in Redis."""
        return RedisCoordinationStore(self.emulators.redis_client, prefix=f"{self.name}:")

    def cosmos_store(self) -> CosmosCoordinationStore:
        """The coordination store in Cosmos DB."""
        return CosmosCoordinationStore(CosmosDatabase(self.emulators.cosmos_client, self.name).container("contexts"))

    async def write_by_hand(self, run_id: str, context: Mapping[str, Any], when: float) -> None:
        """Write a run's initial context and status, as people do who have only the SDKs."""
        updated = dt.datetime.fromtimestamp(when, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        async with self.emulators.cosmos_client() as cosmos:
            database = cosmos.get_database_client(self.name)
            await database.get_container_client("contexts").create_item({"id": run_id, **context})
            status = {"id": run_id, "status": "running", "lastUpdated": updated}
            await database.get_container_client("statuses").create_item(status)

    async def write_documents(self, container: str, documents: Sequence[dict[str, Any]]) -> None:
        """Write documents as they are, past the adapter."""
        async with self.emulators.cosmos_client() as cosmos:
            target = cosmos.get_database_client(self.name).get_container_client(container)
            for document in documents:
                await target.create_item(document)

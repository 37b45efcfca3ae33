"""The Azure backend: the four ports, opened and closed together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self

from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_core.clock import Clock
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError, raise_together
from flowcraft_core.ports import (
    ContextStore,
    CoordinationStore,
    Finding,
    HandWrittenRuns,
    JobQueue,
    NamedQueues,
    StatusStore,
)
from flowcraft_core.queues import DeclaredQueues

from ._clients import Connection
from ._cosmos import CosmosDatabase, require_two_containers
from ._layout import contexts, statuses
from .by_hand import CosmosHandWrittenRuns
from .context import CosmosContextStore
from .cosmos_coordination import CosmosCoordinationStore
from .metrics import Metrics
from .queue import AzureJobQueue, queue_connection
from .redis_coordination import RedisCoordinationStore
from .settings import AzureSettings
from .status import CosmosStatusStore


class OpenableCoordinationStore(CoordinationStore, Protocol):
    """A coordination store that connects for itself."""

    async def open(self) -> None:
        """Connect, in the event loop in which it is used."""

    async def close(self) -> None:
        """Let go of the connection."""

    def again(self, metrics: Metrics) -> OpenableCoordinationStore:
        """The same with other metrics: for any event loop if this one was given a function, else for its."""

    def require_unopened(self) -> None:
        """Raise ``ConfigurationError`` if this one has connections that another event loop could not use."""


class AzureBackend:
    """A ``flowcraft_core.ports.Backend`` on Queue Storage, Cosmos DB and, if it is given, Redis.

    Also an async context manager, which opens and closes it.

    Attributes:
        queue: The messages.
        queues: Further queues, by name.
        context: The facts and context values.
        status: The statuses.
        coordination: The counters, leases and sets.
        by_hand: The runs that were begun by writing documents.
        metrics: Every request that was answered, by operation. A ``coordination_store`` counts by its own.
    """

    queue: JobQueue
    context: ContextStore
    status: StatusStore
    coordination: CoordinationStore
    by_hand: HandWrittenRuns
    queues: NamedQueues

    def __init__(
        self,
        *,
        queue_client: QueueClient | Callable[[], QueueClient] | Connection[QueueClient],
        queues: Mapping[str, QueueClient | Callable[[], QueueClient] | Connection[QueueClient]] | None = None,
        cosmos_client: CosmosClient | Callable[[], CosmosClient] | Connection[CosmosClient],
        cosmos_database_name: str,
        context_container_name: str = "contexts",
        status_container_name: str = "statuses",
        coordination_store: OpenableCoordinationStore | None = None,
        longest_pause: float = 1.0,
        staleness: float = 2.0,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            queue_client: A client of the storage queue, or a function that makes one.
            queues: Likewise of further ones, by the name that flows and workers call each by: ``{"gpu": client}``. All
                programs on a backend are to be told the same.
            cosmos_client: A client of the Cosmos DB account, or a function that makes one.
            cosmos_database_name: The database.
            context_container_name: The container of facts and context values.
            status_container_name: The container of statuses.
            coordination_store: A ``RedisCoordinationStore``; by default the container of facts holds this too.
            longest_pause: Seconds between two looks at a queue that stays empty.
            staleness: For how long a read may miss what another client has written, seconds.
            clock: What pauses, and times to live in Cosmos DB, go by; by default the machine's clock.
            metrics: What counts the requests; new ones by default.
        """
        self.metrics = metrics or Metrics()
        database = CosmosDatabase(cosmos_client, cosmos_database_name, metrics=self.metrics)
        facts = database.container(context_container_name)
        runs = database.container(status_container_name)
        coordination = coordination_store or CosmosCoordinationStore(facts, clock=clock)
        connection = queue_connection(queue_client)
        queue = AzureJobQueue(connection, longest_pause=longest_pause, clock=clock, metrics=self.metrics)
        self.queue = queue
        connections = {name: queue_connection(given) for name, given in (queues or {}).items()}
        further = {
            name: AzureJobQueue(each, longest_pause=longest_pause, clock=clock, metrics=self.metrics)
            for name, each in connections.items()
        }
        self.queues = DeclaredQueues('AzureBackend(queues={"gpu": client})', further)
        self.context = CosmosContextStore(facts, staleness=staleness)
        self.status = CosmosStatusStore(runs)
        self.coordination = coordination
        self.by_hand = CosmosHandWrittenRuns(facts, runs)
        containers = f"{context_container_name}, {status_container_name}"
        self.name = f"azure (database {cosmos_database_name}, containers {containers})"  # for logs
        self._database = database
        self._queues_given = [(queue_client, connection)]
        self._queues_given += [(given, connections[name]) for name, given in (queues or {}).items()]
        # By service, and of each first what all the others need.
        self._container_names = (context_container_name, status_container_name)
        documents: list[_Openable] = [database, facts, runs]
        if coordination_store is None:
            documents.append(coordination)
        self._services: list[list[_Openable]] = [[queue, *further.values()], documents]
        if coordination_store is not None:
            self._services.append([coordination])
        self._stack: AsyncExitStack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """A backend where the environment says; see ``AzureSettings.from_environment``.

        Raises:
            ConfigurationError: A service is not named.
        """
        settings = AzureSettings.from_environment(environment)
        return cls(queues=settings.queue_clients, **settings.for_backend())

    @classmethod
    def from_url(cls, url: str) -> Self:
        """A backend where ``azure://ACCOUNT/DATABASE`` and the environment say; see ``AzureSettings.from_url``.

        Raises:
            ConfigurationError: The URL cannot be read, says something else, or a service is not named.
        """
        settings = AzureSettings.from_url(url)
        return cls(queues=settings.queue_clients, **settings.for_backend())

    @classmethod
    async def provision_url(cls, url: str) -> Sequence[str]:
        """Create what such a URL names: see ``provision``.

        Raises:
            ConfigurationError: As ``from_url`` does.
            BackendError: A service refuses: the message says which.
        """
        from .provisioning import provision  # noqa: PLC0415 # for whoever sets it up, which is done once

        settings = AzureSettings.from_url(url)
        await provision(queue_clients=settings.queue_clients, **settings.for_provision())
        containers = (settings.context_container_name, settings.status_container_name)
        database = settings.cosmos_database_name
        queues = (settings.queue_name, *map(settings.named_queue, settings.queues))
        return [*(f"queue {name}" for name in queues), *(f"container {database}/{name}" for name in containers)]

    async def open(self) -> None:
        """Connect, and see that the queue and the containers are there.

        Raises:
            BackendError: It is open already, or parts of it are missing or refuse: the message says which and why.
            ConfigurationError: A container has another partition key, one was given for both contexts and statuses, the
                queue's client encodes messages, or a client is of another SDK.
            TransientError: A service does not answer.
        """
        if self._stack is not None:
            raise BackendError("AzureBackend is open already: open each backend once")
        require_two_containers(*self._container_names)
        async with AsyncExitStack() as stack:
            raise_together([error for service in self._services async for error in _open(service, stack)])
            self._stack, self._loop = stack.pop_all(), asyncio.get_running_loop()

    async def diagnose(self) -> Sequence[Finding]:
        """Look at the queue, the containers, Redis and the permissions; see ``flowcraft_core.ports.Diagnosable``.

        Clients that were given as such, and not as functions, are open after it: they could not be opened again.
        """
        from .diagnosis import (  # noqa: PLC0415 # for whoever asks what is wrong
            DiagnosedDatabase,
            DiagnosedRedis,
            examine,
        )

        context_name, status_name = self._container_names
        redis = None
        if isinstance(self.coordination, RedisCoordinationStore):
            redis = DiagnosedRedis(self.coordination.connection(), self.coordination.prefix)
        in_contexts = isinstance(self.coordination, CosmosCoordinationStore)
        layouts = [contexts(context_name), statuses(status_name)]
        database = DiagnosedDatabase(
            self._database.connection(), self._database.name, layouts, context_name if in_contexts else None
        )
        queues = [
            queue_connection(given) if callable(given) else connection for given, connection in self._queues_given
        ]
        return await examine(queues, database, redis)

    async def close(self) -> None:
        """Let go of every connection; it can be opened again. Closing what is not open does nothing.

        Raises:
            BackendError: It is open in another event loop.
        """
        if self._stack is None:
            return
        if self._loop is not asyncio.get_running_loop():
            raise BackendError("AzureBackend is open in another event loop: close it there")
        stack, self._stack = self._stack, None
        await stack.aclose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Openable(Protocol):
    def open(self) -> Awaitable[None]: ...
    def close(self) -> Awaitable[None]: ...


async def _open(service: Sequence[_Openable], stack: AsyncExitStack) -> AsyncIterator[Exception]:
    """Open what there is of a service, and tell what is wrong with it, each part of it that can be asked."""
    for part in service:
        try:
            await part.open()
            stack.push_async_callback(part.close)
        except (BackendError, ConfigurationError) as error:
            yield error
            if part is service[0] or isinstance(error, TransientError):
                return

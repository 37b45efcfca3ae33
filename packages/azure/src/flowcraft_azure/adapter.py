"""``AzureQueueAdapter``: workers, clients and reconcilers on Azure, made of SDK clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from flowcraft_core.durable.adapter import Adapter
from flowcraft_core.durable.options import WorkerOptions
from typing_extensions import Unpack

from ._clients import require_unopened
from ._cosmos import cosmos_connection
from .backend import AzureBackend, OpenableCoordinationStore
from .metrics import Metrics
from .queue import queue_connection
from .run_context import CosmosDbContext

if TYPE_CHECKING:
    from flowcraft_core import FlowRuntime


class AzureQueueAdapter(Adapter):
    """Works on the jobs of a storage queue.

    Clients may be given open, as they come, or as functions that make them. ``serve`` and ``async with`` take each of
    these; ``start`` works in an event loop of its own, and so takes functions, and clients that are not open. Only
    functions serve several event loops at once, as ``start`` beside ``sync_client`` needs.

    Attributes:
        metrics: Every request of this adapter to Azure that was answered, by operation.
    """

    def __init__(
        self,
        *,
        runtime: FlowRuntime,
        queue_client: QueueClient | Callable[[], QueueClient],
        queue_clients: Mapping[str, QueueClient | Callable[[], QueueClient]] | None = None,
        cosmos_client: CosmosClient | Callable[[], CosmosClient],
        cosmos_database_name: str,
        context_container_name: str = "contexts",
        status_container_name: str = "statuses",
        coordination_store: OpenableCoordinationStore | None = None,
        longest_pause: float = 1.0,
        staleness: float = 2.0,
        **options: Unpack[WorkerOptions],
    ) -> None:
        """Put an adapter together; nothing is opened yet.

        Args:
            runtime: Brings the flows, the steps, the serializer and the clock.
            queue_client: A client of the storage queue, or a function that makes one.
            queue_clients: Likewise of further ones, by the name that flows and workers call each by, as in
                ``{"gpu": client}``. The worker serves those that the option ``queues`` names.
            cosmos_client: A client of the Cosmos DB account, or a function that makes one.
            cosmos_database_name: The database.
            context_container_name: The container of facts and context values.
            status_container_name: The container of statuses.
            coordination_store: A ``RedisCoordinationStore``; by default the container of facts holds this too.
            longest_pause: Seconds between two looks at a queue that stays empty.
            staleness: For how long a read may miss what another client has written, seconds.
            options: For the worker: ``concurrency``, ``visibility``, ``grace`` and others; see ``Worker``.
        """
        self._arguments: dict[str, Any] = {
            "runtime": runtime,
            "queue_client": queue_client,
            "queue_clients": queue_clients,
            "cosmos_client": cosmos_client,
            "cosmos_database_name": cosmos_database_name,
            "context_container_name": context_container_name,
            "status_container_name": status_container_name,
            "coordination_store": coordination_store,
            "longest_pause": longest_pause,
            "staleness": staleness,
            **options,
        }
        self._given = {"queue_client": queue_client, "cosmos_client": cosmos_client}
        self._given |= {f"queue_clients[{name!r}]": given for name, given in (queue_clients or {}).items()}
        self._coordination_store = coordination_store
        self.metrics = Metrics()
        # One connection for a client, which works in one event loop; one per backend for a function.
        queue: Any = queue_client if callable(queue_client) else queue_connection(queue_client)
        queues: dict[str, Any] = {
            name: given if callable(given) else queue_connection(given) for name, given in (queue_clients or {}).items()
        }
        self._cosmos: Any = cosmos_client if callable(cosmos_client) else cosmos_connection(cosmos_client)

        def make_backend() -> AzureBackend:
            return AzureBackend(
                queue_client=queue,
                queues=queues,
                cosmos_client=self._cosmos,
                cosmos_database_name=cosmos_database_name,
                context_container_name=context_container_name,
                status_container_name=status_container_name,
                coordination_store=None if coordination_store is None else coordination_store.again(self.metrics),
                longest_pause=longest_pause,
                staleness=staleness,
                clock=runtime.clock,
                metrics=self.metrics,
            )

        super().__init__(make_backend, runtime, **options)

    def start(self) -> None:
        """Work on jobs in a background thread, until ``stop``; returns once the backend is open.

        Raises:
            ConfigurationError: It works already, or a client was given open: the message names it.
            BackendError: A service refuses, or something is missing.
        """
        require_unopened(**self._given)
        if self._coordination_store is not None:
            self._coordination_store.require_unopened()
        super().start()

    def context(self, run_id: str) -> CosmosDbContext:
        """The shared context of a run, for programs that are none of its steps; not open."""
        return CosmosDbContext(
            run_id,
            cosmos_client=self._cosmos,
            cosmos_database_name=self._arguments["cosmos_database_name"],
            context_container_name=self._arguments["context_container_name"],
            serializer=self.runtime.serializer,
            codec=self._arguments.get("codec"),
        )

    def again(self) -> AzureQueueAdapter:
        """An adapter like this one, not open; for another event loop, if this one was given functions."""
        return AzureQueueAdapter(**self._arguments)

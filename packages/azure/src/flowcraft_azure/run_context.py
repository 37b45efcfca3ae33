"""The shared context of one run, for tools beside the run's steps."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from azure.cosmos.aio import CosmosClient
from flowcraft_core.durable import SharedContext
from flowcraft_core.durable.storage import Records
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.serialization import Serializer

from ._clients import Connection
from ._cosmos import CosmosDatabase
from .by_hand import CosmosHandWrittenRuns
from .context import CosmosContextStore


class CosmosDbContext(SharedContext):
    """A ``flowcraft_core.durable.SharedContext`` of a run in Cosmos DB; an async context manager."""

    def __init__(
        self,
        run_id: str,
        *,
        cosmos_client: CosmosClient | Callable[[], CosmosClient] | Connection[CosmosClient],
        cosmos_database_name: str,
        context_container_name: str = "contexts",
        serializer: Serializer | None = None,
        codec: PayloadCodec | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            run_id: The run.
            cosmos_client: A client of the Cosmos DB account, or a function that makes one.
            cosmos_database_name: The database.
            context_container_name: The container of facts and context values.
            serializer: For values; the same as the workers'.
            codec: For stored bytes; the same as the workers'.
        """
        self._container = CosmosDatabase(cosmos_client, cosmos_database_name).container(context_container_name)
        store = CosmosContextStore(self._container)
        records = Records(store, serializer or Serializer(), codec or CompressingCodec())
        super().__init__(run_id, records, CosmosHandWrittenRuns(self._container))

    async def __aenter__(self) -> Self:
        await self._container.open()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._container.close()

"""The shared context of one run, for programs that are none of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from azure.cosmos.aio import CosmosClient
from flowcraft_core.durable.runs import RunRecord, Runs
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.view import whole_state
from flowcraft_core.graph.facts import DELETED
from flowcraft_core.graph.fold import context_of
from flowcraft_core.graph.positions import Position
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.serialization import Serializer

from ._clients import Connection
from ._cosmos import CosmosDatabase
from .by_hand import CosmosHandWrittenRuns
from .context import CosmosContextStore


class CosmosDbContext:
    """The shared context of one run, for programs that are none of its steps; an async context manager.

    What is set here counts as set before the first step, the last such call winning: steps see it when they next read
    the name, and a value that a step sets stands against it. It is no part of what the run gives as its result, which
    follows from what its steps did.
    """

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
        self.run_id = run_id
        self._container = CosmosDatabase(cosmos_client, cosmos_database_name).container(context_container_name)
        self._store = CosmosContextStore(self._container)
        self._records = Records(self._store, serializer or Serializer(), codec or CompressingCodec())
        self._by_hand = CosmosHandWrittenRuns(self._store)

    async def __aenter__(self) -> Self:
        await self._container.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._container.close()

    async def get(self, name: str, default: Any = None) -> Any:
        """The value of a name as it stands, or the default if there is none."""
        value = await self._find(name)
        return default if value is DELETED else value

    async def has(self, name: str) -> bool:
        """Whether there is a value, be it None."""
        return await self._find(name) is not DELETED

    async def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: It cannot be stored.
            TransientError: It may or may not be set; set it again.
        """
        await self.patch({name: value})

    async def delete(self, name: str) -> None:
        """Remove a value; none is no error."""
        await self.patch({}, delete=[name])

    async def patch(self, values: Mapping[str, Any], *, delete: Iterable[str] = ()) -> None:
        """Set some values and remove others, all with one time; name by name, and not all or none.

        Args:
            values: Those to set, by name.
            delete: Names to remove.
        """
        changes = {**values, **dict.fromkeys(delete, DELETED)}
        await self._records.apply(self.run_id, "", _outside(time.time_ns()), changes)

    async def to_dict(self) -> dict[str, Any]:
        """All values by name: of what the run was started with, what its steps have set, and what was set here.

        It reads every fact of the run. The contexts of subflows are their own, and not in it.
        """
        record = await self._record()
        known = await self._initial(record)
        subflows: tuple[str, ...] = ()
        if record is not None:
            state = await whole_state(record, self._records)
            known = context_of(state)
            subflows = tuple(scope.prefix for scope in state.root.walk() if scope.namespace is scope and scope.prefix)
        stored = [name for name in await self._store.names(self.run_id) if not name.startswith(subflows)]
        standing = await self._records.values(self.run_id, "", sorted({*known, *stored}))
        known |= {name: value for name, (_, value) in standing.items()}
        return {name: value for name, value in sorted(known.items()) if value is not DELETED}

    async def _find(self, name: str) -> Any:
        """The value of a name, or ``DELETED`` if there is none."""
        standing = await self._records.values(self.run_id, "", [name])
        if name in standing:
            return standing[name][1]
        return (await self._initial(await self._record())).get(name, DELETED)

    async def _record(self) -> RunRecord | None:
        return await Runs(self._records).get(self.run_id)

    async def _initial(self, record: RunRecord | None) -> dict[str, Any]:
        """What the run was, or will be, started with."""
        if record is not None:
            return dict(record.context)
        return dict(await self._by_hand.initial_context(self.run_id) or {})


def _outside(nanoseconds: int) -> Position:
    """After what the run was started with, before every node (whose ids are not empty), and in the order of time."""
    return ((0, "", nanoseconds // 1_000),)

"""The shared context of one run, for tools beside the run's steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from azure.cosmos.aio import CosmosClient
from flowcraft_core.durable.runs import RECORD_KEY
from flowcraft_core.durable.storage import Records
from flowcraft_core.errors import TransientError
from flowcraft_core.graph.facts import DELETED
from flowcraft_core.graph.positions import INITIAL, Position
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.serialization import Serializer

from ._cosmos import CosmosDatabase
from ._names import document_id, is_hashed, key_of, partition_key
from .by_hand import CosmosHandWrittenRuns
from .context import CosmosContextStore

_ID_PREFIX = document_id("value", "-")[:-1]

# Each time that a value cannot be set, another setter has got on.
_TRIES = 20


class CosmosDbContext:
    """Reads and sets the context values of one run, whichever steps have set them; an async context manager.

    Inside of steps use ``ctx``: what a step sets there is part of its outcome, and so of the run's result. What is set
    here is seen by the steps that read the name from then on, until a later one sets it; it is no step's doing, and the
    result of the run does not have it.
    """

    def __init__(
        self,
        run_id: str,
        *,
        cosmos_client: CosmosClient | Callable[[], CosmosClient],
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
        self._serializer = serializer or Serializer()
        store = CosmosContextStore(self._container)
        self._records = Records(store, self._serializer, codec or CompressingCodec())
        self._by_hand = CosmosHandWrittenRuns(self._container)
        self._initial: Mapping[str, Any] | None = None

    async def __aenter__(self) -> Self:
        await self._container.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._container.close()

    async def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or the default if it has none."""
        values = await self._values([name])
        return values.get(name, default)

    async def has(self, name: str) -> bool:
        """Whether a name has a value."""
        return name in await self._values([name])

    async def set(self, name: str, value: Any) -> None:
        """Set a value, as if the step that set the name last had gone on to do it.

        Raises:
            SerializationError: The value cannot be stored.
            TransientError: Others set the name without end.
        """
        for _ in range(_TRIES):
            standing = (await self._records.values(self.run_id, "", [name])).get(name)
            position = _after(INITIAL if standing is None else standing[0])
            await self._records.apply(self.run_id, "", position, {name: value})
            now = (await self._records.values(self.run_id, "", [name])).get(name)
            if now is not None and (now[0] > position or (now[0] == position and _same(now[1], value))):
                return
        raise TransientError(f"run {self.run_id!r}: context value {name!r} is set by many at once; try again")

    async def delete(self, name: str) -> None:
        """Take the value of a name away."""
        await self.set(name, DELETED)

    async def patch(self, values: Mapping[str, Any], *, delete: Iterable[str] = ()) -> None:
        """Set several values, and take others away; each name by itself.

        Args:
            values: By name.
            delete: The names to take away.
        """
        for name, value in values.items():
            await self.set(name, value)
        for name in delete:
            await self.delete(name)

    async def to_dict(self) -> dict[str, Any]:
        """All values by name. A value of a subflow's own context has the subflow's key in front, and a slash."""
        documents = await self._container.query(
            "c.runId = @run AND STARTSWITH(c.id, @prefix)",
            partition_key(self.run_id),
            run=partition_key(self.run_id),
            prefix=_ID_PREFIX,
        )
        names = [document["key"] if is_hashed(document["id"]) else key_of(document["id"]) for document in documents]
        return await self._values([*await self._initial_values(), *names])

    async def _values(self, names: Iterable[str]) -> dict[str, Any]:
        found = await self._records.values(self.run_id, "", list(dict.fromkeys(names)))
        initial = await self._initial_values()
        values = {name: initial[name] for name in names if name in initial}
        values |= {name: value for name, (_, value) in found.items()}
        return {name: value for name, value in values.items() if value is not DELETED}

    async def _initial_values(self) -> Mapping[str, Any]:
        if self._initial is None:
            record = await self._records.get(self.run_id, RECORD_KEY)
            if record is not None:
                decode = self._serializer.from_data
                self._initial = {name: decode(value) for name, value in record["context"].items()}
            else:  # kept only once there is a record: what is written by hand may still come
                return await self._by_hand.initial_context(self.run_id) or {}
        return self._initial


def _after(position: Position) -> Position:
    """Just after a setter, and before all that come after it in the flow."""
    if position and position[-1][:2] == (0, ""):
        return (*position[:-1], (0, "", position[-1][2] + 1))
    return (*position, (0, "", 1))


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)

"""The in-memory backend under the contracts: what it declares, and its side door."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import attrs
from flowcraft_core.ports import Fact, PositionedValue, RunStatus

from ..memory import CLOUD_QUEUE, CLOUD_STORE, InMemoryBackend, Weaknesses
from ..memory.context import RecordTable
from ..memory.transactions import InMemoryTransaction
from .clauses import Declared

T = TypeVar("T")


def declared(weaknesses: Weaknesses | None = None) -> Declared:
    """What an ``InMemoryBackend`` with these weaknesses says of itself, on a ``VirtualClock``."""
    weaknesses = weaknesses or Weaknesses()
    return Declared(
        queue_limits=CLOUD_QUEUE,
        store_limits=attrs.evolve(CLOUD_STORE, staleness=weaknesses.staleness),
        index_lag=float(weaknesses.index_lag),
        skips_time=True,
        side_door=True,
        hand_written=True,
        cuts=True,
        outages=True,
        refusals=True,
        processes=False,
        other_store=True,
        by_url=False,
        depth="each",
        newest_first=not weaknesses.unordered,
        diagnosis=True,
        transactions=not weaknesses.apart,
        named_queues=not weaknesses.single,
        notices_death=False,
        starts=not weaknesses.piecemeal,
    )


class WritesByHand:
    """Beside a ``BackendContract``: begins runs by hand in memory."""

    async def write_by_hand(self, backend: Any, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        """See ``BackendContract``."""
        backend.inner.begin_by_hand(run_id, values)


class InMemorySideDoor:
    """A ``SideDoor`` to what all clients of an ``InMemoryBackend`` share."""

    def __init__(self, backend: InMemoryBackend) -> None:
        self._world = backend._world

    async def messages(self) -> Sequence[str]:
        """See ``SideDoor``."""
        return [message.body for message in self._world.messages._messages]

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        """See ``SideDoor``."""
        return _newest(self._world.facts, run_id)

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        """See ``SideDoor``."""
        return _newest(self._world.values, run_id)

    async def status(self, run_id: str) -> RunStatus | None:
        """See ``SideDoor``."""
        return self._world.statuses.get(run_id)


class InMemoryRows:
    """A ``ProgramRows`` in memory."""

    def __init__(self, backend: InMemoryBackend) -> None:
        self._backend = backend

    def transaction(self) -> AbstractAsyncContextManager[InMemoryTransaction]:
        """See ``ProgramRows``."""
        return self._backend.transaction()

    async def write(self, connection: InMemoryTransaction, row: str) -> None:
        """See ``ProgramRows``."""
        connection.check()
        connection.rows.append(row)

    async def read(self) -> Collection[str]:
        """See ``ProgramRows``."""
        return self._backend.rows


class InMemoryTrouble:
    """A ``Trouble`` for all clients of an ``InMemoryBackend``."""

    def __init__(self, backend: InMemoryBackend) -> None:
        self._backend = backend

    async def cut(self) -> None:
        """See ``Trouble``."""
        self._backend.cut_connections()

    async def take_down(self) -> None:
        """See ``Trouble``."""
        self._backend.take_down()

    async def bring_up(self) -> None:
        """See ``Trouble``."""
        self._backend.bring_up()

    async def refuse(self) -> None:
        """See ``Trouble``."""
        self._backend.refuse()


def _newest(table: RecordTable[T], run_id: str) -> dict[str, T]:
    found = ((key, record.newest) for (run, key), record in table._records.items() if run == run_id)
    return {key: value for key, value in found if value is not None}

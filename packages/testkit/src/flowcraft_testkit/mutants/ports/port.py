"""How a port is broken: it is wrapped in one that gets a single thing wrong and passes on everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import attrs
from flowcraft_core import Clock
from flowcraft_core.ports import Fact, PositionedValue, RunStatus

from ...contracts.clauses import ClauseFunction
from ...memory import InMemoryBackend
from ..mutant import spoiled_by

MutantT = TypeVar("MutantT", bound="BrokenPort")


class BrokenPort:
    """Passes on what its subclass does not get wrong."""

    name: ClassVar[str]  # of the port in a backend

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    @property
    def effects(self) -> Any:
        """What is behind the in-memory port and shared by all clients, for what no caller of a port can do."""
        return getattr(self._port, "_store", None) or self._port._table


def private_backend(clock: Clock | None = None) -> InMemoryBackend:
    """One that no other client can see, for ports that keep things in their client's memory."""
    backend = InMemoryBackend(clock=clock)
    backend._connection.open()
    return backend


def caught_by(clause: ClauseFunction) -> Callable[[type[MutantT]], type[MutantT]]:
    """Name the clause that must fail on a broken port, and add it to the mutants."""

    def note(broken: type[MutantT]) -> type[MutantT]:
        spoiled_by(broken.name, broken, clause)
        return broken

    return note


class BrokenQueue(BrokenPort):
    """A job queue."""

    name = "queue"


class BrokenContext(BrokenPort):
    """A context store."""

    name = "context"

    async def overwrite(self, run_id: str, key: str, fact: Fact) -> None:
        """Put whatever stands."""
        await self._port.delete(run_id, keys=[key], names=[])
        await self._port.put(run_id, key, fact)

    async def set(self, run_id: str, name: str, value: PositionedValue) -> None:
        """Set whatever stands."""
        await asyncio.sleep(0)
        self._port._values.write_if(run_id, name, value, lambda standing: True, writer=None)


class BrokenStatus(BrokenPort):
    """A status store."""

    name = "status"

    async def overwrite(self, status: RunStatus, **changes: Any) -> None:
        """Create whatever stands."""
        await self._port.delete(status.run_id)
        await self._port.create(attrs.evolve(status, **changes))


class BrokenCoordination(BrokenPort):
    """A coordination store."""

    name = "coordination"

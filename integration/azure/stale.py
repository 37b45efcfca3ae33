"""A client whose reads are behind, as those of another replica are under session consistency."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import attrs
from flowcraft_azure import AzureBackend
from flowcraft_azure._cosmos import Container, Document


@attrs.define
class Replicas:
    """What was written when, and by which client; shared by all clients of a place.

    Attributes:
        lag: For how long a client does not see what another one has created, seconds.
        hidden: How often something was there and not shown.
    """

    lag: float
    hidden: int = 0
    _written: dict[tuple[str, str, str], tuple[float, object]] = attrs.field(factory=dict)

    def make_stale(self, backend: AzureBackend) -> AzureBackend:
        """Have a backend, not yet open, read facts and values as a client of its own."""
        context: Any = backend.context
        context.container = _Stale(self, context.container)
        return backend

    def note(self, name: tuple[str, str, str], by: object) -> None:
        """Note that a document was created."""
        self._written[name] = (time.monotonic(), by)

    def shows(self, name: tuple[str, str, str], to: object) -> bool:
        """Whether a client sees a document that is there."""
        when, by = self._written.get(name, (0.0, to))
        shown = by is to or time.monotonic() - when >= self.lag
        self.hidden += not shown
        return shown


class _Stale:
    """A container that shows its client's own writes at once, and those of others after the lag."""

    def __init__(self, replicas: Replicas, container: Container) -> None:
        self._replicas, self._container = replicas, container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def _name(self, id_: str, partition: str) -> tuple[str, str, str]:
        return (self._container.database.name, partition, id_)

    async def create(self, document: Mapping[str, Any]) -> bool:
        created = await self._container.create(document)
        if created:
            self._replicas.note(self._name(document["id"], document["runId"]), self)
        return created

    async def read(self, document_id: str, partition: str) -> Document | None:
        found = await self._container.read(document_id, partition)
        if found is not None and not self._replicas.shows(self._name(document_id, partition), self):
            return None
        return found

    async def query(self, where: str, partition: str | None = None, **parameters: Any) -> list[Document]:
        found = await self._container.query(where, partition, **parameters)
        return [each for each in found if self._replicas.shows(self._name(each["id"], each["runId"]), self)]

"""Runs that somebody began by writing documents, and not by a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._cosmos import Container, Document
from ._names import document_id, may_be_id, partition_key

#: What was written by hand has no partition.
WRITTEN_BY_HAND = "NOT IS_DEFINED(c.runId)"

_COPY = document_id("by-hand")


class CosmosHandWrittenRuns:
    """A ``flowcraft_core.ports.HandWrittenRuns``: documents ``{"id": run_id, name: value, ...}`` without a ``runId``.

    Such a document is in no run's partition. It is found by its id in all of them, and copied into its run's partition,
    so that whoever comes next finds it there.
    """

    def __init__(self, container: Container, statuses: Container | None = None) -> None:
        """Use the container of facts, and of statuses where flows are to be filled in; they may not be open yet."""
        self._container = container
        self._statuses = statuses

    async def initial_context(self, run_id: str) -> Mapping[str, Any] | None:
        """The initial context values that were written for a run, JSON data by name; None if nothing was."""
        partition = partition_key(run_id)
        copy = await self._container.read(_COPY, partition)
        if copy is None:
            found = await self._container.query(f"c.id = @id AND {WRITTEN_BY_HAND}", id=run_id)
            if not found:
                return None
            copy = {"id": _COPY, "runId": partition, "context": _values(found[0])}
            await self._container.create(copy)
        context: dict[str, Any] = copy["context"]
        return context

    async def name_flow(self, run_id: str, blueprint_id: str) -> None:
        """Fill in the flow of a run in its status, if that was written by hand and names none."""
        assert self._statuses is not None, "only a backend takes runs up"
        change = [("set", "/blueprintId", blueprint_id)]
        await self._statuses.patch(document_id("status"), partition_key(run_id), change, 'c.blueprintId = ""')

    async def delete(self, run_id: str) -> None:
        """Remove what was written for a run, and its copy."""
        await self._container.delete(_COPY, partition_key(run_id))
        if may_be_id(run_id):  # else nobody can have written it
            await self._container.delete(run_id, None)


def _values(written: Document) -> dict[str, Any]:
    """What is the user's in a document: all but its id and what Cosmos DB adds."""
    own = {"id", "_rid", "_self", "_etag", "_attachments", "_ts"}
    return {name: value for name, value in written.items() if name not in own}

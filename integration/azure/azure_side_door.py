"""What the emulators really hold, asked in Cosmos DB's own words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from flowcraft_azure._names import document_id, is_hashed, key_of, partition_key
from flowcraft_core.ports import Fact, PositionedValue, RunStatus
from places import Place


class AzureSideDoor:
    """See ``SideDoor``; a queue shows only messages that can be received, so that there is none for it."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def messages(self) -> Sequence[str]:
        """See ``SideDoor``."""
        raise NotImplementedError("Queue Storage does not show what is delayed or held")

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        """See ``SideDoor``."""
        return {
            key: Fact(base64.b64decode(document["body"]), document["writer"], document["job"])
            for key, document in (await self._documents("fact", run_id)).items()
        }

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        """See ``SideDoor``."""
        return {
            name: PositionedValue(document["position"], document["body"] and base64.b64decode(document["body"]))
            for name, document in (await self._documents("value", run_id)).items()
        }

    async def status(self, run_id: str) -> RunStatus | None:
        """See ``SideDoor``."""
        for document in await self._all("statuses"):
            if document["run"] == run_id:
                return RunStatus(
                    run_id=run_id,
                    state=document["status"],
                    blueprint_id=document["blueprintId"],
                    created=document["created"],
                    updated=document["updated"],
                    next_check=document["nextCheck"],
                    tags=document["tags"],
                    reason=document["reason"],
                    body=document["body"],
                )
        return None

    async def _documents(self, kind: str, run_id: str) -> dict[str, Any]:
        prefix = document_id(kind, "-")[:-1]
        return {
            document["key"] if is_hashed(document["id"]) else key_of(document["id"]): document
            for document in await self._all("contexts")
            if document["runId"] == partition_key(run_id) and document["id"].startswith(prefix)
        }

    async def _all(self, container: str) -> list[Any]:
        async with self._place.emulators.cosmos_client() as cosmos:
            found = cosmos.get_database_client(self._place.name).get_container_client(container).read_all_items()
            return [document async for document in found]

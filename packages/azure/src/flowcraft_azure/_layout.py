"""What there has to be in Cosmos DB: ``provision`` creates it by this description, the doctor compares by it."""

from __future__ import annotations

from typing import Any

import attrs

#: Facts are found by their ids, which Cosmos DB indexes by itself: to index what is in them would only cost writes.
CONTEXT_INDEXING: dict[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/runId/?"}],
    "excludedPaths": [{"path": "/*"}],
}

#: Statuses are found by their state and by the time at which they are due.
STATUS_INDEXING: dict[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": f"/{name}/?"} for name in ("runId", "status", "nextCheck", "lastUpdated")],
    "excludedPaths": [{"path": "/*"}],
}

#: Documents last, unless one has a time to live of its own.
EACH_BY_ITSELF = -1
#: Documents that are kept for less, seconds, may go while their run still sleeps or waits.
LEAST_KEPT = 7 * 86_400


@attrs.frozen
class ContainerLayout:
    """What a container has to be like.

    Attributes:
        name: Its name.
        indexing: Its indexing policy.
    """

    name: str
    indexing: dict[str, Any]

    @property
    def indexed(self) -> list[str]:
        """The paths that questions are asked by."""
        return [each["path"] for each in self.indexing["includedPaths"]]


def contexts(name: str) -> ContainerLayout:
    """The container of facts and context values; without Redis of hints, too."""
    return ContainerLayout(name, CONTEXT_INDEXING)


def statuses(name: str) -> ContainerLayout:
    """The container of statuses."""
    return ContainerLayout(name, STATUS_INDEXING)

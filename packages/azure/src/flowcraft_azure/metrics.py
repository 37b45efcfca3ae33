"""Requests to Azure as they were answered, counted below the SDKs' own retries."""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from ._names import partition_key

#: So many partitions are kept apart; of further ones, those that were not heard of longest are forgotten. A run is one,
#: and without Redis each set, lease and counter is one too.
_PARTITIONS_KEPT = 4_000

#: Answers after which a call is made again, by the SDK or by the engine.
_AGAIN = frozenset({408, 410, 429, 449, 500, 502, 503, 504})

_OF_QUEUE = {"GET": "queue.receive", "POST": "queue.send", "PUT": "queue.extend", "DELETE": "queue.acknowledge"}
_OF_COSMOS = {
    "GET": "cosmos.read",
    "POST": "cosmos.create",
    "PUT": "cosmos.replace",
    "PATCH": "cosmos.patch",
    "DELETE": "cosmos.delete",
}


class Metrics:
    """Counts of requests by operation, as ``cosmos.create``. May be read at any time, from any thread.

    What is asked once, to find the queue and the containers, is left out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._units: dict[str, float] = {}
        self._empty_receives = 0
        self._partitions: OrderedDict[str, Counter[str]] = OrderedDict()
        #: For each call of an SDK: it tells of every answer, also of those that the SDK does not hand on.
        self.watching: Mapping[str, Any] = {"raw_response_hook": self.note}

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests by operation, those of ``retries`` and ``empty_receives`` included: what is billed."""
        with self._lock:
            return Counter(self._requests)

    @property
    def retries(self) -> Mapping[str, int]:
        """Requests that had to be made again: the service was throttling, or failed in passing."""
        with self._lock:
            return Counter(self._retries)

    @property
    def request_bytes(self) -> Mapping[str, int]:
        """Bytes of the bodies of requests to Queue Storage and Cosmos DB, by operation."""
        with self._lock:
            return Counter(self._bytes)

    @property
    def request_units(self) -> Mapping[str, float]:
        """Request units that Cosmos DB says it has charged, by operation. Emulators say 1, whatever it was."""
        with self._lock:
            return dict(self._units)

    @property
    def empty_receives(self) -> int:
        """Looks at the queue that brought nothing."""
        return self._empty_receives

    def of_run(self, run_id: str) -> Mapping[str, int]:
        """Requests to Cosmos DB that were made for one run, of the runs that were heard of last.

        The queue's and Redis's, and looks for runs that are due, are in no run's.
        """
        with self._lock:
            return Counter(self._partitions.get(partition_key(run_id), {}))

    def note(self, answer: Any) -> None:
        """Count a request that Queue Storage or Cosmos DB has answered.

        Args:
            answer: The answer, as a pipeline of azure-core has it.
        """
        operation = operation_of(answer.http_request)
        if operation is None:
            return
        request, response = answer.http_request, answer.http_response
        partition = _partition_of(request)
        with self._lock:
            self._requests[operation] += 1
            self._bytes[operation] += int(request.headers.get("Content-Length") or 0)
            if response.status_code in _AGAIN:
                self._retries[operation] += 1
            if (charge := response.headers.get("x-ms-request-charge")) is not None:
                self._units[operation] = self._units.get(operation, 0.0) + float(charge)
            if partition is not None:
                self._partitions.setdefault(partition, Counter())[operation] += 1
                self._partitions.move_to_end(partition)
                if len(self._partitions) > _PARTITIONS_KEPT:
                    self._partitions.popitem(last=False)

    def note_command(self, command: str) -> None:
        """Count a command that is sent to Redis."""
        with self._lock:
            self._requests[f"redis.{command}"] += 1

    def note_empty_receive(self) -> None:
        """Count a look at the queue that brought nothing."""
        with self._lock:
            self._empty_receives += 1


def operation_of(request: Any) -> str | None:
    """What a request of azure-core asks for; None if it is about no message and no document."""
    path: str = request.url.partition("?")[0]
    if "/messages" in path:
        return _OF_QUEUE.get(request.method)
    if "/docs" not in path:
        return None
    if str(request.headers.get("x-ms-documentdb-isquery", "")).lower() == "true":
        return "cosmos.query"
    return _OF_COSMOS.get(request.method)


def _partition_of(request: Any) -> str | None:
    """Whose documents a request to Cosmos DB is about; None if it says nothing of it."""
    named = request.headers.get("x-ms-documentdb-partitionkey")
    values = json.loads(named) if named else []
    return values[0] if values and isinstance(values[0], str) else None

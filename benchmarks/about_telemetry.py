"""The section on what telemetry costs."""

from __future__ import annotations

from collections.abc import Mapping

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "Telemetry"
RESULTS = ("telemetry",)

_MEASURED = """What traces and metrics cost, with OpenTelemetry's SDK and an exporter that drops what it gets: spans
and requests for each node of a chain of {nodes:,}, counted; and what a node takes of a processor in process, in the
middle of several turns. A node may have {in_process:g} spans in process and {on_worker:g} on a worker; on a worker,
there may be no request more than without."""

_FOUND = """A node has {spans}. On a worker a node takes {on:.3f} requests with telemetry, and {off:.3f} without.

{table}"""

_TRIED = """- A run's span above those of its nodes, and one span for all attempts: both need an id before its time,
  and a start that somebody remembers ([note 24](decisions/0024-traces.md)). So the start's context stands in the
  run's record, which is read anyhow.
- An exporter in these figures: what a real one takes is its own."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["telemetry"].answer
    off, nodes = answer["us_per_node"]["off"]["us"], answer["nodes"]
    rows = [
        [way, f"{each['us']:.1f}", between((each["min"], each["max"]), ".1f"), f"{each['us'] - off:+.1f}"]
        for way, each in answer["us_per_node"].items()
    ]
    return Section(
        measured=_MEASURED.format(
            nodes=nodes, in_process=answer["bounds"]["in process"], on_worker=answer["bounds"]["on a worker"]
        ),
        found=_FOUND.format(
            spans=" and ".join(f"{count:.0f} spans {where}" for where, count in answer["spans_per_node"].items()),
            on=answer["requests"]["on"] / nodes,
            off=answer["requests"]["off"] / nodes,
            table=table(["telemetry", "us of a processor for a node", "least to most", "more than off"], rows),
        ),
        tried=_TRIED,
    )

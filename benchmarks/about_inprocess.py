"""The section on runs in one process, beside other engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_plots import bar_plot, line_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "In one process"
RESULTS = ("inprocess-peers",)

_HIDDEN = "Flowcraft, built again"
_SHAPES = {
    "chain": "steps one after the other",
    "fan": "one step, then all but two side by side, then one that joins them",
    "batch": "a list, a step for each item, and one that adds them up",
    "loop": "passes of two steps, until the value is as large as it should be",
}

_MEASURED = """How long the processor is busy for a node, of steps that add one, on four shapes of graph: {shapes}.

Each way is a process of its own; all are measured in turns, {rounds} rounds of them, and what counts is the middle.
Flows and graphs are built and compiled before. The floor is the same work written by hand as loops, which have no ids,
records, copies, retries or results. All ways must give the same result. LangGraph and Burr run their steps plain or
awaited, whichever is faster; nothing is stored anywhere, and no telemetry is on.

{ways}"""

_FOUND = """Microseconds of a processor for each node; with how the steps were written where there is a choice:

{table}

{plots}

A decorated flow takes {ratio:.3f} of the time of the same flow made by a builder, in the middle of the shapes where
both do the same (all but the fan, whose decorated join gets no values); {bound:.3f} is allowed. Two processes with the
same built flows differ by {noise:.1%}, which is what this measurement cannot tell apart."""

_TRIED = """- Seconds by the clock: on a busy machine they tell what else it does.
- A general call for each decorated step, with a dictionary, and a function or two for each parameter: four calls more
  for each step, which was seen. A step of one parameter, which is what most are, takes one more now.
- pydantic-graph with nodes as classes: a chain needs a class for each of its nodes; its builder is what its
  documentation shows for fans and batches, too."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["inprocess-peers"].answer
    ways = {name: way for name, way in answer["ways"].items() if name != _HIDDEN}
    shown = [_plot(answer["rows"], shape, list(ways), plots) for shape in _SHAPES]
    return Section(
        measured=_MEASURED.format(
            shapes="; ".join(f"{shape} ({what})" for shape, what in _SHAPES.items()),
            rounds=answer["rounds"],
            ways="\n".join(f"- **{name}** ({way['version']}): {way['settings']}." for name, way in ways.items()),
        ),
        found=_FOUND.format(
            table=_table(answer["rows"], list(ways)),
            plots="\n\n".join([*shown, _bars(answer["rows"], list(ways), plots)]),
            ratio=answer["decorated_to_built"],
            bound=answer["bound"],
            noise=answer["noise"],
        ),
        tried=_TRIED,
    )


def _table(rows: list[dict[str, Any]], ways: list[str]) -> str:
    return table(
        ["shape", "nodes", *ways],
        [
            [row["shape"], f"{row['nodes']:,}", *(_cell(name, row["us_per_node"][name]) for name in ways)]
            for row in rows
        ],
    )


def _cell(name: str, each: dict[str, Any]) -> str:
    figure = f"{each['median']:,.1f}" if each["median"] < 100 else f"{each['median']:,.0f}"
    return f"{figure} {each['steps']}" if name in ("Burr", "LangGraph") else figure


def _plot(rows: list[dict[str, Any]], shape: str, ways: list[str], plots: Plots) -> str:
    lines = {
        name: [(row["nodes"], row["us_per_node"][name]["median"]) for row in rows if row["shape"] == shape]
        for name in ways
    }
    svg = line_plot(f"A {shape}", "nodes", "us of a processor for a node", lines)
    return plots.add(f"inprocess-{shape}", f"Time for a node of a {shape}, by its size", svg)


def _bars(rows: list[dict[str, Any]], ways: list[str], plots: Plots) -> str:
    row = max((row for row in rows if row["shape"] == "chain"), key=lambda row: int(row["nodes"]))
    bars = {name: tuple(row["us_per_node"][name][key] for key in ("median", "min", "max")) for name in ways}
    svg = bar_plot(f"A chain of {row['nodes']:,}, least to most of the rounds", "us for a node", bars)
    return plots.add("inprocess-spread", "Time for a node of a chain, and how far the rounds spread", svg)

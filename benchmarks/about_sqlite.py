"""The section on durable runs on SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_plots import bar_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "SQLite"
RESULTS = ("durable",)

_MEASURED = """Runs in one file of SQLite, in which each commit is on the disk before it counts (`synchronous=FULL`),
beside what bare commits of rows of the size of an outcome take in the same moments. Each round has a file of its own
and takes all in short turns; its figures are the middle of the turns, and what counts is the middle of {rounds}
rounds. Steps do nothing. Several workers on one file are processes, and runs are started once all are there."""

_FOUND = """{table}

{plot}"""

_TRIED = """- Looking into the file every 2 ms for messages, in another thread, where nobody has written: [note
  54](decisions/0054-packed-items.md) says how a worker knows now, and what is left of a chain beside its commits.
- Fewer commits than one for each step: an outcome is durable before what follows from it begins.
- `synchronous=NORMAL` for these figures: it is there to be chosen, and loses what was done last when the power fails.
  The figures on this page of large batches and of many runs are of it, since they are not about the disk."""

#: What is shown of the answer: what it is, how it is written, and what is said of its bound.
ROWS: dict[str, tuple[str, str, str]] = {
    "sqlite_commits_per_s": ("bare commits", "{:,.0f}/s", ""),
    "chain_ms": ("a chain of 20 steps", "{:,.1f} ms", ""),
    "chain_to_floor": ("such a chain, in its bare commits", "{:,.2f}", "at most {:g}"),
    "chains_steps_per_s": ("100 such chains at once", "{:,.0f} steps/s", ""),
    "fan_ms": ("one step, 200 side by side, one that joins them", "{:,.0f} ms", ""),
    "batch_items_per_s": ("a batch of 10,000", "{:,.0f} items/s", ""),
    "item_to_step": ("an item of it, in steps of those chains", "{:,.2f}", "at most {:g}"),
}
_OF = "steps_per_s_of_"


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["durable"].answer
    of = {name.removeprefix(_OF): answer[name] for name in answer if name.startswith(_OF)}
    rows = ROWS | {f"{_OF}{number}": (f"200 chains, {number} worker processes", "{:,.0f} steps/s", "") for number in of}
    rows["many_to_best"] = ("the most processes, in the best of fewer", "{:,.2f}", "at least {:g}")
    cells = [_cells(answer, name, *row) for name, row in rows.items()]
    bars = {
        f"Flowcraft, {number} processes": (steps, *answer["spread"][f"{_OF}{number}"]) for number, steps in of.items()
    }
    shown = bar_plot("Worker processes on one file, least to most of the rounds", "steps/s", bars)
    return Section(
        measured=_MEASURED.format(rounds=len(answer["rounds"])),
        found=_FOUND.format(
            table=table(["what", "middle", "rounds", "allowed"], cells),
            plot=plots.add("sqlite-processes", "Steps a second of several worker processes on one file", shown),
        ),
        tried=_TRIED,
    )


def _cells(answer: Mapping[str, Any], name: str, what: str, form: str, allowed: str) -> list[str]:
    value, spread = answer[name], answer["spread"][name]
    number = form.partition("}")[0].removeprefix("{:")
    return [what, form.format(value), between(spread, number), allowed and allowed.format(answer["bounds"][name])]

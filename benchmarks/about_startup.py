"""The section on start-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_plots import bar_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table
from startup import JUSTIFIED

TITLE = "Start-up"
RESULTS = ("startup",)

_MEASURED = """What it takes to import each distribution, after what it stands on has been imported in the same
process; and what it takes from the beginning of a process until its first step, beside a program that does next to
nothing on the same ground. Each figure is the middle of {rounds} fresh processes, one after the other in turns, by the
processor's time. In Lambda, it is until the handler could take its first message: the SDK, its two clients, the
runtime and the adapter; no service is called. Wheels are built as they are published."""

_FOUND = """`import flowcraft_core` loads what fetches its names, and nothing that it does not use:

{justified}

{table}

{imports}

From the beginning of the process on:

{starts}

Of ours, the modules that take longest by themselves for a step in process, as `python -X importtime` tells,
in milliseconds: {slowest}.

{wheels}"""

_TRIED = """- [Note 50](decisions/0050-start-up.md) says what was changed, and what was weighed and left: tuples in
  place of attrs' classes, classes without `__repr__` or `__eq__`, classes made at first use.
- `-X importtime` for all figures: it tells the clock's time, and on a busy machine what else that does."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["startup"].answer
    bars = {
        f"Flowcraft: {what}": (row["then_ms"], row["min_ms"], row["max_ms"]) for what, row in answer["imports"].items()
    }
    shown = bar_plot("Imports, over what they stand on", "ms", bars)
    return Section(
        measured=_MEASURED.format(rounds=answer["rounds"]),
        found=_FOUND.format(
            justified="\n".join(f"- `{name}`: {why}" for name, why in JUSTIFIED.items()),
            table=_imports(answer["imports"]),
            imports=plots.add("startup-imports", "Milliseconds of each import", shown),
            starts=_starts(answer["starts"]),
            slowest=", ".join(f"`{name}` {took:.1f}" for name, took in answer["slowest_ms"].items()),
            wheels=_wheels(answer["wheels"]),
        ),
        tried=_TRIED,
    )


def _imports(rows: Mapping[str, dict[str, Any]]) -> str:
    head = ["import", "ms", "over the ms of", "that is", "allowed", "modules of ours", "of others"]
    return table(
        head,
        [
            [
                what,
                f"{row['then_ms']:.1f}",
                f"{row['first_ms']:.0f}: {row['first'].removeprefix('import ')}",
                f"{row['share']:.2f} of it",
                f"{row['most']:g}",
                f"{row['modules']}",
                f"{row['others']}",
            ]
            for what, row in rows.items()
        ],
    )


def _starts(rows: Mapping[str, dict[str, Any]]) -> str:
    head = ["where", "until", "ms", "the floor's ms", "times the floor", "allowed"]
    return table(
        head,
        [
            [
                what,
                row["until"],
                f"{row['ms']:.0f}",
                f"{row['floor_ms']:.0f}",
                f"{row['to_floor']:.2f}",
                f"{row['most']:g}",
            ]
            for what, row in rows.items()
        ],
        words=2,
    )


def _wheels(rows: Mapping[str, dict[str, Any]]) -> str:
    return table(
        ["distribution", "wheel, KiB", "needs", "with what those need"],
        [[name, f"{row['kib']:.0f}", f"{row['needs']}", f"{row['in_all']}"] for name, row in rows.items()],
    )

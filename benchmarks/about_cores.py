"""The section on how a machine's cores are used."""

from __future__ import annotations

from collections.abc import Mapping

from bench_plots import bar_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "A machine's cores"
RESULTS = ("cores",)

_MEASURED = """Steps that compute for some milliseconds each, of {runs} runs with {steps} steps one after the other,
by the worker processes of one command: `flowcraft worker ... -n N`, on one file of SQLite. A worker process holds few
steps at once, so that none takes what others could. By the clock, from the first step's begin to the last one's end,
in the middle of {rounds} rounds; a round's ratios are its own. The machine has {cores} cores; how much faster it goes
is for the machine to say, and for who else uses it. Each process must have its share of the steps."""

_FOUND = """{table}

{plot}"""

_TRIED = """- Many steps held by each process: it takes what others could.
- One process for more steps than one core allows: what a step costs a core is under [latency](#latency), and more is
  for more processes."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["cores"].answer
    rows = answer["rows"]
    head = ["processes", "steps/s", "rounds", f"times those of {rows[0]['processes']}", "rounds", "least share"]
    cells = [
        [
            f"{row['processes']}",
            f"{row['steps_per_s']:,.0f}",
            between(row["steps_per_s_spread"], ",.0f"),
            f"{row['to_first']:.2f}",
            between(row["to_first_spread"]),
            f"{row['least_share']:.0%}",
        ]
        for row in rows
    ]
    bars = {
        f"Flowcraft, {row['processes']} processes": (row["steps_per_s"], *row["steps_per_s_spread"]) for row in rows
    }
    shown = bar_plot("Steps that compute, least to most of the rounds", "steps/s", bars)
    return Section(
        measured=_MEASURED.format(
            runs=answer["runs"], steps=answer["steps_per_run"], rounds=answer["rounds"], cores=answer["cores"]
        ),
        found=_FOUND.format(
            table=table(head, cells), plot=plots.add("cores", "Steps a second by the worker processes", shown)
        ),
        tried=_TRIED,
    )

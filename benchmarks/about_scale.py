"""The section on large batches and long loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_plots import line_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import between, table

TITLE = "A batch of a million, and long loops"
RESULTS = ("scale",)

_MEASURED = """Batches with {lanes} lanes whose results a step adds up. On SQLite each program is a process of its own:
the worker, those who ask for the result, describe and purge the run; then the same again with a worker that is killed
when half of the items are done (SIGKILL), a reconciler that looks at what it has left, and a successor. Of each, the
most memory that it took (by the system's count) and the processor's time. In a simulated cloud, as weak as the ports
allow, the requests of a worker, and of two of which one dies in the middle. Batches of up to 10,000 are measured in
{rounds} rounds, of which the middle counts; larger ones once.

Loops of {passes} passes are looked at from outside when they are over: what a pass costs who asks for the result, and
the reconciler, of a processor.

A program may take {mib:g} MiB; an item of a larger batch {more:.0%} more time or requests than one of any smaller;
the time of a look may grow by the power {power:g} of the passes (1 is linear, 2 quadratic)."""

_FOUND = """{items}

At most {most_mib:.0f} MiB; an item of a larger batch takes at most {more_time:+.0%} of the time and
{more_requests:+.0%} of the requests. MiB that each program took at most:

{programs}

{plot}

Microseconds for a pass of a loop:

{loops}

Those times grow by the powers {powers}. What is more than linear is no more work (a test counts the functions that
each pass calls): it is garbage collection, and memory that no cache holds any more."""

_TRIED = """- All facts of a run read as a whole, as it was: gigabytes for a few numbers, and a loop whose passes cost
  several times as much when there were many. [Note 46](decisions/0046-huge-batches.md) says how facts are read in
  pages, and what is kept of an item that has ended.
- The items of a batch gone through three times at its end, and all of them remembered: [note
  58](decisions/0058-gone-through-once.md) says what an item of a million took more than one of a thousand.
- A reducer that is called for each result, or once for all: it gets a page, and what it gave before.
- `Client.result(lazy=True)` by default: a list is what a small program wants."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["scale"].answer
    rows = answer["rows"]
    return Section(
        measured=_MEASURED.format(
            lanes=answer["lanes"],
            rounds=max(row["rounds"] for row in rows),
            passes=", ".join(f"{row['passes']:,}" for row in answer["loops"]),
            **answer["bounds"],
        ),
        found=_FOUND.format(
            items=_items(rows),
            programs=_programs(rows),
            plot=_plot(rows, plots),
            loops=_loops(answer["loops"]),
            powers=" and ".join(f"{power:.2f} ({look})" for look, power in answer["power"].items()),
            **{name: answer[name] for name in ("most_mib", "more_time", "more_requests")},
        ),
        tried=_TRIED,
    )


def _items(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["items", "us of a processor for each", "rounds", "of a successor", "requests for each in a cloud"]
    head += ["with a worker killed", "minutes by the clock"]
    return table(
        head,
        [
            [
                f"{row['items']:,}",
                f"{row['cpu_us_per_item']:.0f}",
                between(row["cpu_us_per_item_spread"], ".0f") if row["rounds"] > 1 else "one",
                f"{row['successor_us_per_item']:.0f}",
                f"{row['requests_per_item']:.3f}",
                f"{row['requests_per_item_killed']:.3f}",
                f"{row['programs']['worker']['seconds'] / 60:.2f}",
            ]
            for row in rows
        ],
    )


def _programs(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0]["programs"])
    return table(
        ["items", *names],
        [[f"{row['items']:,}", *(f"{row['programs'][name]['peak_mib']:.0f}" for name in names)] for row in rows],
    )


def _plot(rows: Sequence[Mapping[str, Any]], plots: Plots) -> str:
    lines = {
        name: [(row["items"], row["programs"][name]["peak_mib"]) for row in rows]
        for name in ("worker", "successor", "result", "reconciler")
    }
    svg = line_plot("Memory of programs around a batch", "items", "MiB at most", lines)
    return plots.add("scale-memory", "Memory of each program around a batch, by its items", svg)


def _loops(loops: Sequence[Mapping[str, Any]]) -> str:
    looks = list(loops[0]["us_per_pass"])
    rows = []
    for row in loops:
        each = [row["us_per_pass"][look] for look in looks]
        rows.append([f"{row['passes']:,}", *(f"{us['us']:.0f} ({us['min']:.0f} to {us['max']:.0f})" for us in each)])
    return table(["passes", *looks], rows)

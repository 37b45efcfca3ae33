"""The section on many runs that wait, sleep or are queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "Many runs"
RESULTS = ("many",)

_MEASURED = """Runs in one file of SQLite, all queued at first: a worker does a step of each, after which half of them
wait and half sleep. Then a reconciler looks at all of them, and once more when none is due; and pages of {page} of a
list of them are read, the first and the last ones. Each program is a process of its own. And {at_once:,} runs under way
at once in one worker, each at a step that waits until all are.

One run of many may cost {requests:.0%} more requests and {time:.0%} more time than one of few, and a page likewise; a
program may take {mib:g} MiB, and a run that is under way {kib_at_once:g} KiB."""

_FOUND = """For each run:

{runs}

Around them:

{pages}

{number:,} at once in one worker take {kib:.1f} KiB and {ms:.2f} ms of a processor each, start included."""

_TRIED = """- Runs that wait kept in a worker's memory until they go on: what a worker keeps is bounded by one
  setting, and nothing rests on it ([note 52](decisions/0052-memory.md)).
- A reconciler that sends all again that is ready, each minute: that would double what is queued. Who gets on with a
  run says so, and it is left alone ([note 16](decisions/0016-busy-runs.md))."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["many"].answer
    rows, at_once = answer["rows"], answer["at_once"]
    return Section(
        measured=_MEASURED.format(at_once=at_once["runs"], page=answer["page"], **answer["bounds"]),
        found=_FOUND.format(
            runs=_runs(rows),
            pages=_pages(rows, answer["pages"]),
            number=at_once["runs"],
            kib=at_once["kib_per_run"],
            ms=1_000 * at_once["cpu_seconds"] / at_once["runs"],
        ),
        tried=_TRIED,
    )


def _runs(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["runs"]
    for who in ("worker", "reconciler"):
        head += [f"{who}: requests", "us of a processor", "MiB in all"]
    cells = []
    for row in rows:
        cells.append([f"{row['runs']:,}"])
        for name in ("work", "look"):
            said = row["programs"][name]
            cells[-1] += [f"{said['requests_per_run']:.2f}", f"{said['cpu_us_per_run']:.0f}", f"{said['peak_mib']:.0f}"]
    return table(head, cells)


def _pages(rows: Sequence[Mapping[str, Any]], read: int) -> str:
    head = ["runs", "requests of a look in which none is due", "a first page: ms", "a last page: ms"]
    return table(
        head,
        [
            [
                f"{row['runs']:,}",
                f"{row['programs']['idle']['requests']:.0f}",
                *(
                    f"{1_000 * row['programs'][name]['list_cpu_seconds'] / read:.1f}"
                    for name in ("list_first", "list_last")
                ),
            ]
            for row in rows
        ],
    )

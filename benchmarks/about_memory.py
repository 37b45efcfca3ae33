"""The section on memory: of a worker, and of a batch in one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "Memory"
RESULTS = ("memory",)

_MEASURED = """How large a worker becomes beside what it may keep, here `Worker(memory="{memory}MiB")`: one run after
the other, each of which makes something large, hands it on, and waits then, so that nothing of it has ended. Each case
is a process of its own, on SQLite, and on a store in the same process where its contents, which count, are few. Counted
is what the system says that the process took at most, less what it took after two runs, less what one run takes while
it is worked on; {times:g} times what may be kept is allowed, as Python gives back what it frees with some delay.

And batches in one process: the processor's time and the memory of each item, in the middle of {repeat} processes for
each size, in turns. An item of a larger batch may take {more_time:.0%} more time, and none more than {bytes:,.0f}
bytes."""

_FOUND = """{workers}

In one process, where the result tells of each item, so that all outcomes stay:

{batches}

An item of a larger batch takes at most {slower:+.0%} of the time of one of the smallest."""

_TRIED = """- Outcomes weighed by what is stored of them, or by a bound from their text: up to thirty times too high
  or too low. [Note 52](decisions/0052-memory.md) says how they are weighed now.
- Going through all of a value to weigh it: that costs as much as decoding it.
- Garbage collection switched off while a run goes on in process: it is not for a library to say. Items that have
  ended are [packed](decisions/0054-packed-items.md) instead."""

_CASES = {
    "texts": "texts of 4.8 MB",
    "rows": "lists of 500 rows",
    "contexts": "contexts of 1 MB",
    "blueprints": "flows of 42 nodes, each another",
}
_BACKENDS = {"sqlite": "SQLite", "memory": "in the process"}


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["memory"].answer
    batches = answer["batches"]
    return Section(
        measured=_MEASURED.format(
            memory=answer["rows"][0]["memory_mib"], repeat=len(batches[0]["all_us"]), **answer["bounds"]
        ),
        found=_FOUND.format(
            workers=table(
                ["runs", "store", "how many", "after two, MiB", "at most, MiB", "times what may be kept"],
                [_worker(row) for row in answer["rows"]],
                words=2,
            ),
            batches=table(
                ["items", "us of a processor for each", "least to most", "bytes for each"],
                [_batch(row) for row in batches],
            ),
            slower=answer["more_time"],
        ),
        tried=_TRIED,
    )


def _worker(row: Mapping[str, Any]) -> list[str]:
    return [
        _CASES[row["case"]],
        _BACKENDS[row["backend"]],
        f"{row['runs']:,}",
        f"{row['base_mib']:.0f}",
        f"{row['peak_mib']:.0f}",
        f"{row['times']:.2f}",
    ]


def _batch(row: Mapping[str, Any]) -> list[str]:
    spread = f"{min(row['all_us']):.1f} to {max(row['all_us']):.1f}"
    return [f"{row['items']:,}", f"{row['us']:.1f}", spread, f"{row['bytes']:,.0f}"]

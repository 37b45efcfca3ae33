"""The section on runs where every call to a backend takes its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench_plots import line_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "Latency"
RESULTS = ("latency",)

_MEASURED = """How many steps a second one worker brings about where every call to a port takes some milliseconds, as in
a cloud: chains of 20 steps, fans and batches with 20 side by side, as many of them at once as make so many steps at
work, each followed by another. What is ideal is the smaller of two bounds: what the calls allow that a run waits for
one after the other, and what one core allows at {core:g} us for a step.

Time is that of a core that does nothing but the worker's work: the processor's time that it has used, and what it would
have waited. The store, in memory, and who starts the runs are other machines' business. The middle of {rounds} rounds
counts. The calls that a run waits for are found anew each time, where nothing but calls takes time, and others than
these are an error:

{calls}"""

_FOUND = """Shares of what is ideal; **bold** where they are short of the {bound:.0%} that are asked for, in brackets
where fewer steps may be at work than stand side by side, so that a run waits for more calls than are listed and nothing
is asked:

{shares}

Microseconds of a processor for a step:

{cpus}

And with what the store in memory takes, and who starts the runs:

{whole}

{plot}

{short}"""

_TRIED = """[Note 51](decisions/0051-latency.md) says what a step's time is spent on, and what was left out of it. Taken
back were:

- A first job that named its start nodes, so that a run's record and its first look were one request: one request of
  24 was not worth what it needed, and who purged a run at once did not see it.
- Receiving only where there is room for a whole batch of messages: it counted an item whose twin had ended already.
- An outcome of a join that is not read before it is executed: a duplicate in that moment would execute it twice."""


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["latency"].answer
    rows, bound = answer["rows"], answer["bound_share"]
    short = answer["short_of_bound"]
    return Section(
        measured=_MEASURED.format(core=answer["core_us_per_step"], rounds=answer["rounds"], calls=_calls(answer)),
        found=_FOUND.format(
            bound=bound,
            shares=_table(rows, lambda row: _share(row, bound)),
            cpus=_table(rows, lambda row: f"{row['cpu_us_per_step']:.0f}"),
            whole=_table(rows, lambda row: f"{row['whole_process_us_per_step']:.0f}"),
            plot=_plot(rows, answer["core_us_per_step"], plots),
            short=_short(short, sum(row["is_bound"] for row in rows)),
        ),
        tried=_TRIED,
    )


def _calls(answer: Mapping[str, Any]) -> str:
    lines = []
    for shape, path in answer["calls"].items():
        counted = ", ".join(
            f"{count} x `{name}`" if count > 1 else f"`{name}`" for name, count in Counter(path).items()
        )
        lines.append(f"- {shape}: {counted}")
    return "\n".join(lines)


def _share(row: Mapping[str, Any], bound: float) -> str:
    share = f"{row['share_of_ideal']:.0%}"
    if not row["is_bound"]:
        return f"({share})"
    return share if row["share_of_ideal"] >= bound else f"**{share}**"


def _table(rows: Sequence[Mapping[str, Any]], cell: Any) -> str:
    numbers = sorted({row["in_flight"] for row in rows})
    places = {(row["shape"], row["delay_ms"]): None for row in rows}
    cells = {(row["shape"], row["delay_ms"], row["in_flight"]): cell(row) for row in rows}
    return table(
        ["shape", "a call takes", *(f"{number} in flight" for number in numbers)],
        [[shape, f"{delay:g} ms", *(cells[shape, delay, number] for number in numbers)] for shape, delay in places],
    )


def _plot(rows: Sequence[Mapping[str, Any]], core: float, plots: Plots) -> str:
    chains = [row for row in rows if row["shape"] == "chain"]
    numbers = sorted({row["in_flight"] for row in chains})
    lines = {
        f"{delay:g} ms": [(row["in_flight"], row["steps_per_s"]) for row in chains if row["delay_ms"] == delay]
        for delay in sorted({row["delay_ms"] for row in chains})
    }
    lines[f"at {core:g} us a step"] = [(number, 1e6 / core) for number in numbers]
    svg = line_plot("Chains, by what a call takes", "steps in flight", "steps a second", lines)
    return plots.add("latency-chains", "Steps a second of chains, by how many are in flight and what a call takes", svg)


def _short(short: Sequence[str], asked: int) -> str:
    if not short:
        return f"All of the {asked} rows in which it is asked for reach it."
    return f"Of the {asked} rows in which it is asked for, {len(short)} are short of it: {'; '.join(short)}."

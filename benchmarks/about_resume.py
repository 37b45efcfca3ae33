"""The section on what comes after a kill: where a death is noticed, and where only a visibility ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_plots import line_plot
from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "After a kill"
RESULTS = ("resume", "resume-postgres", "holding")

_MEASURED = """A worker with the settings that it has by default is killed (SIGKILL) in the eleventh of twenty steps,
and another one is started at once. What counts is how long after that one has opened the backend the run has ended, in
the middle of {rounds} rounds; {bound:g} s are allowed. By the clock, so a busy machine makes it longer.

On queues that know only visibility nobody sees a death: a job comes back once it has not been renewed for so long.
What each visibility costs is counted in memory and in no time, for a worker with {steps} steps under way of {step:g}
s each, of which a third of the visibility renews all; and a worker is killed at moments that lie evenly between two
renewals."""

_FOUND = """{table}

By the visibility, with the default in bold; requests are for a step and an hour, US dollars for a full worker and an
hour, by list prices, Azure's as an estimate:

{visibilities}

{plot}"""

_TRIED = """- A visibility of 60 s, which was the default, and shorter ones than 30 s: what decides below that is what
  a worker may be late with, and not what it costs; see [note 53](decisions/0053-visibility.md).
- Pids, and locks that belong to a process rather than to an open file: [note 40](decisions/0040-death.md) says how a
  dead process is known by a lock on SQLite, and by a session on PostgreSQL, and why a stopped or forked one is not
  taken for dead."""

_WHERE = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    killed = [told["resume"].answer, told["resume-postgres"].answer]
    holding = told["holding"].answer
    return Section(
        measured=_MEASURED.format(
            rounds=len(killed[0]["rounds"]),
            bound=killed[0]["bound_s"],
            steps=holding["steps_at_once"],
            step=holding["step_s"],
        ),
        found=_FOUND.format(
            table=table(
                ["where", "ended after the opening, s", "least to most", "ended after the kill, s", "least to most"],
                [_killed(answer) for answer in killed],
            ),
            visibilities=_visibilities(holding),
            plot=_plot(holding["rows"], plots),
        ),
        tried=_TRIED,
    )


def _killed(answer: Mapping[str, Any]) -> list[str]:
    cells = [_WHERE[answer["backend"]]]
    for middle, each in (("resumed_s", "since_open_s"), ("resumed_since_kill_s", "since_kill_s")):
        took = [row[each] for row in answer["rounds"]]
        cells += [f"{answer[middle]:.2f}", f"{min(took):.2f} to {max(took):.2f}"]
    return cells


def _visibilities(holding: Mapping[str, Any]) -> str:
    head = ["visibility", "goes on after, on average", "least to most", "renewals", "hints", "AWS", "Azure"]
    rows = []
    for row in holding["rows"]:
        seconds = f"{row['visibility']:g} s"
        least, most = row["goes_on_after_s_spread"]
        rows.append(
            [
                f"**{seconds}**" if row["visibility"] == holding["default"] else seconds,
                f"{row['goes_on_after_s']:.1f} s",
                f"{least:.1f} to {most:.1f} s",
                f"{row['extends_per_step_hour']:.0f}",
                f"{row['hints_per_step_hour']:,.0f}",
                f"{row['usd_per_worker_hour']['aws']:.4f}",
                f"{row['usd_per_worker_hour']['azure']:.4f}",
            ]
        )
    return table(head, rows)


def _plot(rows: Sequence[Mapping[str, Any]], plots: Plots) -> str:
    lines = {
        "goes on after, s": [(row["visibility"], row["goes_on_after_s"]) for row in rows],
        "renewals": [(row["visibility"], row["extends_per_step_hour"]) for row in rows],
    }
    svg = line_plot("A dead worker's job, and what a living one's costs", "visibility, s", "", lines)
    return plots.add("holding", "Seconds until a dead worker's job goes on, and renewals, by the visibility", svg)

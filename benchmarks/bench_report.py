"""``report``: writes ``docs/performance.md`` and its plots from the results that were saved.

A section is a module ``about_<what>.py`` with

- ``TITLE``, its heading;
- ``RESULTS``, the names under which the results are saved that it tells of: ``results/NAME.json``, which
  ``hatch run bench ... --save NAME`` writes;
- ``section(told, plots)``, which gets those results by their names, and gives the section's text.

It states no figure of its own: each is taken from the results. List a new section in ``SECTIONS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Protocol

import about_cores
import about_cost
import about_fairness
import about_inprocess
import about_latency
import about_many
import about_memory
import about_peers
import about_postgres
import about_resume
import about_scale
import about_sqlite
import about_startup
import about_telemetry
from bench_saved import Saved, saved
from bench_sections import PAGE, PLOTS, Plots, Section

HELP = "write docs/performance.md and its plots from the results saved in benchmarks/results"

_HEAD = """# Performance

What it takes to run flows: each section says what was measured and how, what was found, and what was tried and not
kept. `hatch run bench report` writes this page from the results in [`benchmarks/results`](../benchmarks/results), and
states no figure that is not in them; `hatch run bench all` measures a short form of everything. A bound that is named
is checked by the command itself, which fails where it does not hold.
"""


class About(Protocol):
    """What a module of a section has."""

    @property
    def TITLE(self) -> str:  # noqa: N802 - a constant of the module
        """Its heading."""

    @property
    def RESULTS(self) -> tuple[str, ...]:  # noqa: N802 - likewise
        """The names of the results that it tells of."""

    def section(self, told: Mapping[str, Saved], plots: Plots) -> Section:
        """The text, of what was saved."""


#: In the order of the page.
SECTIONS: tuple[About, ...] = (
    about_inprocess,
    about_startup,
    about_latency,
    about_sqlite,
    about_postgres,
    about_resume,
    about_scale,
    about_memory,
    about_many,
    about_cores,
    about_peers,
    about_fairness,
    about_telemetry,
    about_cost,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say: nothing."""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page and its plots, and give the names of what was written."""
    text, plots = page()
    PLOTS.mkdir(exist_ok=True)
    for stale in set(PLOTS.glob("*.svg")) - {PLOTS / f"{name}.svg" for name in plots.svgs}:
        stale.unlink()
    for name, svg in plots.svgs.items():
        (PLOTS / f"{name}.svg").write_text(svg, encoding="utf-8")
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote docs/{PAGE.name}, with {len(SECTIONS)} sections and {len(plots.svgs)} plots")
    return {"ok": True, "sections": [about.TITLE for about in SECTIONS], "plots": sorted(plots.svgs)}


def page() -> tuple[str, Plots]:
    """The page as it is to be, and its plots.

    Raises:
        FileNotFoundError: What a section tells of was not saved; the message names the file.
    """
    plots = Plots()
    return "\n".join([_HEAD, *(_written(about, plots) for about in SECTIONS)]), plots


def _written(about: About, plots: Plots) -> str:
    told = {name: saved(name) for name in about.RESULTS}
    section = about.section(told, plots)
    by = "\n".join(f"- {_measured_by(name, each)}" for name, each in told.items())
    return (
        f"## {about.TITLE}\n\n{section.measured.strip()}\n\n{by}\n\n"
        f"### {about.TITLE}: found\n\n{section.found.strip()}\n\n"
        f"### {about.TITLE}: tried, and not kept\n\n{section.tried.strip()}\n"
    )


def _measured_by(name: str, told: Saved) -> str:
    within = "within its bounds" if told.answer["ok"] else "**not within its bounds**"
    where = f"[`{name}.json`](../benchmarks/results/{name}.json)"
    return f"`hatch run {told.command}`, {told.date}, {within}: {where}. On {told.machine}."

"""The section on what runs cost in a cloud: a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_saved import Saved
from bench_sections import Plots, Section
from bench_tables import table

TITLE = "Cost"
RESULTS = ("costs",)

_MEASURED = """The requests of small runs on emulators of AWS and Azure, as they go over the wire, with what they cost
by list prices, beside the list prices of others, and beside a floor: what no engine could leave out that keeps [the
promises](guarantees.md). [What runs cost](costs.md) is a page of its own, written by the same command."""

_FOUND = """{table}

In brackets stand US dollars for a million steps, Azure's as an estimate."""

_TRIED = """- [`benchmarks/floors.py`](../benchmarks/floors.py) says what the floor is made of, and leaves out what
  costs by the hour. What is above it is mostly messages that are received by fewer than a batch would hold, and what
  has waited, which is looked up again.
- A job for each item of a batch: lanes take most of what that costs above the floor ([note
  34](decisions/0034-lanes.md))."""

_CLOUDS = {"aws": "AWS", "azure": "Azure"}


def section(told: Mapping[str, Saved], plots: Plots) -> Section:
    """The text, of what was saved."""
    answer = told["costs"].answer
    head = ["requests for each step"]
    for cloud in _CLOUDS.values():
        head += [cloud, "times the floor"]
    return Section(
        measured=_MEASURED,
        found=_FOUND.format(table=table(head, [_cells(answer, place) for place in range(len(answer["rows"]))])),
        tried=_TRIED,
    )


def _cells(answer: Mapping[str, Any], place: int) -> list[str]:
    priced = answer["rows"][place]
    cells = [f"{priced['shape']}, {priced['steps']} steps"]
    for cloud, name in _CLOUDS.items():
        counted = answer["counted"][cloud][place]
        usd = next(
            usd for who, usd in priced["usd_per_million_steps"].items() if who.startswith(f"Flowcraft on {name}")
        )
        cells += [f"{counted['requests_per_node']:.2f} ({usd:.2f})", f"{counted['over_floor']:.2f}"]
    return cells

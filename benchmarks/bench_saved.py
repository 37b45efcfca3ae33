"""What a benchmark told, kept with the machine and the command that it was told by: ``results/NAME.json``."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

RESULTS = Path(__file__).with_name("results")


@attrs.frozen
class Saved:
    """One answer of a benchmark, as it was saved.

    Attributes:
        command: What ``hatch run`` was told, say ``bench inprocess --peers``.
        date: The day, as ``2026-11-29``.
        machine: What it was measured on, for people.
        answer: The JSON object of the benchmark.
    """

    command: str
    date: str
    machine: str
    answer: dict[str, Any]


def save(name: str, command: str, answer: dict[str, Any]) -> Path:
    """Keep an answer under a name, in place of the one before; where it is now."""
    kept = Saved(command, datetime.now(UTC).date().isoformat(), machine(), answer)
    file = RESULTS / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(attrs.asdict(kept), indent=1) + "\n", encoding="utf-8")
    return file


def saved(name: str) -> Saved:
    """What was kept under a name.

    Raises:
        FileNotFoundError: Nothing was; the message names the file.
    """
    return Saved(**json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def machine() -> str:
    """This machine: processors, memory, system and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} x {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}, {python}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()

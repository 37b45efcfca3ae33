"""``memory``: what a worker takes of memory, beside what it may keep; and a batch in one process."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import memory_batch
import memory_program
from memory_program import CASES

HELP = "memory of a worker that keeps what it reads, beside its setting; memory and time of a batch in one process"
SHORT = (("--memory", "16", "--share", "0.12", "--batch", "1000,10000"),)

#: How much more memory than it may keep a worker may take once it has kept so much, by how many times; and a process at
#: most for each item of a batch, and how much more time for one of a larger batch.
_MOST_TIMES, _MOST_BYTES, _MORE_TIME = 1.5, 3_000.0, 0.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--memory", type=int, default=64, metavar="MIB", help="what a worker may keep; %(default)s")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="this share of the runs; all by default")
    parser.add_argument("--only", choices=CASES, nargs="+", default=list(CASES), help="only these")
    parser.add_argument("--batch", default="1000,10000,100000", metavar="N,N", help="items in one process; %(default)s")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="measure a batch so often; %(default)s")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    rows: list[dict[str, Any]] = []
    print(f"a worker that may keep {options.memory} MiB, a process for each line; runs that wait, one after the other")
    for name in options.only:
        for backend in CASES[name].backends:
            rows.append(row := _row(name, backend, max(20, int(CASES[name].runs * options.share)), options.memory))
            print(
                f"{name:<10} {row['runs']:>5} runs, {backend:<6}: {row['base_mib']:.0f} MiB after two, at most"
                f" {row['peak_mib']:.0f}: beside {CASES[name].under_way:g} under way {row['times']:.2f} times what it"
                f" may keep ({_MOST_TIMES:g} are allowed); {1000 * row['cpu_seconds'] / row['runs']:.1f} ms each",
                flush=True,
            )
    sizes = [int(size) for size in options.batch.split(",")]
    batches = memory_batch.measured(sizes, options.repeat)
    for each in batches:
        print(
            f"in one process {each['items']:>7,} items: {each['us']:.1f} us of a processor for each"
            f" ({min(each['all_us']):.1f} to {max(each['all_us']):.1f}), {each['bytes']:,.0f} bytes"
        )
    slower = max(each["us"] for each in batches) / batches[0]["us"] - 1.0
    most = max(each["bytes"] for each in batches)
    is_flat = slower <= _MORE_TIME and most <= _MOST_BYTES
    print(
        f"an item of a larger batch takes at most {slower:+.0%} of the time ({_MORE_TIME:+.0%} are allowed), and none"
        f" more than {most:,.0f} bytes ({_MOST_BYTES:,.0f})"
    )
    bounds = {"times": _MOST_TIMES, "more_time": _MORE_TIME, "bytes": _MOST_BYTES}
    ok = is_flat and all(row["times"] <= _MOST_TIMES for row in rows)
    return {"ok": ok, "bounds": bounds, "rows": rows, "batches": batches, "more_time": slower, "bytes": most}


def _row(name: str, backend: str, runs: int, memory: int) -> dict[str, Any]:
    program = str(Path(memory_program.__file__))
    # What is freed in between stays with the process for a while: it is counted with what a run takes under way.
    command = [sys.executable, program, name, backend, str(runs), f"{memory}MiB"]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    times = max(0.0, figures["peak_mib"] - figures["base_mib"] - CASES[name].under_way) / memory
    return {"case": name, "backend": backend, "runs": runs, "memory_mib": memory, **figures, "times": times}

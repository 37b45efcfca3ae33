"""``cores``: how a machine's cores are used by the worker processes of one command, on SQLite."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cores_flow
from flowcraft_core.durable import Client
from flowcraft_sqlite import SqliteBackend

HELP = "steps that compute, by one, two and four worker processes of one command, on SQLite"
SHORT = (("--runs", "100", "--rounds", "1"),)

_PATIENCE = 600.0
# How many steps one process holds: few, so that none takes what others could.
_CONCURRENCY = 2


@attrs.frozen
class _Measured:
    """What so many processes did.

    Attributes:
        steps_per_s: All of them together.
        least_share: Of the steps, of the process that had the fewest; 0 if one had none.
    """

    steps_per_s: float
    least_share: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--processes", default="1,2,4", metavar="N,...", help="how many processes")
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="how many runs there are for them")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure so often, take the middle")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    numbers = [int(number) for number in options.processes.split(",")]
    rounds = [
        {number: asyncio.run(_measure(number, options.runs)) for number in numbers} for _ in range(options.rounds)
    ]
    rows = [_row(number, numbers[0], rounds) for number in numbers]
    for row in rows:
        print(
            f"{row['processes']} processes: {row['steps_per_s']:,.0f} steps/s, {row['to_first']:.2f} times those of"
            f" {numbers[0]} ({row['to_first_spread'][0]:.2f} to {row['to_first_spread'][1]:.2f}); of the steps, none"
            f" had less than {row['least_share']:.0%}"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"this machine has {cores} cores")
    # How much faster it goes is for the machine to say, and for who else uses it; each process is to have its share.
    ok = all(row["least_share"] > 0 for row in rows)
    said = {"cores": cores, "runs": options.runs, "steps_per_run": cores_flow.STEPS, "rounds": options.rounds}
    return {"ok": ok, "rows": rows, **said}


def _row(processes: int, first: int, rounds: Sequence[Mapping[int, _Measured]]) -> dict[str, Any]:
    rates = [each[processes].steps_per_s for each in rounds]
    ratios = [each[processes].steps_per_s / each[first].steps_per_s for each in rounds]
    return {
        "processes": processes,
        "steps_per_s": statistics.median(rates),
        "steps_per_s_spread": [min(rates), max(rates)],
        "to_first": statistics.median(ratios),
        "to_first_spread": [min(ratios), max(ratios)],
        "least_share": min(each[processes].least_share for each in rounds),
    }


async def _measure(processes: int, runs: int) -> _Measured:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/runs.db"
        async with SqliteBackend.from_url(url) as backend:
            client = Client(backend, flows=[cores_flow.flow])
            arguments = ["worker", f"{cores_flow.__file__}:flow", "-b", url, "-n", f"{processes}"]
            arguments += ["-c", f"{_CONCURRENCY}", "--poll", "1", "--log-level", "error"]
            workers = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "flowcraft_cli", *arguments, cwd=Path(__file__).parent, stdout=DEVNULL
            )
            try:
                async with asyncio.timeout(_PATIENCE):
                    # Each says so some seconds after it has begun.
                    while len(await client.workers()) < processes:  # noqa: ASYNC110 - they are other processes
                        await asyncio.sleep(0.2)
                started = await asyncio.gather(*(client.start(cores_flow.flow) for _ in range(runs)))
                for run in started:
                    result = await client.wait(run, timeout=_PATIENCE, poll=0.5)
                    if result.status != "completed":
                        raise RuntimeError(f"run {run.run_id!r} has ended as {result.status}: {result.reason}")
            finally:
                workers.send_signal(signal.SIGTERM)
                await workers.wait()
            descriptions = [await client.describe(run.run_id, values=False) for run in started]
    steps = [step for description in descriptions for step in description.instances]
    took = max(step.ended or 0.0 for step in steps) - min(step.started or 0.0 for step in steps)
    by_worker = Counter(step.worker for step in steps)
    least = min(by_worker.values()) / len(steps) if len(by_worker) == processes else 0.0
    return _Measured(len(steps) / took, least)

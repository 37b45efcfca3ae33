"""``cores``: how a machine's cores are used by the worker processes of one command, on SQLite."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections import Counter
from pathlib import Path
from typing import Any

import cores_flow
from flowcraft_core.durable import Client
from flowcraft_sqlite import SqliteBackend

HELP = "steps that compute, by one, two and four worker processes of one command, on SQLite"
SHORT = (("--runs", "16"),)

_PATIENCE = 600.0
# How many steps one process holds: few, so that none takes what others could.
_CONCURRENCY = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--processes", default="1,2,4", metavar="N,...", help="how many processes")
    parser.add_argument("--runs", type=int, default=100, metavar="N", help="how many runs there are for them")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    rows = [asyncio.run(_measure(int(number), options.runs)) for number in options.processes.split(",")]
    for row in rows:
        row["to_one"] = row["steps_per_s"] / rows[0]["steps_per_s"]
        shares = ", ".join(f"{share:.0%}" for share in row["shares"])
        print(
            f"{row['processes']} processes: {row['steps_per_s']:,.0f} steps/s, {row['to_one']:.2f} times those of "
            f"{rows[0]['processes']}; shares of the steps: {shares}"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"this machine has {cores} cores")
    # How much faster it goes is for the machine to say, and for who else uses it; each process is to have its share.
    ok = all(len(row["shares"]) == row["processes"] for row in rows)
    return {"ok": ok, "rows": rows, "cores": cores, "runs": options.runs, "steps_per_run": cores_flow.STEPS}


async def _measure(processes: int, runs: int) -> dict[str, Any]:
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
                started = [(await client.start(cores_flow.flow)).run_id for _ in range(runs)]
                for run_id in started:
                    result = await client.wait(run_id, timeout=_PATIENCE, poll=0.5)
                    if result.status != "completed":
                        raise RuntimeError(f"run {run_id!r} has ended as {result.status}: {result.reason}")
            finally:
                workers.send_signal(signal.SIGTERM)
                await workers.wait()
            descriptions = [await client.describe(run_id, values=False) for run_id in started]
    steps = [step for description in descriptions for step in description.instances]
    took = max(step.ended or 0.0 for step in steps) - min(step.started or 0.0 for step in steps)
    by_worker = Counter(step.worker for step in steps)
    return {
        "processes": processes,
        "steps_per_s": len(steps) / took,
        "shares": [count / len(steps) for _, count in by_worker.most_common()],
    }

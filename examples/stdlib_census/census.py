"""The program: runs the flow, shows its report, and checks it against a plain loop."""

from __future__ import annotations

import argparse
import json
import os
import sysconfig
import time
from collections.abc import Sequence

import flow
import plain
from flowcraft_core import FlowRuntime, RunResult
from progress import Watch
from report import show
from rich.console import Console


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the census.

    Args:
        arguments: Of the command line; the process's own by default.

    Returns:
        The exit code: 0 if the run completed and its figures are those of the plain loop.
    """
    options = _options(arguments)
    console = Console()
    root = sysconfig.get_path("stdlib")
    paths = plain.files_under(root, options.files)
    began = time.perf_counter()
    result = run(root, options.files, len(paths))
    seconds = time.perf_counter() - began
    retried = sum(entry.attempts > 1 for entry in result.trace)
    rate = result.steps / seconds

    if result.status == "completed":
        show(result.outputs["report"], console)
    console.print(f"\nRun {result.run_id} {result.status}: {result.steps:,} steps in {seconds:.2f} s,", highlight=False)
    console.print(f"{rate:,.0f} steps (nodes) per second; {retried} steps took more than one attempt.", highlight=False)
    began = time.perf_counter()
    problems = check(result, retried, root, paths)
    took = time.perf_counter() - began
    for problem in problems:
        console.print(problem, style="red", markup=False, highlight=False)
    if not problems:
        same = f"The figures equal a plain loop over the same {len(paths):,} files"
        console.print(f"{same}, which took {took:.2f} s.", style="green", highlight=False)
    if options.json:
        print(
            json.dumps(
                {
                    "ok": not problems,
                    "files": len(paths),
                    "steps": result.steps,
                    "seconds": round(seconds, 3),
                    "steps_per_s": round(rate),
                    "retried": retried,
                    "run_id": result.run_id,
                    "status": result.status,
                    "problems": problems,
                }
            )
        )
    return 1 if problems else 0


def run(root: str, limit: int | None, files: int) -> RunResult:
    """Run the flow in this process, with a live bar.

    Args:
        root: The library's folder.
        limit: How many of its files to take; None for all.
        files: How many that will be.
    """
    with Watch(files, Console(stderr=True)) as watch:
        # Parsing holds the interpreter's lock: more threads than processors would only wait for one another.
        runtime = FlowRuntime([flow.census], events=watch, max_threads=os.cpu_count() or 1)
        return runtime.run_sync(flow.census, {"root": root, "limit": limit})


def check(result: RunResult, retried: int, root: str, paths: list[str]) -> list[str]:
    """What is wrong with a run: that it had nothing to do, did not complete, or differs from the plain loop."""
    if not paths:
        return [f"there are no .py files under {root}"]
    if result.status != "completed":
        return [str(error) for error in result.errors] or [f"the run ended as {result.status}"]
    found = {**result.outputs["report"], "retried": retried}
    expected = {**plain.figures(root, paths), "retried": plain.hiccups_among(paths)}
    return list(plain.differences(found, expected))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stdlib_census", description="A census of Python's standard library.")
    parser.add_argument("--files", type=_at_least_one, metavar="N", help="take only the first N files")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--in-process", action="store_true", help="run in this process (so far the only way)")
    return parser.parse_args(arguments)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)

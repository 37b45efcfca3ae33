"""The program: runs the flow, shows its report, and checks it against a run in this process and a plain loop."""

from __future__ import annotations

import argparse
import json
import os
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import flow
import on_workers
import plain
from flowcraft_core import FlowRuntime, NodeError, RunResult
from flowcraft_core.durable import StoredResult
from progress import Bar, Watch
from report import show
from rich.console import Console


@attrs.frozen
class Census:
    """A census that was taken, and what is known about it.

    Attributes:
        result: The run's result.
        retried: How many steps took more than one attempt.
        seconds: How long it took.
        lines: What else to say about it.
        facts: What else to put into the JSON.
        problems: What went wrong.
    """

    result: RunResult | StoredResult
    retried: int
    seconds: float
    lines: Sequence[str] = ()
    facts: dict[str, Any] = attrs.field(factory=dict)
    problems: Sequence[str] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the census.

    Args:
        arguments: Of the command line; the process's own by default.

    Returns:
        The exit code: 0 if the run completed and its figures are those of the plain loop; if it was durable, also those
        of a run in this process, and if one worker was killed and no other died.
    """
    options = _options(arguments)
    console = Console()
    root = sysconfig.get_path("stdlib")
    paths = plain.files_under(root, options.files)
    taken = _in_process(root, options.files, len(paths)) if options.in_process else _durable(root, options, len(paths))
    result = taken.result
    rate = result.steps / taken.seconds

    if result.status == "completed":
        show(result.outputs["report"], console)
    console.print(
        f"\nRun {result.run_id} {result.status}: {result.steps:,} steps in {taken.seconds:.2f} s,", highlight=False
    )
    console.print(
        f"{rate:,.0f} steps (nodes) per second; {taken.retried} steps took more than one attempt.", highlight=False
    )
    for line in taken.lines:
        console.print(line, highlight=False)
    began = time.perf_counter()
    problems = [*taken.problems, *check(result.status, result.errors, result.outputs, taken.retried, root, paths)]
    took = time.perf_counter() - began
    for problem in problems:
        console.print(problem, style="red", markup=False, highlight=False)
    if not problems:
        if not options.in_process:
            same = "The result equals the in-process run (report, context, steps)"
            console.print(f"{same}: {taken.facts['in_process_seconds']:.2f} s.", style="green", highlight=False)
        same = f"The figures equal a plain loop over the same {len(paths):,} files"
        console.print(f"{same}, which took {took:.2f} s.", style="green", highlight=False)
    if options.json:
        print(
            json.dumps(
                {
                    "ok": not problems,
                    "mode": "in-process" if options.in_process else "durable",
                    "files": len(paths),
                    "steps": result.steps,
                    "seconds": round(taken.seconds, 3),
                    "steps_per_s": round(rate),
                    "retried": taken.retried,
                    **taken.facts,
                    "run_id": result.run_id,
                    "status": result.status,
                    "problems": problems,
                }
            )
        )
    return 1 if problems else 0


def run(root: str, limit: int | None, bar: Bar) -> RunResult:
    """Run the flow in this process.

    Args:
        root: The library's folder.
        limit: How many of its files to take; None for all.
        bar: Where to show how far it is.
    """
    # Parsing holds the interpreter's lock: more threads than processors would only wait for one another.
    runtime = FlowRuntime([flow.census], events=Watch(bar), max_threads=os.cpu_count() or 1)
    return runtime.run_sync(flow.census, {"root": root, "limit": limit})


def _in_process(root: str, limit: int | None, files: int) -> Census:
    began = time.perf_counter()
    with Bar(files, Console(stderr=True)) as bar:
        result = run(root, limit, bar)
    return Census(result, _retried(result), time.perf_counter() - began)


def _durable(root: str, options: argparse.Namespace, files: int) -> Census:
    """Run the flow on worker processes, and then, to compare, in this one."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="stdlib-census-") as folder:
        path = options.database or str(Path(folder, "census.sqlite"))
        with Bar(files, console) as bar:
            finished = on_workers.run(root, options.files, files, path, Path(folder), bar)
        size = sum(file.stat().st_size for file in Path(path).parent.glob(Path(path).name + "*"))
    began = time.perf_counter()
    with Bar(files, console) as bar:
        local = run(root, options.files, bar)
    took = time.perf_counter() - began
    differences = compare(finished.result, finished.counts.retries, local)
    problems = [*finished.problems, *differences]
    if finished.killed is None:
        problems.append("the run ended before a worker was killed")
    where = f"{options.database}, which is kept" if options.database else "a temporary folder"
    return Census(
        result=finished.result,
        retried=finished.counts.retries,
        seconds=finished.seconds,
        lines=[
            f"{on_workers.WORKERS} worker processes on one SQLite file, {size / 1e6:.1f} MB, in {where}.",
            f"Worker {finished.killed} was killed when {finished.files_then:,} of {files:,} files were done;",
            f"{finished.redelivered} jobs were seen to be delivered again.",
        ],
        facts={
            "workers": on_workers.WORKERS,
            "killed": finished.killed,
            "files_when_killed": finished.files_then,
            "redelivered": finished.redelivered,
            "equals_in_process": not differences,
            "in_process_seconds": round(took, 3),
        },
        problems=problems,
    )


def compare(stored: StoredResult, retried: int, local: RunResult) -> list[str]:
    """Where a durable run differs from one in this process."""
    ours = {
        "status": stored.status,
        "steps": stored.steps,
        "retried": retried,
        "context": stored.context,
        "report": stored.outputs.get("report"),
    }
    theirs = {
        "status": local.status,
        "steps": local.steps,
        "retried": _retried(local),
        "context": local.context,
        "report": local.outputs.get("report"),
    }
    return list(plain.differences(ours, theirs, "result", ("the workers", "the in-process run")))


def check(
    status: str, errors: Sequence[NodeError], outputs: dict[str, Any], retried: int, root: str, paths: list[str]
) -> list[str]:
    """What is wrong with a run: that it had nothing to do, did not complete, or differs from the plain loop."""
    if not paths:
        return [f"there are no .py files under {root}"]
    if status != "completed":
        return [str(error) for error in errors] or [f"the run ended as {status}"]
    found = {**outputs["report"], "retried": retried}
    expected = {**plain.figures(root, paths), "retried": plain.hiccups_among(paths)}
    return list(plain.differences(found, expected))


def _retried(result: RunResult) -> int:
    return sum(entry.attempts > 1 for entry in result.trace)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stdlib_census", description="A census of Python's standard library.")
    parser.add_argument("--files", type=_at_least_one, metavar="N", help="take only the first N files")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--in-process", action="store_true", help="run in this process instead of on workers")
    mode.add_argument("--database", metavar="PATH", help="keep the run in this SQLite file")
    return parser.parse_args(arguments)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)

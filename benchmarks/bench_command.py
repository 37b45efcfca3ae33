"""The command line of the benchmarks: a subcommand for each, one for all of them, and one that reports."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence

import bench_all
import bench_report
from bench_list import BENCHMARKS, Command
from bench_saved import save


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line names.

    Args:
        arguments: The command line's; those of the process by default.

    Returns:
        The exit code: 0 if what the benchmark measured is within its bounds.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="benchmarks", description="What it costs to run flows.")
    subcommands = parser.add_subparsers(required=True, metavar="benchmark")
    benchmarks: dict[str, Command] = {benchmark.__name__: benchmark for benchmark in BENCHMARKS}
    others: dict[str, Command] = {"all": bench_all, "report": bench_report}
    for name, command in (benchmarks | others).items():
        subcommand = subcommands.add_parser(name, help=command.HELP, description=command.HELP, allow_abbrev=False)
        subcommand.add_argument("--json", action="store_true", help="print one JSON object on the last line")
        if name in benchmarks:
            subcommand.add_argument("--save", metavar="NAME", help="keep the answer as benchmarks/results/NAME.json")
        command.add_arguments(subcommand)
        subcommand.set_defaults(run=command.run, save=None)
    options = parser.parse_args(arguments)
    answer = options.run(options)
    if options.save:
        print(f"saved {save(options.save, _said(arguments), answer).name}")
    if options.json:
        print(json.dumps(answer))
    return 0 if answer["ok"] else 1


def _said(arguments: Sequence[str]) -> str:
    """What ``hatch run`` was told, without what only says what becomes of the answer."""
    kept = list(arguments)
    at = next(place for place, word in enumerate(kept) if word.startswith("--save"))
    del kept[at : at + (1 if "=" in kept[at] else 2)]
    return shlex.join(["bench", *(word for word in kept if word != "--json")])

"""The command line of the benchmarks: one subcommand each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import cost
import durable
import fairness
import inprocess
import latency
import resume
import scale
import telemetry


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line names.

    Args:
        arguments: The command line's; those of the process by default.

    Returns:
        The exit code: 0 if what the benchmark measured is within its bounds.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description="What it costs to run flows.")
    subcommands = parser.add_subparsers(required=True, metavar="benchmark")
    # A benchmark is a module with HELP, add_arguments(parser), and run(options), which prints as it goes and gives back
    # a JSON object whose "ok" says whether all is within bounds.
    for benchmark in (inprocess, cost, durable, fairness, latency, resume, scale, telemetry):
        name = benchmark.__name__
        subcommand = subcommands.add_parser(name, help=benchmark.HELP, description=benchmark.HELP)
        subcommand.add_argument("--json", action="store_true", help="print one JSON object on the last line")
        benchmark.add_arguments(subcommand)
        subcommand.set_defaults(run=benchmark.run)
    options = parser.parse_args(arguments)
    answer = options.run(options)
    if options.json:
        print(json.dumps(answer))
    return 0 if answer["ok"] else 1

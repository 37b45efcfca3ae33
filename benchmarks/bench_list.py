"""The benchmarks, in their order.

A benchmark is a module with

- ``HELP``, what it measures;
- ``SHORT``, the arguments of the forms in which ``hatch run bench all`` runs it;
- ``add_arguments(parser)``, which declares what its command line may say;
- ``run(options)``, which prints as it goes and gives back a JSON object whose ``ok`` says whether all is within bounds.
"""

from __future__ import annotations

import argparse
from typing import Any, Protocol

import cores
import cost
import durable
import fairness
import holding
import inprocess
import latency
import many
import memory
import peers
import resume
import scale
import startup
import telemetry


class Command(Protocol):
    """What a module has that is a subcommand."""

    @property
    def HELP(self) -> str:  # noqa: N802 - a constant of the module
        """What it does."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command line may say."""

    def run(self, options: argparse.Namespace) -> dict[str, Any]:
        """Do it."""


class Benchmark(Command, Protocol):
    """What a module of a benchmark has."""

    __name__: str

    @property
    def SHORT(self) -> tuple[tuple[str, ...], ...]:  # noqa: N802 - likewise
        """The arguments of its short forms."""


BENCHMARKS: tuple[Benchmark, ...] = (
    inprocess,
    memory,
    many,
    cost,
    durable,
    fairness,
    holding,
    latency,
    cores,
    peers,
    resume,
    scale,
    startup,
    telemetry,
)

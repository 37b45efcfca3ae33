"""``durable``: how fast runs are at full durability, beside what the database itself takes in the same minute."""

from __future__ import annotations

import argparse
from typing import Any

import durable_sqlite

HELP = "durable runs on SQLite with full sync, or on PostgreSQL beside DBOS"
SHORT = (("--rounds", "3"), ("--backend", "postgres", "--rounds", "2"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--backend", choices=["sqlite", "postgres"], default="sqlite", help="where the runs live")
    parser.add_argument("--folder", help="sqlite: where the files lie; a temporary folder by default")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure so often, take the middle")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    if options.backend == "postgres":
        import durable_postgres  # noqa: PLC0415 - the helpers of the integration tests need not be there for the rest

        return durable_postgres.run(options.rounds)
    return durable_sqlite.run(options.rounds, options.folder)

"""``python integration postgres``: the tests and scenarios on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Sequence

from integrating import integrate
from on_postgres import OnPostgres, end_server


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; the exit code is 0 if all of it holds."""
    try:
        return integrate("postgres", arguments, OnPostgres)
    finally:
        end_server()

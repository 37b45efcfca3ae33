"""``python -m flowcraft_postgres``: the SQL that makes the tables and gives rights, for whoever does it by hand."""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Sequence

from flowcraft_core.errors import ConfigurationError

from ._schema import Role, grants_sql, schema_sql


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flowcraft_postgres", description="Plain SQL for administrators.")
    parser.add_argument("--schema", default="flowcraft", help="where the tables are (%(default)s)")
    asked = parser.add_subparsers(required=True, dest="asked", metavar="what")
    asked.add_parser("schema", help="what makes the schema and its tables")
    grants = asked.add_parser("grants", help="what gives a role its rights, and no more")
    grants.add_argument("kind", choices=typing.get_args(Role))
    grants.add_argument("role", help="the role's name")
    options = parser.parse_args(arguments)
    try:
        if options.asked == "schema":
            print(schema_sql(options.schema))
        else:
            print(grants_sql(options.role, options.kind, options.schema))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

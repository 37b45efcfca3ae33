"""``python -m flowcraft_core.linting app.flows orders.json``: lints flows, without anything else installed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigurationError, FlowcraftError
from . import Problem, lint, problems_of, require_codes
from .loading import load


def main(arguments: Sequence[str] | None = None) -> int:
    """Lint what the command line names; 1 if something is wrong, 2 if it cannot be looked at."""
    parser = argparse.ArgumentParser(prog="python -m flowcraft_core.linting", description="Lints flows.")
    parser.add_argument("flows", nargs="+", metavar="FLOW", help="module, module:name, file.py, file.py:name or .json")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with `ok`, as the last line")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")
    parser.add_argument("--ignore", action="append", default=[], metavar="CODE", help="leave a rule out, or several")
    parser.add_argument("--context", action="append", metavar="NAME", help="a value that runs are started with")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    try:
        require_codes(options.ignore)
    except ConfigurationError as error:
        parser.error(str(error))
    found: list[tuple[str, Problem]] = []
    for reference in options.flows:
        try:
            for flow in load(reference):
                problems = lint(flow, ignore=options.ignore, context=options.context)
                found += [(reference, problem) for problem in problems]
        except FlowcraftError as error:
            if not error.problems and isinstance(error, ConfigurationError):
                parser.error(str(error))
            found += [(reference, problem) for problem in problems_of(error)]
    ok = not any(options.strict or problem.rule.severity == "error" for _, problem in found)
    for reference, problem in found:
        print(f"{reference}: {problem.rule.severity}: {problem.in_flow()}")
    if options.json:
        print(json.dumps({"ok": ok, "problems": [{"reference": each, **problem.to_dict()} for each, problem in found]}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

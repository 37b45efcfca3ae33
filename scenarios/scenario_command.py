"""The command line of the scenarios: carries them out and says what came out, to people and to programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence

import attrs
from backend import Backend
from carrying_out import add_jobs, add_only, carry_out_all, carry_out_at_once, shown
from catalogue import BACKENDS, SCENARIOS
from scenario import Scenario


def main(
    arguments: Sequence[str] | None = None,
    scenarios: Sequence[Scenario] = SCENARIOS,
    backends: Mapping[str, type[Backend]] = BACKENDS,
) -> int:
    """Carry out what the command line asks for.

    Args:
        arguments: The command line's; those of the process by default.
        scenarios: What there is to carry out.
        backends: What there is to carry it out on, by name.

    Returns:
        The exit code: 0 if nothing failed.
    """
    options = _options(arguments, [scenario.id for scenario in scenarios], backends)
    chosen = [scenario for scenario in scenarios if scenario.id in options.only]
    places = [backends[name] for name in options.backend]
    if options.jobs == 1:
        results = shown(carry_out_all(chosen, places))
    else:
        results = shown(carry_out_at_once([scenario.id for scenario in chosen], places, options.jobs))
    ok = all(result.status != "fail" for result in results)
    if options.json:
        print(json.dumps({"ok": ok, "results": [attrs.asdict(result) for result in results]}))
    return 0 if ok else 1


def _options(
    arguments: Sequence[str] | None, known: Sequence[int], backends: Mapping[str, object]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scenarios", description="What a run must get right, on each backend.")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object on the last line")
    add_only(parser, known)
    parser.add_argument(
        "--backend", action="append", choices=list(backends), help="on this backend only; may be given several times"
    )
    add_jobs(parser, usual=1)
    options = parser.parse_args(arguments)
    options.backend = options.backend or list(backends)
    return options

"""The command line of the scenarios: carries them out and says what came out, to people and to programs."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs
from backend import Backend
from catalogue import BACKENDS, SCENARIOS
from scenario import Scenario, carry_out_all


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
    logging.getLogger("flowcraft").setLevel(logging.CRITICAL)  # much goes wrong here, on purpose
    options = _options(arguments, {scenario.id for scenario in scenarios}, backends)
    chosen = [scenario for scenario in scenarios if scenario.id in options.only]
    results = []
    for result in carry_out_all(chosen, [backends[name] for name in options.backend]):
        results.append(result)
        why = "" if result.why is None else f"\n{'':22}{result.why}"
        print(f"{result.id:>3}  {result.backend:<10}  {result.status:<4} {result.title}{why}", flush=True)
    counts = Counter(result.status for result in results)
    print(f"{len(results)} scenarios: " + ", ".join(f"{counts[status]} {status}" for status in ("pass", "fail", "n/a")))
    ok = not counts["fail"]
    if options.json:
        print(json.dumps({"ok": ok, "results": [attrs.asdict(result) for result in results]}))
    return 0 if ok else 1


def _options(arguments: Sequence[str] | None, known: set[int], backends: Mapping[str, object]) -> argparse.Namespace:
    def numbers(text: str) -> set[int]:
        chosen = {int(number) for number in text.split(",")}
        if not chosen <= known:
            raise argparse.ArgumentTypeError(f"there is no scenario {', '.join(map(str, sorted(chosen - known)))}")
        return chosen

    parser = argparse.ArgumentParser(prog="scenarios", description="What a run must get right, on each backend.")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object on the last line")
    parser.add_argument("--only", type=numbers, default=known, metavar="8,9", help="carry out these scenarios only")
    parser.add_argument(
        "--backend", action="append", choices=list(backends), help="on this backend only; may be given several times"
    )
    options = parser.parse_args(arguments)
    options.backend = options.backend or list(backends)
    return options

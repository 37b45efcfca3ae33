"""``python -m flowcraft_testkit.oracle``: random nested flows on a weak store, held to what they should come to."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence

from .hunting import Hunt, hunt
from .trying import show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code is 1 if anything differed, or too little was drawn."""
    parser = argparse.ArgumentParser(prog="python -m flowcraft_testkit.oracle", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help="so many seeds; 500 unless --seconds says how long")
    parser.add_argument("--from", type=int, default=0, metavar="SEED", dest="first", help="the first of them")
    parser.add_argument("--seconds", type=float, metavar="S", help="begin no more seeds after so many seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes; one per core")
    parser.add_argument("--seed", type=int, metavar="SEED", help="only this one, with its trace")
    parser.add_argument("--shrink", action="store_true", help="with --seed: the smallest flow that still differs")
    parser.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        text, is_right = show(options.seed, shrink=options.shrink)
        print(text)
        return 0 if is_right else 1
    began = time.perf_counter()
    number = options.seeds if options.seeds is not None else 500 if options.seconds is None else None
    seeds = itertools.count(options.first) if number is None else range(options.first, options.first + number)
    found = Hunt()
    shown: set[str] = set()
    for tried in hunt(seeds, jobs=options.jobs, seconds=options.seconds):
        found.add(tried)
        # The first of each kind in full; of the others the number is in the summary.
        if tried.problems and tried.problems[0].kind not in shown:
            shown.add(tried.problems[0].kind)
            print(tried.report, end="\n\n", file=sys.stderr, flush=True)
    summary = {**found.summary(), "seeds": [options.first, options.first + found.runs]}
    summary["seconds"] = round(time.perf_counter() - began, 1)
    if options.json:
        print(json.dumps(summary))
    else:
        for kind, seeds_of_kind in found.kinds.items():
            print(f"{len(seeds_of_kind)} runs: {kind}; seeds {seeds_of_kind[:5]}")
        for name in found.rare:
            print(f"only {found.shares[name]:.0%} of the flows have: {name}")
        for number in found.undrawn:
            print(f"no run handed over after so many steps: {number}")
        print(f"{found.runs} runs, {len(found.differing)} differences, {summary['seconds']} s")
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

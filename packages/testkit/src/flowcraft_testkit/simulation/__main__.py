"""``python -m flowcraft_testkit.simulation``: schedules of the testkit's own scenarios, drawn or exhaustive."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence

from .canonical import SCENARIOS
from .exhaustive import Exhausted, again
from .explore import Report, simulate, violation_of
from .side_by_side import drawn, exhausted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code is 1 if there were violations."""
    parser = argparse.ArgumentParser(prog="python -m flowcraft_testkit.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, metavar="N", help="the seeds 0 to N-1, among the scenarios")
    parser.add_argument("--fresh", type=int, metavar="N", help="N new seeds, which are printed")
    parser.add_argument("--replay", metavar="SCENARIO:SEED", help="one schedule, with its trace")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), help="only this one")
    parser.add_argument("--exhaustive", action="store_true", help="every crash, and orders of two workers' requests")
    parser.add_argument("--budget", type=int, default=100, metavar="N", help="orders that are tried of each scenario")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="with --exhaustive: every Nth crash only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes; one per core")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    options = parser.parse_args(arguments)
    if options.replay:
        return _replay(options.replay)
    names = [options.scenario] if options.scenario else list(SCENARIOS)
    if options.exhaustive:
        return _exhaust(names, options)
    first = random.SystemRandom().randrange(10**9) if options.fresh else 0
    number = options.fresh or options.seeds
    if options.fresh:
        print(f"seeds {first} to {first + number - 1}", file=sys.stderr)
    began = time.perf_counter()
    report = Report()
    for some in drawn(names, range(first, first + number), jobs=options.jobs):
        report.add(some)
    seconds = time.perf_counter() - began
    if options.json:
        print(
            json.dumps(
                {
                    "ok": not report.violations,
                    "schedules": report.schedules,
                    "seeds": [first, first + number],
                    "scenarios": len(names),
                    "requests": report.requests,
                    "faults": dict(sorted(report.faults.items())),
                    "violations": len(report.violations),
                    "failing": [violation.replay for violation in report.violations],
                    "schedules_per_s": round(report.schedules / seconds, 1),
                }
            )
        )
    else:
        for violation in report.violations:
            print(violation, end="\n\n")
        print(f"{report.schedules} schedules, {len(report.violations)} violations, {seconds:.1f} s")
    return 1 if report.violations else 0


def _exhaust(names: Sequence[str], options: argparse.Namespace) -> int:
    began = time.perf_counter()
    done = Exhausted()
    for some in exhausted(names, budget=options.budget, stride=options.stride, jobs=options.jobs):
        done.add(some)
    seconds = time.perf_counter() - began
    if options.json:
        print(
            json.dumps(
                {
                    "ok": not done.violations,
                    "scenarios": len(names),
                    "crash_points": done.crash_points,
                    "interleavings": done.interleavings,
                    "of_interleavings": done.of_interleavings,
                    "violations": len(done.violations),
                    "failing": [violation.replay for violation in done.violations],
                    "seconds": round(seconds, 1),
                }
            )
        )
    else:
        for violation in done.violations:
            print(violation, end="\n\n")
        print(
            f"{done.crash_points} crash points, {done.interleavings} of {done.of_interleavings} interleavings, "
            f"{len(done.violations)} violations, {seconds:.1f} s"
        )
    return 1 if done.violations else 0


def _replay(text: str) -> int:
    name, _, seed = text.partition(":")
    if name not in SCENARIOS:
        print(f"there is no scenario {name!r}; there are: {', '.join(SCENARIOS)}", file=sys.stderr)
        return 2
    scenario = SCENARIOS[name]
    if seed[:1] in ("@", "~"):
        performance = again(scenario, seed)
        violations = [violation_of(scenario, seed, performance)] if performance.violations else []
    else:
        violations = simulate(scenario, seeds=[seed], shrink=False).violations
    for violation in violations:
        print(violation)
    if not violations:
        print("nothing went wrong")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

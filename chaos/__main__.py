"""``python chaos --seconds 60 --json``: workers on one file are killed and stopped at random."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from unleashed import unleash


def main() -> int:
    """Run the command; its exit code is 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, help="what kills and stops follow from; a new one by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flowcraft.db"
        done = asyncio.run(unleash(path, seconds=options.seconds, seed=seed, workers=options.workers))
    told = {
        "ok": not done.wrong,
        "seed": done.seed,
        "kills": done.kills,
        "stops": done.stops,
        "runs": done.runs,
        "facts": done.facts,
        "wrong": len(done.wrong),
        "what": done.wrong[:20],
    }
    if options.json:
        print(json.dumps(told))
    else:
        print("\n".join(f"{name}: {value}" for name, value in told.items()))
    return 1 if done.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

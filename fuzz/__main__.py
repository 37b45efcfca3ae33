"""``python fuzz --seconds 120 --json``: others write whatever they can into the file, while runs go on beside."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from fuzzing import fuzz


def main() -> int:
    """Run the command; its exit code is 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long things are written")
    parser.add_argument("--seed", type=int, help="what is written follows from it; a new one by default")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="KIND", help="kinds whose names begin so, and no others"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON, the last")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flowcraft.db"
        told = asyncio.run(fuzz(path, seconds=options.seconds, seed=seed, only=options.only)).told()
    if options.json:
        print(json.dumps(told))
    else:
        for kind, counts in told["by_kind"].items():
            print(f"{kind:32} {counts['written']:5} written, {counts['dead']:5} dead, {counts['failed']:5} failed")
        print("\n".join(f"{name}: {value}" for name, value in told.items() if name != "by_kind"))
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""``hatch run walk``: the first quarter of an hour of a new user, in an empty folder, from the built wheels.

It writes ``docs/walk.md``, which is the transcript. With ``--json`` the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from walk_folder import Folder, WrongError, build_wheels
from walk_story import CHAPTERS

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Walk; the exit code says whether all has come true."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    options = parser.parse_args()
    begun, done, wrong = time.monotonic(), 0, ""
    with tempfile.TemporaryDirectory(prefix="flowcraft-walk-") as temporary:
        wheels, path = Path(temporary) / "wheels", Path(temporary) / "letters"
        path.mkdir()
        build_wheels(ROOT, wheels)
        here = Folder(path, wheels)
        try:
            for chapter in CHAPTERS:
                started = time.monotonic()
                chapter(here)
                done += 1
                print(f"ok      {chapter.__name__}, {time.monotonic() - started:.1f} s", flush=True)
        except WrongError as error:
            wrong = str(error)
            print(f"FAILED  {chapter.__name__}: {wrong}", flush=True)
        finally:
            here.end()
        if not wrong:
            (ROOT / "docs" / "walk.md").write_text("\n".join(here.said).rstrip() + "\n", encoding="utf-8")
    if options.json:
        report = {
            "ok": not wrong,
            "chapters": done,
            "of": len(CHAPTERS),
            "checks": here.checks,
            "wrong": wrong,
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(report))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

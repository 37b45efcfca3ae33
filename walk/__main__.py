"""``hatch run walk``: the first quarter of an hour of a new user, in an empty folder, from the built wheels.

It does what the README says, and then writes ``docs/walk.md``, which is the transcript of all that follows. With
``--json`` the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from walk_folder import Folder, WrongError, build_wheels
from walk_readme import first_minute
from walk_story import CHAPTERS

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Walk; the exit code says whether all has come true."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    options = parser.parse_args()
    begun, done, wrong = time.monotonic(), 0, ""
    with tempfile.TemporaryDirectory(prefix="flowcraft-walk-") as temporary:
        inside = Path(temporary)
        build_wheels(ROOT, inside / "wheels")
        readme, here = (
            Folder(inside / name, inside / "environment", inside / "wheels") for name in ("first", "letters")
        )
        chapters: list[tuple[str, Callable[[], None]]] = [
            ("the README", lambda: first_minute(readme, (ROOT / "README.md").read_text(encoding="utf-8"))),
            *((chapter.__name__, functools.partial(chapter, here)) for chapter in CHAPTERS),
        ]
        try:
            for name, chapter in chapters:
                started = time.monotonic()
                chapter()
                done += 1
                print(f"ok      {name}, {time.monotonic() - started:.1f} s", flush=True)
        except WrongError as error:
            wrong = str(error)
            print(f"FAILED  {name}: {wrong}", flush=True)
        finally:
            readme.end()
            here.end()
        if not wrong:
            (ROOT / "docs" / "walk.md").write_text("\n".join(here.said).rstrip() + "\n", encoding="utf-8")
    if options.json:
        report = {
            "ok": not wrong,
            "chapters": done,
            "of": len(chapters),
            "checks": readme.checks + here.checks,
            "wrong": wrong,
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(report))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

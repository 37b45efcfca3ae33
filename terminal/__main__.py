"""``hatch run cli-test``: every command of ``flowcraft`` in a terminal, beside workers of which one is killed.

What a command has done is looked up past it, by a ``Client``. With ``--json`` the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from flowcraft_cli import main as command
from terminal_session import Session, WrongError
from terminal_story import CHAPTERS


def all_commands() -> set[str]:
    """The names of all commands that there are."""
    found: set[str] = set()
    for name, each in command.commands.items():
        inside = getattr(each, "commands", None)
        found |= {name} if inside is None else {f"{name} {part}" for part in inside}
    return found


def main() -> int:
    """Play all chapters; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    options = parser.parse_args()
    failed: dict[str, str] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flowcraft-terminal-") as folder:
        session = Session(Path(folder))
        try:
            for chapter in CHAPTERS:
                name, started = chapter.__name__.replace("_", " "), time.monotonic()
                try:
                    chapter(session)
                except (WrongError, TimeoutError) as error:
                    failed[name] = str(error)[-500:]
                    print(f"FAILED  {name}: {error}", flush=True)
                else:
                    print(f"ok      {name}, {time.monotonic() - started:.1f} s", flush=True)
        finally:
            session.end()
    left_out = sorted(all_commands() - session.called)
    for name in left_out:
        print(f"FAILED  no chapter calls: flowcraft {name}", flush=True)
    ok = not failed and not left_out
    if options.json:
        report = {
            "ok": ok,
            "chapters": len(CHAPTERS),
            "commands": len(session.called),
            "calls": session.calls,
            "checks": session.checks,
            "killed": session.killed,
            "left_out": left_out,
            "failed": failed,
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(report))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

"""What mypy and pyright say of the samples in ``tests/typing``, and whether it is what the samples expect."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "tests" / "typing"
#: Written as a user would, and so accepted too.
FURTHER = [ROOT / "examples" / "ten_flows" / name for name in ("decorated.py", "built.py", "shapes.py")]
EXPECTED = re.compile(r"#: mypy=([\w,-]+) pyright=(\w+(?:,\w+)*)\s*$")

#: What only follows from another mistake in the same line.
CONSEQUENCES = {
    "untyped-decorator", "reportUnknownMemberType", "reportUnknownArgumentType", "reportUnknownVariableType",
    "reportUntypedFunctionDecorator",
}  # fmt: skip

#: What was said of each line, by file and line: codes of mypy, rules of pyright.
Said = dict[tuple[Path, int], set[str]]


def expected(files: list[Path]) -> dict[str, Said]:
    """What the samples expect of each checker."""
    wanted: dict[str, Said] = {"mypy": {}, "pyright": {}}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if found := EXPECTED.search(line):
                wanted["mypy"][file, number] = set(found[1].split(","))
                wanted["pyright"][file, number] = set(found[2].split(","))
            elif "#:" in line:
                raise SystemExit(f"{file}:{number}: an expectation is written `#: mypy=... pyright=...`")
    return wanted


def without_consequences(codes: set[str]) -> set[str]:
    """What was said of a line, without what only follows from the rest of it."""
    return codes - CONSEQUENCES or codes


def run_mypy(files: list[Path]) -> Said:
    """Run mypy, strict."""
    command = [sys.executable, "-m", "mypy", "--strict", "--output=json", "--no-error-summary", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise SystemExit(f"mypy failed: {done.stdout}{done.stderr}")
    said: Said = defaultdict(set)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["severity"] == "error":
            said[ROOT / message["file"], message["line"]].add(message["code"])
    return said


def run_pyright(files: list[Path]) -> Said:
    """Run pyright as pyproject.toml says."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(ROOT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pyright failed: {done.stdout}{done.stderr}")
    said: Said = defaultdict(set)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    if report["summary"]["filesAnalyzed"] != len(files):
        raise SystemExit(f"pyright looked at {report['summary']['filesAnalyzed']} of {len(files)} files")
    for message in report["generalDiagnostics"]:
        line = message["range"]["start"]["line"] + 1
        said[Path(message["file"]), line].add(message.get("rule", message["message"]))
    return said


def main() -> int:
    """Compare."""
    parser = argparse.ArgumentParser(prog="hatch run typing-test", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    arguments = parser.parse_args()
    files = [*sorted(SAMPLES.rglob("*.py")), *FURTHER]
    refused = expected(files)
    counts: dict[str, Any] = {}
    wrong: list[str] = []
    for checker, run in (("mypy", run_mypy), ("pyright", run_pyright)):
        said = {place: without_consequences(codes) for place, codes in run(files).items()}
        wanted = refused[checker]
        for place in sorted(said.keys() | wanted.keys()):
            if said.get(place, set()) != wanted.get(place, set()):
                file, line = place
                says, should = sorted(said.get(place, ())), sorted(wanted.get(place, ()))
                wrong.append(
                    f"{file.relative_to(ROOT)}:{line}: {checker} says {says or 'nothing'}, not {should or 'nothing'}"
                )
        counts[checker] = len(wanted)
    for problem in wrong:
        print(problem)
    accepted = sum("refused" not in file.parts for file in files)
    print(f"{accepted} files accepted, {counts['mypy']} lines refused by both, {len(wrong)} wrong")
    if arguments.json:
        print(json.dumps({"ok": not wrong, "accepted": accepted, "refused": counts, "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

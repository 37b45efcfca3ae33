"""Mutates the core by a tool, and lists what no test notices: ``hatch run mutate:core``.

mutmut changes one thing at a time, in a copy, and asks the tests that come by the changed function. A mutant that
survives shows a test that is missing, or changes nothing that can be seen: those are listed, each with the reason, in
``docs/conformance/survivors.md``. A survivor that is not on that page makes this fail. All of it takes hours; meant for
the night. ``--paths`` names files, as ``graph/forks.py``, or patterns.

A survivor is named by its function and by what was changed, not by the tool's number for it, which moves with the code.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance" / "survivors.md"
PACKAGE = ROOT / "packages" / "core" / "src" / "flowcraft_core"
DEFAULT = ["graph/*.py", "durable/*.py"]
#: Tests that come by a part of the package. The pure code needs no worker to be found out.
TESTS = {"graph": ["packages/core/tests/graph"], "durable": ["packages/testkit/tests/durable"]}

# One profile for all: a mutant is asked many times a minute, and which test class asks does not matter here.
CONFTEST = """\
from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutants", derandomize=True, deadline=None, max_examples={examples}, database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")
"""
CONFIGURATION = """\
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"

[tool.mutmut]
source_paths = ["src"]
only_mutate = {paths}
also_copy = ["conftest.py", "packages"]
pytest_add_cli_args_test_selection = {tests}
"""


def chosen(patterns: list[str]) -> list[str]:
    """The modules to mutate, as paths below the package."""
    there = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return [path for path in there if any(fnmatch.fnmatch(path, pattern) for pattern in patterns)]


def run_mutmut(folder: Path, paths: list[str], examples: int, jobs: int, seconds: float | None) -> None:
    """Mutate a copy of the package in a folder, for as long as there is time."""
    shutil.copytree(PACKAGE, folder / "src" / "flowcraft_core", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("core", "testkit"):
        tests = Path("packages", package, "tests")
        shutil.copytree(ROOT / tests, folder / tests, ignore=shutil.ignore_patterns("__pycache__"))
    tests_of = dict.fromkeys(test for path in paths for test in TESTS[path.partition("/")[0]])
    (folder / "conftest.py").write_text(CONFTEST.format(examples=examples), encoding="utf-8")
    configuration = CONFIGURATION.format(
        paths=json.dumps([f"src/flowcraft_core/{path}" for path in paths]), tests=json.dumps(list(tests_of))
    )
    (folder / "pyproject.toml").write_text(configuration, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs)]
    with (folder / "log.txt").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)  # it and the processes in which it asks; what it found is on disk
            running.wait()


def results(folder: Path) -> dict[str, str]:
    """By mutant: what became of it. Raises ``SystemExit`` where the tool did not come to an end."""
    found: dict[str, str] = {}
    outcomes = {0: "survived", 33: "no tests", 34: "skipped", 36: "timeout", 24: "timeout", -24: "timeout"}
    for meta in sorted((folder / "mutants" / "src").rglob("*.py.meta")):
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            found[name] = "unasked" if code is None else outcomes.get(code, "killed")
    if set(found.values()) <= {"unasked"}:
        raise SystemExit(f"mutmut did not come to its end: {(folder / 'log.txt').read_text()[-3000:]}")
    return found


def change(folder: Path, name: str) -> str:
    """A mutant as ``function: what it was -> what it became``."""
    shown = subprocess.run(
        [str(Path(sys.executable).with_name("mutmut")), "show", name],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    ).stdout  # fmt: skip
    before = [line[1:].strip() for line in shown.splitlines() if re.match(r"-(?!--)", line)]
    after = [line[1:].strip() for line in shown.splitlines() if re.match(r"\+(?!\+\+)", line)]
    module, _, function = name.removeprefix("flowcraft_core.").rpartition(".")
    function = re.sub(r"__mutmut_\d+$", "", function).removeprefix("x_")
    function = re.sub(r"^xǁ(\w+)ǁ", r"\1.", function)
    return f"{module}.{function}: {' '.join(before)} -> {' '.join(after)}"


def main() -> int:
    """Print what survived; 1 if something did that is not on the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", nargs="+", default=DEFAULT, help="modules below the package, or patterns")
    parser.add_argument("--examples", type=int, default=25, help="that each drawn test is asked of a mutant")
    parser.add_argument("--minutes", type=float, help="ask for so long; what was not asked is told")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", action="store_true", help="a line of JSON at the end")
    options = parser.parse_args()
    paths = chosen(options.paths)
    if not paths:
        parser.error(f"there is no module {', '.join(options.paths)} in {PACKAGE.relative_to(ROOT)}")
    known = set(re.findall(r"^- `` (.+) ``$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    with tempfile.TemporaryDirectory(prefix="flowcraft-mutants-") as temporary:
        folder = Path(temporary)
        seconds = None if options.minutes is None else options.minutes * 60
        run_mutmut(folder, paths, options.examples, options.jobs, seconds)
        found = results(folder)
        survivors = sorted(change(folder, name) for name, became in found.items() if became in ("survived", "no tests"))
    new = [survivor for survivor in survivors if survivor not in known]
    for survivor in new:
        sys.stdout.write(f"survived: {survivor}\n")
    summary = {
        "ok": not new and (options.minutes is not None or "unasked" not in found.values()),
        "paths": paths,
        "mutants": len(found),
        "killed": sum(became in ("killed", "timeout") for became in found.values()),
        "survivors": len(survivors),
        "unasked": sum(became == "unasked" for became in found.values()),
        "unread": new,
    }
    if options.json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{summary['killed']} of {len(found)} killed, {len(new)} survivors to be read\n")
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

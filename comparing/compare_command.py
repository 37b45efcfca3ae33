"""``hatch run compare``: ten flows in six forms, run, counted and checked.

Each library is in an environment of its own, made once. Its flows are run there, and must give the answers of
``ten.py``; mypy (strict) and pyright (strict) look at them there, as they are and with three mistakes planted into
each, one at a time: a wrong type that is handed on, a step that is renamed where it is defined, a misspelt context
value. The code of the flows is counted alike: lines that are not empty, no comment and no docstring, imports
included, formatted alike; what starts a library's engine is in its ``host.py``, and not counted.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checking import ROOT, Checked, check
from comparison_page import PAGE, page
from planting import lines_of
from ten import CASES, FORMS, MISTAKES, NAMES, Form

# The environments are made as those of the integration tests' servers are.
sys.path.insert(0, str(ROOT / "integration"))

from servers import python_environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare."""
    parser = argparse.ArgumentParser(prog="hatch run compare", description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    names = [form.name for form in FORMS]
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="only these forms; not with --write")
    options = parser.parse_args(arguments)
    forms = [form for form in FORMS if form.name in options.only]
    if options.write and len(forms) < len(FORMS):
        parser.error("--write takes all forms")
    told = {form.name: _compared(form) for form in forms}
    answer: dict[str, Any] = {
        "ok": all(one["ok"] for one in told.values()),
        "date": datetime.now(UTC).date().isoformat(),
        "checkers": {name: importlib.metadata.version(name) for name in ("mypy", "pyright")},
        "by_hand": {name: one["how"] for name, one in told.items() if one["how"].startswith("by hand")},
        "forms": told,
    }
    if options.write and answer["ok"]:
        PAGE.write_text(page(answer), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    if options.json:
        print(json.dumps(answer))
    return 0 if answer["ok"] else 1


def _compared(form: Form) -> dict[str, Any]:
    python = Path(sys.executable)
    if form.requirements is not None:
        python = python_environment(form.requirements) / "python"
    how, wrong = _run(form, python)
    lines, checked = lines_of(form), check(form, python)
    print(f"{form.title}, {_version(form)}: {sum(lines.values())} lines, {how}", flush=True)
    for problem in wrong:
        print(f"  {problem}")
    for checker, said in checked.items():
        seen = ", ".join(f"{len(said.refused[mistake])} of {len(NAMES)} {mistake}" for mistake in MISTAKES)
        print(f"  {checker}: refuses {seen}; {said.clean} complaints without a mistake", flush=True)
    missed = _missed(checked) if form.name == "decorated" else []
    for problem in missed:
        print(f"  not refused: {problem}")
    return {
        "ok": not wrong and not missed,
        "version": _version(form),
        "how": how,
        "runs": len(CASES),
        "wrong": wrong,
        "lines": lines,
        "clean": {checker: said.clean for checker, said in checked.items()},
        "refused": {checker: said.refused for checker, said in checked.items()},
    }


def _run(form: Form, python: Path) -> tuple[str, list[str]]:
    """How its flows are run, and what went wrong."""
    said = json.dumps([[case.flow, case.given, case.answer] for case in CASES])
    command = [str(python), str(Path(__file__).with_name("flow_runner.py")), str(form.folder), said]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(answers) != len(CASES) + 1:
        return "not at all", [f"the program ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"]
    wrong = [
        f"{case.flow} of {case.given!r}: {answer.get('error') or answer['answer']}, not {case.wanted}"
        for case, answer in zip(CASES, answers[1:], strict=True)
        if answer.get("answer") != case.wanted
    ]
    return answers[0]["how"], wrong


def _missed(checked: dict[str, Checked]) -> list[str]:
    return [
        f"{flow}, {mistake}, by {checker}"
        for checker, said in checked.items()
        for mistake in MISTAKES
        for flow in NAMES
        if flow not in said.refused[mistake]
    ] + [f"{checker} has {said.clean} complaints of what is right" for checker, said in checked.items() if said.clean]


def _version(form: Form) -> str:
    if form.requirements is None:
        return importlib.metadata.version("flowcraft-core")
    return form.requirements.read_text(encoding="utf-8").strip().rpartition("==")[2]

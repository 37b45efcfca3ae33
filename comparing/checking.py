"""What mypy and pyright say of a form's flows, as they are and with a mistake in each."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from planting import lay_out
from ten import MISTAKES, NAMES, Form

ROOT = Path(__file__).resolve().parents[1]
#: How often what was said on which line of a file.
Said: TypeAlias = dict[Path, Counter[tuple[int, str]]]

_PYRIGHT = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "reportUnusedFunction": False}


@attrs.frozen
class Checked:
    """What a checker says of a form.

    Attributes:
        clean: How many complaints it has of the flows as they are.
        refused: Of each kind of mistake, the flows in which it sees it: with that mistake, there is a complaint which
            is not there without.
    """

    clean: int
    refused: dict[str, list[str]]


def check(form: Form, python: Path) -> dict[str, Checked]:
    """Ask both checkers.

    Args:
        form: The form.
        python: The interpreter of the environment that has its library.
    """
    answers: dict[str, Checked] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        files = lay_out(form, folder)
        for checker, ask in (("mypy", _mypy), ("pyright", _pyright)):
            said = ask(folder, python)
            answers[checker] = Checked(
                sum(said[files[flow, ""]].total() for flow in NAMES),
                {
                    mistake: [flow for flow in NAMES if said[files[flow, mistake]] - said[files[flow, ""]]]
                    for mistake in MISTAKES
                },
            )
    return answers


def _mypy(folder: Path, python: Path) -> Said:
    cache = ["--cache-dir", str(ROOT / ".mypy_cache"), "--config-file", ""]
    command = ["-m", "mypy", "--strict", "--output=json", "--no-error-summary", *cache, "--python-executable"]
    files = sorted(file.name for file in folder.glob("*.py"))
    said: Said = defaultdict(Counter)
    for line in _output([sys.executable, *command, str(python), *files], folder).splitlines():
        message = json.loads(line)
        if message["severity"] == "error":
            said[folder / message["file"]][message["line"], message["code"]] += 1
    return said


def _pyright(folder: Path, python: Path) -> Said:
    (folder / "pyrightconfig.json").write_text(json.dumps(_PYRIGHT), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", str(python), "-p", str(folder)]
    output = _output(command, folder)
    report: dict[str, Any] = json.loads(output[output.index("{") :])
    said: Said = defaultdict(Counter)
    for message in report["generalDiagnostics"]:
        if message["severity"] == "error":
            place = message["range"]["start"]["line"] + 1, message.get("rule", message["message"])
            said[Path(message["file"])][place] += 1
    if report["summary"]["filesAnalyzed"] != len(list(folder.glob("*.py"))):
        raise RuntimeError(f"pyright looked at {report['summary']['filesAnalyzed']} files")
    return said


def _output(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or (done.stderr and not done.stdout):
        raise RuntimeError(f"{command[2]} failed: {done.stdout}{done.stderr}")
    return done.stdout

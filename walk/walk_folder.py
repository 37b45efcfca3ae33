"""An empty folder, an environment of its own with the wheels in it, and what is typed there."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

#: How long anything may take that is waited for, seconds.
PATIENCE = 120.0
_PACKAGES = ("core", "sqlite", "cli")


class WrongError(Exception):
    """Something is not as a user is promised that it is."""


class Folder:
    """A folder of a user's.

    Attributes:
        path: Where it is; commands are called in it.
        said: The transcript so far, in Markdown.
        checks: How many things were looked at.
    """

    def __init__(self, path: Path, environment: Path, wheels: Path) -> None:
        """Begin in an empty folder.

        Args:
            path: Where; it is made.
            environment: Where the environment is; it is made if it is missing.
            wheels: Where pip finds the distributions of this project.
        """
        self.path = path
        self.said: list[str] = []
        self.checks = 0
        path.mkdir()
        scripts = environment / "bin"
        if not scripts.exists():
            venv.create(environment, with_pip=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FLOWCRAFT_", "PYTHON"))},
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "COLUMNS": "120",
        }
        self._begun: list[subprocess.Popen[str]] = []

    # --- what is told -------------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """A paragraph of the transcript."""
        self.said += [text, ""]

    def write(self, name: str, text: str) -> None:
        """Write a file of the project, as the user does in an editor."""
        (self.path / name).write_text(text, encoding="utf-8")
        self.said += [
            f"`{name}`:",
            "",
            "```python" if name.endswith(".py") else "```toml",
            text.rstrip("\n"),
            "```",
            "",
        ]

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a line of a file."""
        path = self.path / name
        text = path.read_text(encoding="utf-8")
        self.check(old in text, f"{name} has no {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")
        minus, plus = (f"{sign}{line}" for sign, lines in (("-", old), ("+", new)) for line in [lines.strip()])
        self.said += [f"`{name}`:", "", "```diff", minus, plus, "```", ""]

    # --- what is typed ------------------------------------------------------------------------------------------------

    def type(self, line: str, *, code: int = 0, show: bool = True, in_terminal: bool = False) -> str:
        """Type a command, and wait for its end; what it has printed.

        Args:
            line: The command.
            code: The exit code that it is to have.
            show: Whether what it prints belongs into the transcript; the command does in any case.
            in_terminal: Whether it sees that people look on; what it draws there over and over is no transcript.
        """
        text, ended = self._in_terminal(line) if in_terminal else self._plainly(line)
        lines = [each.rstrip() for each in text.replace(str(self.path), ".").splitlines()]
        printed = "\n".join(lines).strip("\n")
        self.check(ended == code, f"`{line}` exits with {ended}, not {code}: {printed[-1500:]}")
        exit_code = [f"[exit code {code}]"] if code else []
        self.said += ["```console", f"$ {line}", *([printed] if show and printed else []), *exit_code, "```", ""]
        return printed

    def _plainly(self, line: str) -> tuple[str, int]:
        ended = subprocess.run(
            shlex.split(line),
            cwd=self.path,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE * 3,
            check=False,
        )
        return ended.stdout, ended.returncode

    def _in_terminal(self, line: str) -> tuple[str, int]:
        printed, ended = pexpect.run(
            line,
            timeout=PATIENCE,
            withexitstatus=True,
            cwd=str(self.path),
            env=self._environment,
            encoding="utf-8",
            dimensions=(50, 120),
        )
        return _COLOUR.sub("", printed), ended

    def ask(self, line: str) -> dict[str, Any]:
        """Ask a command for JSON, beside the transcript."""
        ended = subprocess.run(
            shlex.split(f"{line} --json"),
            cwd=self.path,
            env=self._environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return answer

    def begin(self, line: str) -> subprocess.Popen[str]:
        """Type a command in a terminal of its own, and leave it running."""
        log = (self.path.parent / f"{self.path.name}-{len(self._begun)}.log").open("w")
        begun = subprocess.Popen(
            shlex.split(line),
            cwd=self.path,
            env=self._environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self._begun.append(begun)
        self.said += ["```console", f"$ {line} &", "```", ""]
        return begun

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a program, so that it can do nothing any more."""
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        self.said += ["```console", "$ kill -KILL %1", "```", ""]

    def stop_all(self) -> None:
        """End what was left running, as Ctrl-C does."""
        for process in self.running:
            process.send_signal(signal.SIGINT)
            self.check(process.wait(PATIENCE) == 0, f"a program that was stopped ends with {process.returncode}")

    def end(self) -> None:
        """End what was left running."""
        for process in self.running:
            process.kill()
            process.wait()

    @property
    def running(self) -> list[subprocess.Popen[str]]:
        """What was begun and has not ended."""
        return [process for process in self._begun if process.poll() is None]

    # --- what is looked at --------------------------------------------------------------------------------------------

    def check(self, is_so: object, problem: str) -> None:
        """See that something is so.

        Raises:
            WrongError: It is not.
        """
        self.checks += 1
        if not is_so:
            raise WrongError(problem)

    def until(self, line: str, is_so: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Ask a command until its answer is as it is to be, and return it.

        An error is an answer as well: a worker that was begun a moment ago has not made its file yet.
        """
        end = time.monotonic() + PATIENCE
        while "error" in (answer := self.ask(line)) or not is_so(answer):
            if time.monotonic() > end:
                raise WrongError(f"{what}: after {PATIENCE:g} s there is still {json.dumps(answer)[:1500]}")
            time.sleep(0.2)
        self.checks += 1
        return answer


def build_wheels(root: Path, into: Path) -> None:
    """Build the distributions that a user of SQLite installs."""
    for name in _PACKAGES:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
            cwd=root / "packages" / name,
            check=True,
            stdout=subprocess.DEVNULL,
        )

"""Commands in terminals, in a user's folder, and a client beside them that asks what they have done."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pexpect
from flowcraft_cli import main as command
from flowcraft_core.durable import Client, open_url
from flowcraft_core.ports import Backend

T = TypeVar("T")

#: How long anything may take that is waited for, seconds.
PATIENCE = 90.0
_PAUSE = 0.1
_SETTINGS = {"POLL": "1", "VISIBILITY": "3", "GRACE": "5", "RECONCILE_INTERVAL": "2", "CONCURRENCY": "2"}


class WrongError(Exception):
    """A command does not do what it is to."""


class Session:
    """A folder in which commands are called.

    Attributes:
        folder: The folder.
        url: The backend there.
        called: The commands that were called.
        calls: How many calls there were.
        checks: How many things were checked.
        killed: How many worker processes were killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/runs.db"
        self.called: set[str] = set()
        self.calls = self.checks = self.killed = 0
        self._open: list[pexpect.spawn[str]] = []
        settings = {f"FLOWCRAFT_{name}": value for name, value in _SETTINGS.items()}
        self._environment = {**os.environ, **settings, "FLOWCRAFT_BACKEND": self.url, "FLOWCRAFT_FLOWS": "flows.py"}

    def begin(self, *arguments: str) -> pexpect.spawn[str]:
        """Call a command in a terminal of its own, and leave it running."""
        self.calls += 1
        group = " ".join(arguments[:2])
        self.called.add(group if hasattr(command.commands.get(arguments[0]), "commands") else arguments[0])
        program = ["-m", "flowcraft_cli", *arguments]
        terminal: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            program,
            cwd=str(self.folder),
            env=self._environment,
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 180),
        )
        terminal.logfile_read = io.StringIO()
        self._open.append(terminal)
        return terminal

    def call(self, *arguments: str, code: int = 0, says: str = "") -> str:
        """Call a command, and wait for its end; what it has printed.

        Args:
            arguments: The command and its arguments.
            code: The exit code that it is to have.
            says: What is to be among its words.
        """
        return self.ended(self.begin(*arguments), " ".join(arguments), code=code, says=says)

    def ended(self, terminal: pexpect.spawn[str], what: str, *, code: int = 0, says: str = "") -> str:
        """Wait for the end of a command that was begun."""
        end = time.monotonic() + PATIENCE
        while not self._at_end(terminal):
            if time.monotonic() > end:
                raise WrongError(f"`flowcraft {what}` does not end; it has printed {_printed(terminal)!r:.2000}")
            self._read_all()
            time.sleep(_PAUSE / 2)
        terminal.close()
        printed = _printed(terminal)
        found = terminal.exitstatus if terminal.exitstatus is not None else 128 + (terminal.signalstatus or 0)
        self.check(found == code, f"`flowcraft {what}` exits with {found}, not {code}: {printed:.2000}")
        self.check(says in printed, f"`flowcraft {what}` does not say {says!r}: {printed:.2000}")
        if not what.startswith("worker"):  # which shows those of steps
            self.check("Traceback (most" not in printed, f"`flowcraft {what}` prints a traceback: {printed:.2000}")
        return printed

    def _at_end(self, terminal: pexpect.spawn[str]) -> bool:
        """Read what a command has printed so far; whether that is all. What was not looked for yet can still be."""
        try:
            return bool(terminal.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=0))
        except (OSError, ValueError):  # it is closed
            return True

    def _read_all(self) -> None:
        """Read what all have printed: a terminal that nobody reads holds up who writes to it."""
        for terminal in self._open:
            if not terminal.closed:
                self._at_end(terminal)

    def check(self, is_so: object, problem: str) -> None:
        """See that something is so.

        Raises:
            WrongError: It is not.
        """
        self.checks += 1
        if not is_so:
            raise WrongError(problem)

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """Ask a client of its own."""
        return self.on_backend(lambda backend: question(Client(backend)))

    def on_backend(self, question: Callable[[Backend], Awaitable[T]]) -> T:
        """Do something with the backend past the command."""

        async def within() -> T:
            async with open_url(self.url) as backend:
                return await question(backend)

        return asyncio.run(within())

    def until(self, question: Callable[[Client], Awaitable[T]], is_so: Callable[[T], object], what: str) -> T:
        """Ask until the answer is as it is to be, and return it.

        Raises:
            WrongError: It never was.
        """
        end = time.monotonic() + PATIENCE
        while not is_so(answer := self.ask(question)):
            if time.monotonic() > end:
                raise WrongError(f"{what}: after {PATIENCE:g} s there is still {answer!r:.500}")
            self._read_all()
            time.sleep(_PAUSE)
        self.checks += 1
        return answer

    def state(self, run_id: str) -> str:
        """Where a run stands."""
        return self.ask(lambda client: client.status(run_id)).state

    def outputs(self, run_id: str) -> dict[str, Any]:
        """The outputs of a run, once it has ended."""
        return self.ask(lambda client: client.wait(run_id, timeout=PATIENCE)).outputs

    def kill(self, pid: int) -> None:
        """Kill a worker process that this session has begun."""
        os.kill(pid, signal.SIGKILL)
        self.killed += 1

    def end(self) -> None:
        """End what was left running."""
        for terminal in self._open:
            if terminal.isalive():
                terminal.terminate(force=True)
            terminal.close()


def _printed(terminal: pexpect.spawn[str]) -> str:
    """All that a command has printed."""
    kept = terminal.logfile_read
    return kept.getvalue() if isinstance(kept, io.StringIO) else ""

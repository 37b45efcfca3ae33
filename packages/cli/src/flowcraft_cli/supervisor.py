"""Several worker processes: started, begun again when they die, stopped together, and begun anew when code changes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import attrs

from .exits import Exit
from .logs import SAID

_LOOK = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# Who has lived for so long has not died of how it was started.
_SETTLED = 60.0
#: How a worker process ends whose backend is not there any more: another one would begin on an empty one.
GONE = 75
_WATCHED = {".py", ".json", ".toml"}
_LEFT_OUT = {"__pycache__", "node_modules", "venv"}


@attrs.define(eq=False)
class _Child:
    """A place for a worker process.

    Attributes:
        process: The process, while there is one.
        since: When it was started.
        again: When it is started again.
        pause: How long that was put off.
    """

    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    again: float = 0.0
    pause: float = 0.0


@attrs.define
class Supervisor:
    """Looks after worker processes.

    Attributes:
        command: What starts one.
        environment: Its environment.
        number: How many.
        grace: Seconds after which one that was asked to stop is ended.
        watched: The folder whose code, when it changes, has all begin anew; None for none.
        missing: Why there is no backend, and None if there is one; for such as are created when they are opened.
        restarts: How often one was begun again.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    number: int
    grace: float
    watched: Path | None = None
    missing: Callable[[], str | None] | None = None
    restarts: int = 0
    _was_there: bool = False
    _children: list[_Child] = attrs.field(factory=list)
    _signals: int = 0
    _last: int = signal.SIGTERM

    def run(self) -> int:
        """Look after them until they are to stop; the exit code."""
        before = {number: signal.signal(number, self._take) for number in (signal.SIGTERM, signal.SIGINT)}
        code = None
        try:
            self._children = [_Child() for _ in range(self.number)]
            seen = self._seen()
            while code is None and not self._signals:
                code = self._look()
                if code is None and self.watched is not None and seen != (new := self._seen()):
                    seen = new
                    _say(logging.INFO, "workers_reloaded", "code has changed: workers begin anew")
                    self._stop()
                    self._children = [_Child() for _ in range(self.number)]
                time.sleep(_LOOK)
            if self._signals:
                said = f"stopping: steps under way have {self.grace:g} s; once more ends at once"
                _say(logging.INFO, "workers_stopping", said)
            self._stop()
        finally:
            self._kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._signals > 1:
            return 128 + self._last
        return code or 0

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._last = number

    def _look(self) -> int | None:
        """Start whoever is to be started; the code to end with, if this is the end."""
        now = time.monotonic()
        why = None if self.missing is None else self.missing()
        self._was_there = self._was_there or (self.missing is not None and why is None)
        for child in self._children:
            code = None if child.process is None else child.process.poll()
            if child.process is not None and code is not None:
                self._let_go(child)
                if code == Exit.USAGE and self.watched is None:
                    return code  # it has said why, and would say it again
                if code == GONE or (self._was_there and why is not None):
                    gone = "the backend was there and is no more: no worker is begun again, on one without its runs"
                    _say(logging.ERROR, "backend_gone", f"{gone}; put it back, and start the workers")
                    return Exit.BACKEND
                self._again_later(child, code, now)
            if child.process is None and now >= child.again:
                self._start(child, now)
        return None

    def _again_later(self, child: _Child, code: int, now: float) -> None:
        """A worker process has ended, and nobody had it stop: begin it again, later each time if it ends at once.

        Whatever its code: a step may have ended it with 0.
        """
        settled = now - child.since > _SETTLED
        child.pause = _FIRST_PAUSE if settled else min(2 * child.pause or _FIRST_PAUSE, _LONGEST_PAUSE)
        child.again = now + child.pause
        self.restarts += 1
        how = f"was ended by signal {-code}" if code < 0 else f"has ended with code {code}"
        said = f"a worker process {how}; another begins in {child.pause:g} s"
        _say(logging.WARNING, "worker_begun_again", said, code=code, retry_in=child.pause)

    def _start(self, child: _Child, now: float) -> None:
        # In a session of its own: Ctrl-C in a terminal goes to all of a group, and is to be passed on once. Its
        # standard input ends with this process, whatever ends that.
        child.process = subprocess.Popen(  # noqa: S603 - this very program
            self.command, env=dict(self.environment), stdin=subprocess.PIPE, start_new_session=True
        )
        child.since = now

    def _stop(self) -> None:
        """Have all finish what is under way; those that do not are ended, as all are by a second signal."""
        for process in self._processes():
            process.send_signal(signal.SIGTERM)
        # They end by themselves after their grace; a little is left for the way.
        end = time.monotonic() + self.grace + 10.0
        while any(process.poll() is None for process in self._processes()):
            if self._signals > 1 or time.monotonic() > end:
                self._kill()
                break
            time.sleep(_LOOK / 4)
        for child in self._children:
            self._let_go(child)

    def _kill(self) -> None:
        for process in self._processes():
            if process.poll() is None:
                process.kill()
            process.wait()

    def _processes(self) -> list[subprocess.Popen[bytes]]:
        return [child.process for child in self._children if child.process is not None]

    def _let_go(self, child: _Child) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None

    def _seen(self) -> dict[str, float]:
        """When each file of code was changed."""
        return {} if self.watched is None else dict(_changes(self.watched))


def _say(level: int, event: str, message: str, **fields: object) -> None:
    SAID.log(level, "%s", message, extra={"event": event, **fields})


def _changes(folder: Path) -> Iterator[tuple[str, float]]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _LEFT_OUT]
        for name in files:
            if Path(name).suffix in _WATCHED:
                path = os.path.join(place, name)
                try:
                    yield path, os.stat(path).st_mtime
                except OSError:  # it has just gone
                    continue


def this_program(*arguments: str) -> list[str]:
    """What starts this program again."""
    return [sys.executable, "-m", "flowcraft_cli", *arguments]

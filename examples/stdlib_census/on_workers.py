"""Runs the census on worker processes, and kills one of them half way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import attrs
import flow
from flowcraft_core.durable import StoredResult, SyncClient
from flowcraft_sqlite import SqliteBackend
from progress import Bar, Counts, Ledger

WORKERS = 3

# Seconds between two looks at the file, or more if a look takes long, so as to leave the processors to the workers;
# seconds for which the run may stand still; seconds that a worker gets to end in.
_PAUSE = 0.03
_PAUSE_PER_LOOK = 20
_PATIENCE = 90.0
_GRACE = 30.0

_WORKER = str(Path(__file__).with_name("worker.py"))


@attrs.frozen
class Finished:
    """A run that has ended.

    Attributes:
        result: Its result.
        counts: What its facts count up to.
        seconds: From the moment the workers were started until the run had ended.
        killed: The process that was killed; None if none was.
        files_then: How many files were done when it was killed.
        redelivered: How many jobs were seen to be delivered again.
        problems: What went wrong around it.
    """

    result: StoredResult
    counts: Counts
    seconds: float
    killed: int | None
    files_then: int
    redelivered: int
    problems: list[str]


def run(root: str, limit: int | None, files: int, path: str, logs: Path, bar: Bar) -> Finished:
    """Run the census in a file.

    Args:
        root: The library's folder.
        limit: How many of its files to take; None for all.
        files: How many that will be.
        path: The SQLite file.
        logs: A folder for what the workers have to say.
        bar: Where to show how far it is.
    """
    with ExitStack() as stack:
        client = stack.enter_context(SyncClient(partial(SqliteBackend, path)))
        began = moved = time.monotonic()
        workers = stack.enter_context(team(path, logs))
        run_id = client.start(flow.census, {"root": root, "limit": limit}).run_id
        ledger = stack.enter_context(Ledger.open(path, run_id))
        counts, files_then = Counts(), 0
        problems: list[str] = []
        while client.status(run_id).state in ("running", "awaiting") and not workers.problems():
            looked = time.monotonic()
            before, counts = counts, ledger.counts()
            bar.show(counts)
            ledger.redelivered()
            pause = max(_PAUSE, _PAUSE_PER_LOOK * (time.monotonic() - looked))
            if workers.killed is None and counts.files * 2 >= files:
                files_then = counts.files
                bar.say(f"killed worker {workers.kill_one()} with SIGKILL: {files_then:,} of {files:,} files done")
            now = time.monotonic()
            moved = now if counts != before else moved
            if now - moved > _PATIENCE:
                problems.append(f"the run has not moved for {_PATIENCE:.0f} s; {workers.said()}")
                break
            # Until one is killed, half way must not be slept through.
            time.sleep(min(pause, 0.05 if workers.killed is None else 1.0))
        seconds = time.monotonic() - began
        problems += workers.problems()
        result = client.result(run_id)
        workers.end()
        return Finished(
            result=result,
            counts=ledger.counts(),
            seconds=seconds,
            killed=workers.killed,
            files_then=files_then,
            redelivered=ledger.redelivered(),
            problems=list(dict.fromkeys(problems + workers.problems())),
        )


class Team:
    """Worker processes on one file.

    Attributes:
        killed: The one that was killed; None if none was.
        processes: All of them.
    """

    def __init__(self, path: str, logs: Path) -> None:
        """Start nothing yet.

        Args:
            path: The SQLite file.
            logs: A folder for what they have to say.
        """
        self.killed: int | None = None
        self._path = path
        self._logs = [logs / f"worker-{number}.log" for number in range(1, WORKERS + 1)]
        self.processes: list[subprocess.Popen[bytes]] = []
        self._is_ending = False

    def start(self) -> None:
        """Start the processes."""
        for log in self._logs:
            with log.open("wb") as stream:
                process = subprocess.Popen([sys.executable, _WORKER, self._path], stdout=stream, stderr=stream)
            self.processes.append(process)

    def kill_one(self) -> int:
        """Kill a process in the middle of whatever it does, and say which."""
        victim = self.processes[0]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.killed = victim.pid
        return victim.pid

    def end(self) -> None:
        """Have the others end in good order."""
        self._is_ending = True
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def problems(self) -> list[str]:
        """What became of processes that should not have."""
        # One that is told to end before it has come to listen for that is ended by the signal.
        good = (0, -signal.SIGTERM) if self._is_ending else ()
        return [
            f"worker {process.pid} ended with exit code {code}; {self.said()}"
            for process in self.processes
            if (code := process.poll()) is not None
            and code not in ((-signal.SIGKILL,) if process.pid == self.killed else good)
        ]

    def said(self) -> str:
        """The end of what the processes have said."""
        text = "".join(log.read_text(encoding="utf-8", errors="replace") for log in self._logs if log.exists())
        return f"the workers said: {text[-2000:].strip()}" if text else "the workers said nothing"


@contextmanager
def team(path: str, logs: Path) -> Iterator[Team]:
    """Worker processes that run until the end of the block, however it ends.

    Args:
        path: The SQLite file.
        logs: A folder for what they have to say.
    """
    started = Team(path, logs)
    try:
        started.start()
        yield started
    finally:
        started.end()

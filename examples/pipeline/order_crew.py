"""Worker processes, one of which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from order_place import Place

_WORKER = str(Path(__file__).with_name("order_worker.py"))

# Seconds that workers get to end in.
_GRACE = 30.0


class Crew:
    """Worker processes of one place."""

    def __init__(self, processes: dict[str, subprocess.Popen[bytes]], log: Path) -> None:
        """Watch processes.

        Args:
            processes: By their ids.
            log: What they say.
        """
        self._processes, self._log = processes, log
        self._killed: set[str] = set()

    def kill(self, process_id: str) -> None:
        """Kill one with SIGKILL, in the middle of whatever it does."""
        self._killed.add(process_id)
        self._processes[process_id].send_signal(signal.SIGKILL)
        self._processes[process_id].wait()

    def check(self) -> None:
        """See that those that were not killed live.

        Raises:
            RuntimeError: One has ended.
        """
        for process_id, process in self._processes.items():
            if process_id not in self._killed and process.poll() is not None:
                raise RuntimeError(f"worker {process_id} ended with {process.returncode}: {self.said()[-2000:]}")

    def said(self) -> str:
        """What they have said."""
        return self._log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def crew(place: Place, log: Path, *, workers: int = 2) -> Iterator[Crew]:
    """Worker processes until the end of the block; then they end in good order.

    Args:
        place: Where they work.
        log: A file for what they say.
        workers: How many.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as stream:
            for _ in range(workers):
                environment = os.environ | place.as_environment()
                processes.append(
                    subprocess.Popen([sys.executable, _WORKER], env=environment, stdout=stream, stderr=stream)
                )
        yield Crew({str(process.pid): process for process in processes}, log)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

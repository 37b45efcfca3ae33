"""What worker processes write to stderr, as whoever operates them sees it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from flowcraft_core.durable import Client
from flowcraft_core.logging import EVENTS
from flowcraft_sqlite import SqliteBackend

from .worker_program import SECRET, flows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
PATIENCE = 60.0

Line = dict[str, Any]


@attrs.define
class Written:
    """The lines that a process has written so far."""

    process: Process
    lines: list[Line] = attrs.field(factory=list)
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for text in self.process.stderr:
            self.lines.append(json.loads(text))  # whatever it writes is a line of JSON
            self.changed.set()

    def of(self, event: str, run_id: str | None = None) -> list[Line]:
        found = [line for line in self.lines if line.get("event") == event]
        return [line for line in found if run_id is None or line["run_id"] == run_id]

    def story(self, run_id: str) -> list[str]:
        """The events of a run."""
        return [line["event"] for line in self.lines if line.get("run_id") == run_id]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def worker(path: Path, folder: Path) -> AsyncIterator[Written]:
    """A worker process, stopped by SIGTERM at the end if it lives."""
    program = str(Path(__file__).with_name("worker_program.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, str(path), str(folder), stdout=DEVNULL, stderr=PIPE
    )
    written = Written(process)
    reading = asyncio.ensure_future(written.read())
    try:
        yield written
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await reading
    finally:
        if process.returncode is None:
            process.kill()
        reading.cancel()


async def test_a_worker_process_tells_what_becomes_of_runs_and_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with SqliteBackend(path, busy_timeout=30) as backend, worker(path, tmp_path) as seen:
        client = Client(backend)
        for name in ("fine", "buggy", "falls"):
            await client.start(flows()[name], {"given": SECRET}, run_id=name)
        await client.start(flows("c")["missing"], run_id="missing")
        for name in ("fine", "falls"):
            assert (await client.wait(name, timeout=PATIENCE)).status == "completed"
        failed = await client.wait("buggy", timeout=PATIENCE)
        await seen.until(lambda: seen.of("passed_on", "missing"))
        await client.cancel("missing")
    assert seen.process.returncode == 0

    started, stopped = seen.of("worker_started"), seen.of("worker_stopped")
    assert (len(started), len(stopped)) == (1, 1)
    assert (seen.lines[0], seen.lines[-1]) == (started[0], stopped[0])
    assert started[0]["backend"] == f"sqlite {path.resolve()}"
    assert started[0]["pid"] == seen.process.pid
    assert {flow.split()[0] for flow in started[0]["flows"].split(", ")} == set(flows())

    assert seen.story("fine") == ["run_started", "run_completed"]
    assert seen.story("buggy") == ["run_started", "attempt_failed", "node_failed", "run_failed"]
    assert seen.story("falls") == ["run_started", "fallback_taken", "run_completed"]
    assert set(seen.story("missing")) == {"passed_on"}

    (attempt,), (last,), (end,) = (seen.of(event, "buggy") for event in ("attempt_failed", "node_failed", "run_failed"))
    assert (attempt["level"], last["level"], end["level"]) == ("WARNING", "ERROR", "ERROR")
    assert (attempt["attempt"], last["attempt"]) == (1, 2)
    assert attempt["retry_in"] > 0
    for line in (attempt, last, *seen.of("fallback_taken")):
        assert line["exception"].startswith("Traceback")
        assert "in buggy\n" in line["exception"]
        assert line["exception"].endswith("ValueError: a bug in my step")
    assert end["reason"] == failed.reason
    (passed_on, *_) = seen.of("passed_on")
    assert (passed_on["node_id"], passed_on["instance"]) == ("c", "c")

    ours = [line for line in seen.lines if line["logger"].startswith("flowcraft.")]
    assert {line["worker"] for line in ours} == {started[0]["worker"]}
    for line in ours:
        named = {"event", "worker", *EVENTS[line["event"]].fields}
        assert line.keys() - {"timestamp", "level", "logger", "message", "exception"} == named
    assert len([line for line in seen.lines if line["logger"] == "someone.else"]) == 2
    assert SECRET not in json.dumps(seen.lines)


async def test_a_job_whose_worker_was_killed_is_told_to_come_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with SqliteBackend(path, busy_timeout=30) as backend:
        client = Client(backend)
        await client.start(flows()["kills"], run_id="r")
        async with worker(path, tmp_path) as first:
            async with asyncio.timeout(PATIENCE):
                await first.process.wait()
        async with worker(path, tmp_path) as second:
            assert (await client.wait("r", timeout=PATIENCE)).outputs == {"k": "survived"}
    assert first.process.returncode == -signal.SIGKILL
    assert first.story("r") == ["run_started"]
    again = second.of("redelivered", "r") + second.of("revived", "r")
    assert again
    assert second.of("run_completed", "r")
    assert first.of("worker_started")[0]["worker"] != second.of("worker_started")[0]["worker"]


async def test_a_step_that_blocks_the_loop_is_named_while_it_does(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with SqliteBackend(path, busy_timeout=30) as backend, worker(path, tmp_path) as seen:
        client = Client(backend)
        await client.start(flows()["blocks"], run_id="r")
        await seen.until(lambda: seen.of("loop_blocked"))
        assert (await client.status("r")).state == "running"
        (tmp_path / "go").touch()
        assert (await client.wait("r", timeout=PATIENCE)).status == "completed"
    blocked = seen.of("loop_blocked")[0]
    assert blocked["nodes"] == "r:heavy"
    assert blocked["place"].startswith("blocks (")
    assert blocked["seconds"] >= 0.2

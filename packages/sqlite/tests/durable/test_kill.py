"""Workers as real processes on one file, killed with SIGKILL at the points where most could be lost."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime
from flowcraft_core.durable.client import Client
from flowcraft_sqlite import SqliteBackend

from .worker_program import FLOWS, WIDTH

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
PATIENCE = 30.0


@attrs.frozen
class Point:
    """Where a worker is killed: at the so-manieth call of an operation. ``again`` are the steps that may run twice."""

    flow: str
    operation: str
    count: int
    when: str
    again: str | None = None


POINTS = {
    "before the first outcome is written": Point("fan", "context.put", 1, "before", "s"),
    "after the first outcome, before its context values": Point("fan", "context.apply", 1, "before"),
    "after the outcome, before the successors are sent": Point("fan", "queue.send", 1, "before"),
    "in the middle of the fan-out": Point("fan", "queue.send", 1, "half"),
    "after the fan-out, before the acknowledgement": Point("fan", "queue.send", 1, "after"),
    "before the first arrival at the join": Point("fan", "coordination.add_members", 1, "before"),
    "after the first arrival, before the acknowledgement": Point("fan", "coordination.add_members", 1, "after"),
    "after an item's outcome, before its arrival": Point("fan", "context.put", 4, "after"),
    "after the last arrival": Point("fan", "coordination.add_members", WIDTH, "after"),
    "before the join's outcome": Point("fan", "context.put", WIDTH + 2, "before", "e"),
    "before the final status": Point("fan", "status.finish", 1, "before"),
    "after the final status, before the acknowledgement": Point("fan", "status.finish", 1, "after"),
    "in the middle of the items of a batch": Point("batch", "queue.send", 1, "half"),
    "after a batch's last item has arrived": Point("batch", "coordination.add_members", WIDTH, "after"),
    "before the final status of a batch's run": Point("batch", "status.finish", 1, "before"),
}


async def _start(path: Path, log: Path, *kill: str) -> Process:
    program = str(Path(__file__).with_name("worker_program.py"))
    return await asyncio.create_subprocess_exec(
        sys.executable, program, str(path), str(log), *kill, stdout=DEVNULL, stderr=PIPE
    )


def _messages(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
    finally:
        connection.close()


async def _expected(flow: str, log: Path) -> Any:
    build = FLOWS[flow]()
    return await FlowRuntime([build], dependencies=str(log)).run(build)


@pytest.mark.parametrize("name", POINTS)
async def test_killed_at_the_worst_moment_a_worker_leaves_a_run_that_another_one_ends(
    name: str, tmp_path: Path
) -> None:
    point = POINTS[name]
    path, log, other_log = tmp_path / "flowcraft.db", tmp_path / "log", tmp_path / "other"
    flow = FLOWS[point.flow]()
    async with SqliteBackend(path, busy_timeout=30) as backend:
        client = Client(backend, flows=[flow])
        run_id = (await client.start(flow)).run_id
        victim = await _start(path, log, point.operation, str(point.count), point.when)
        async with asyncio.timeout(PATIENCE):
            _, said = await victim.communicate()
        assert victim.returncode == -signal.SIGKILL, said.decode()
        healthy = await _start(path, log)
        try:
            result = await client.wait(run_id, timeout=PATIENCE, poll=0.05)
            async with asyncio.timeout(PATIENCE):
                while _messages(path):  # noqa: ASYNC110 - it depends on another process
                    await asyncio.sleep(0.05)
        finally:
            healthy.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                _, said = await healthy.communicate()
        assert healthy.returncode == 0, said.decode()
    expected = await _expected(point.flow, other_log)
    assert (result.status, result.outputs, result.context, result.steps) == (
        "completed",
        expected.outputs,
        expected.context,
        expected.steps,
    )
    done, once = Counter(log.read_text().split()), Counter(other_log.read_text().split())
    assert done.keys() == once.keys()
    assert {key for key, times in done.items() if times > 1} <= {point.again}

"""``resume``: how soon a run goes on whose worker was killed, once another worker is there."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import resume_worker
from flowcraft_core.durable import Client

HELP = "a worker on SQLite or PostgreSQL is killed in the middle of a run, and another is started at once"
SHORT = (("--rounds", "2"), ("--backend", "postgres", "--rounds", "2"))

_KILLED_AT = 10
#: Seconds from when the other worker has opened the backend until the run has ended, at most.
_SOON = 2.0
_PATIENCE = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command line may say."""
    parser.add_argument("--backend", choices=["sqlite", "postgres"], default="sqlite", help="where the run lives")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure so often, take the middle")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    rounds: list[tuple[float, float]] = []
    for number in range(options.rounds):
        with _place(options.backend) as url:
            rounds.append(asyncio.run(_round(url)))
        since_kill, since_open = rounds[-1]
        print(
            f"round {number + 1}: ended {since_kill:.2f} s after the kill, {since_open:.2f} s after the other's opening"
        )
    since_kill, since_open = (statistics.median(column) for column in zip(*rounds, strict=True))
    ok = since_open <= _SOON
    print(
        f"killed in step {_KILLED_AT + 1} of {resume_worker.STEPS}: the run has ended {since_kill:.2f} s later, and"
        f" {since_open:.2f} s after the worker that was started in place of the dead one had opened the backend;"
        f" {_SOON:g} s are allowed"
    )
    return {
        "ok": ok,
        "resumed_s": since_open,
        "resumed_since_kill_s": since_kill,
        "bound_s": _SOON,
        "backend": options.backend,
        "rounds": [{"since_kill_s": kill, "since_open_s": open_} for kill, open_ in rounds],
    }


@contextlib.contextmanager
def _place(backend: str) -> Iterator[str]:
    """The URL of a place that nobody has used."""
    if backend == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/runs.db"
    else:
        # The helpers of the integration tests need not be there for the rest; the first knows where they are.
        import durable_postgres  # noqa: F401, PLC0415
        from postgres_server import postgres  # noqa: PLC0415

        with postgres() as server:
            yield server.url()


async def _round(url: str) -> tuple[float, float]:
    flow = resume_worker.flow()
    async with resume_worker.backend_of(url) as backend:
        client = Client(backend, flows=[flow])
        run_id = (await client.start(flow)).run_id
        victim = await _start(url, _KILLED_AT, "open", "here")
        victim.kill()
        killed = time.perf_counter()
        await victim.wait()
        other = await _start(url, -1, "open")
        opened = time.perf_counter()
        try:
            result = await client.wait(run_id, timeout=_PATIENCE, poll=0.01)
            ended = time.perf_counter()
        finally:
            other.terminate()
            await other.wait()
        if result.status != "completed" or len(result.outputs) != resume_worker.STEPS:
            raise RuntimeError(f"the run has ended as {result.status}, with {len(result.outputs)} outputs")
    return ended - killed, ended - opened


async def _start(url: str, killed_at: int, *said: str) -> Process:
    """A worker that has said all of these."""
    program = str(Path(resume_worker.__file__))
    process = await asyncio.create_subprocess_exec(sys.executable, program, url, str(killed_at), stdout=PIPE)
    assert process.stdout is not None
    for word in said:
        line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
        if line.decode().strip() != word:
            raise RuntimeError(f"the worker said {line!r}, and not {word!r}: above is why")
    return process

"""Worker processes and the server itself are killed in the midst of the work: every run ends with its result."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs
from flowcraft_core.durable import Client
from flowcraft_core.errors import TransientError
from postgres_places import Place
from postgres_server import PostgresServer, postgres
from postgres_worker import FLOWS, runtime

T = TypeVar("T")

_WORKERS = 3
_RUNS = 18
#: After so many begun steps whoever began the last one is killed.
_STEPS_PER_KILL = 9
#: How often the server is: killed as by a loss of power, and stopped as by an administrator, in turn.
_SERVER_KILLS = 6
_PATIENCE = 300.0


async def _hire(place: Place, log: Path) -> Process:
    here, said = Path(__file__).parent, json.dumps(attrs.asdict(place))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(here / "postgres_worker.py"),
        said,
        str(log),
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(here), str(here.parent)))},
        stderr=DEVNULL,
    )


def _begun(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()]


async def _in_the_end(call: Callable[[], Awaitable[T]]) -> T:
    """What a call gives once the server is there again."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return await call()
        except TransientError:
            assert time.monotonic() < end


async def _harm_the_server(server: PostgresServer) -> None:
    """Take it away and bring it back, again and again."""
    chance = random.Random(7)
    for number in range(_SERVER_KILLS):
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        await asyncio.to_thread(server.kill if number % 2 == 0 else server.stop)
        await asyncio.sleep(chance.uniform(0.0, 0.7))
        await asyncio.to_thread(server.start)


async def test_every_run_ends_with_its_result_though_workers_and_the_server_are_killed_all_the_time(
    tmp_path: Path,
) -> None:
    log, quiet_log = tmp_path / "log", tmp_path / "quiet"
    log.touch()
    with postgres() as server:
        place = Place.create(server.url())
        async with place.backend() as backend:
            client = Client(backend, flows=[build() for build in FLOWS.values()])
            workers = [await _hire(place, log) for _ in range(_WORKERS)]
            killed, ended = 0, []
            harming = asyncio.ensure_future(_harm_the_server(server))
            try:
                flow_ids = [list(FLOWS)[number % len(FLOWS)] for number in range(_RUNS)]
                live, end = set[int](), time.monotonic() + _PATIENCE
                for number, flow_id in enumerate(flow_ids):
                    await _in_the_end(lambda f=flow_id, n=number: client.start(f, run_id=str(n)))  # type: ignore[misc]
                    live.add(number)
                while live or not harming.done():
                    assert time.monotonic() < end, f"after {killed} kills these runs have not ended: {sorted(live)}"
                    begun = _begun(log)
                    victim = None
                    if len(begun) >= (killed + 1) * _STEPS_PER_KILL:  # in the middle of a step, if it is still there
                        last = int(begun[-1][0])
                        victim = next((worker for worker in workers if worker.pid == last), workers[0])
                    for place_in_row, worker in enumerate(workers):
                        if worker.returncode is not None:
                            ended.append(worker.returncode)  # nobody has killed it
                        elif worker is victim:
                            worker.send_signal(signal.SIGKILL)
                            await worker.wait()
                            killed += 1
                        else:
                            continue
                        workers[place_in_row] = await _hire(place, log)
                    for number in list(live):
                        status = await _in_the_end(lambda n=number: client.status(str(n)))  # type: ignore[misc]
                        if status.state != "running" and status.state != "awaiting":
                            live.discard(number)
                    await asyncio.sleep(0.02)
                await harming
                results = [await _in_the_end(lambda n=n: client.result(str(n))) for n in range(_RUNS)]  # type: ignore[misc]
                assert await _in_the_end(client.dead_letters) == []
            finally:
                harming.cancel()
                for worker in workers:
                    if worker.returncode is None:
                        worker.terminate()
                for worker in workers:
                    await asyncio.wait_for(worker.wait(), 60)
    assert killed >= 5
    assert ended == [], "no worker ends because its server was away"
    there = runtime(str(quiet_log))
    for flow_id, result in zip(flow_ids, results, strict=True):
        expected = await there.run(flow_id)
        assert (result.status, result.outputs, result.context, result.steps) == (
            "completed",
            expected.outputs,
            expected.context,
            expected.steps,
        )

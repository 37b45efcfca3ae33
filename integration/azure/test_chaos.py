"""Worker processes that are killed with SIGKILL again and again: every run ends, and right."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import azure_chaos_worker
from places import Place

_PROGRAM = Path(__file__).with_name("azure_chaos_worker.py")
_RUNS = 12
_KILLS = 12
_PATIENCE = 240.0


async def test_runs_end_right_though_workers_are_killed_all_the_time(place: Place) -> None:
    """Twelve kills among three workers, at moments drawn with a fixed seed, under twelve runs."""
    dice = random.Random(7)
    environment = place.environment()
    workers = [await _worker(environment) for _ in range(3)]
    try:
        async with azure_chaos_worker.adapter(environment) as adapter:
            client = adapter.client
            runs = {}
            for number in range(_RUNS):
                flow = ("fan", "batch")[number % 2]
                runs[(await client.start(flow)).run_id] = flow
            for _ in range(_KILLS):
                await asyncio.sleep(dice.uniform(0.3, 1.2))
                victim = dice.randrange(len(workers))
                workers[victim].kill()
                await workers[victim].wait()
                workers[victim] = await _worker(environment)
            for run_id, flow in runs.items():
                result = await client.wait(run_id, timeout=_PATIENCE)
                node, output = azure_chaos_worker.ENDS[flow]
                assert (result.status, result.outputs[node]) == ("completed", output)
                assert await client.status(run_id) is not None
            assert await client.dead_letters() == []
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            # One that was started just now, and does not listen to signals yet, is ended by it.
            assert await asyncio.wait_for(worker.wait(), 60) in (0, -signal.SIGTERM)


async def _worker(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, str(_PROGRAM), env={**os.environ, **environment})

"""Worker processes that are killed with SIGKILL in the midst of their work: every run ends with its result."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

import attrs
from aws_emulators import Place
from chaos_worker import FLOWS, make_adapter
from flowcraft_core import FlowRuntime

_WORKERS = 3
_RUNS = 12
#: After so many begun steps whoever began the last one is killed.
_STEPS_PER_KILL = 6
_PATIENCE = 300.0


async def _hire(place: Place, log: Path) -> Process:
    here, said = Path(__file__).parent, json.dumps(attrs.asdict(place))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(here / "chaos_worker.py"),
        said,
        str(log),
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(here), str(here.parent)))},
        stderr=DEVNULL,
    )


def _begun(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()]


async def test_every_run_ends_with_its_result_though_workers_are_killed_all_the_time(
    place: Place, tmp_path: Path
) -> None:
    log, quiet_log = tmp_path / "log", tmp_path / "quiet"
    log.touch()
    workers = [await _hire(place, log) for _ in range(_WORKERS)]
    killed = 0
    adapter = make_adapter(place, str(log))
    try:
        async with adapter:
            flow_ids = [list(FLOWS)[number % len(FLOWS)] for number in range(_RUNS)]
            run_ids = [(await adapter.client.start(flow_id)).run_id for flow_id in flow_ids]
            end = time.monotonic() + _PATIENCE
            live = set(run_ids)
            while live:
                assert time.monotonic() < end, f"after {killed} kills these runs have not ended: {sorted(live)}"
                begun = _begun(log)
                if len(begun) >= (killed + 1) * _STEPS_PER_KILL:
                    last = int(begun[-1][0])  # in the middle of a step, if it is still there
                    alive = [worker for worker in workers if worker.returncode is None]
                    victim = next((worker for worker in alive if worker.pid == last), alive[0])
                    victim.send_signal(signal.SIGKILL)
                    await victim.wait()
                    killed += 1
                    workers[workers.index(victim)] = await _hire(place, log)
                live = {run_id for run_id in live if (await adapter.client.status(run_id)).state == "running"}
                await asyncio.sleep(0.02)
            results = [await adapter.client.result(run_id) for run_id in run_ids]
            assert await adapter.client.dead_letters() == []
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.terminate()
        for worker in workers:
            await asyncio.wait_for(worker.wait(), 60)
    assert killed >= 5
    runtime = FlowRuntime([build() for build in FLOWS.values()], dependencies=str(quiet_log))
    for flow_id, result in zip(flow_ids, results, strict=True):
        expected = await runtime.run(flow_id)
        assert (result.status, result.outputs, result.context, result.steps) == (
            "completed",
            expected.outputs,
            expected.context,
            expected.steps,
        )
    # One that was hired last may not have come to the point where it hears a signal.
    at_work = {int(process) for process, *_ in _begun(log)}
    assert all(worker.returncode == 0 for worker in workers if worker.pid in at_work)

"""Scenario 75: ``run_sync`` where a loop, a fork or an interrupt is in its way, and settings that mean nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, SyncNodeContext, create_flow
from in_process import InProcess
from scenario import Scenario
from small_steps import gives, total

CALLS = Scenario(
    id=75,
    title="run_sync in steps, after a fork, interrupted, with eager tasks; settings mean nothing: works, or is named",
)

#: Real seconds after which something counts as hanging.
_HANGS = 15.0


# --- run_sync in steps ------------------------------------------------------------------------------------------------


@CALLS.check
async def in_more_steps_than_there_are_threads(backend: Backend) -> None:
    """Forty plain steps at once run a flow each, on the runtime that runs them."""
    number, begun = 40, 0

    def outer(ctx: SyncNodeContext[Any, Any]) -> Any:
        nonlocal begun
        begun += 1
        end = time.monotonic() + 0.5
        while begun < min(number, 32) and time.monotonic() < end:
            time.sleep(0.01)  # until the threads are all in use
        runtime = backend.runtime  # type: ignore[attr-defined]
        return runtime.run_sync("inner").outputs["only"]

    flow = create_flow("outer").node("list", gives(list(range(number)))).batch("each", outer).node("sum", total)
    flow.edge("list", "each").edge("each", "sum")
    backend.deploy(create_flow("inner").node("only", lambda ctx: 1))
    if isinstance(backend, Durable):
        backend.deploy(flow)
        await backend.staff(1, concurrency=number + 8)
    try:
        async with asyncio.timeout(_HANGS):
            result = await backend.run(flow) if isinstance(backend, InProcess) else await _run_on(backend, flow)
    except TimeoutError:
        raise AssertionError("run_sync in steps hangs") from None
    if result.status == "failed":
        expect.mentions("the error", str(result.errors[0]), "run_sync")
    else:
        expect.completed(result)
        expect.equal("the sum", result.outputs["sum"], number)


async def _run_on(backend: Any, flow: FlowBuilder) -> Any:
    started = await (await backend.client()).start(flow.id)
    return await backend.run_of(started.run_id).result()


# --- in programs of their own -----------------------------------------------------------------------------------------


async def _program(what: str) -> Mapping[str, Any]:
    """What a program of ``sync_programs.py`` says; of one that hangs it is told where its threads are."""
    path = Path(__file__).with_name("sync_programs.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-X", "faulthandler", str(path), what),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * _HANGS):
            output, errors = await process.communicate()
    except TimeoutError:
        if process.returncode is None:
            process.send_signal(signal.SIGABRT)
        _, errors = await process.communicate()
        raise AssertionError(f"{what}: the program hangs: {errors.decode()[-2_000:]}") from None
    if process.returncode:
        raise AssertionError(f"{what}: the program failed: {errors.decode()[-300:]}")
    said: Mapping[str, Any] = json.loads(output.splitlines()[-1])
    return said


@CALLS.check_in_process
async def after_a_fork(backend: InProcess) -> None:
    """A runtime that has run before works in the child, or says that it did not survive the fork."""
    said = await _program("fork")
    if said["status"] != "completed":
        expect.mentions("what the child says", said["error"], "fork")


@CALLS.check_in_process
async def in_an_interrupted_cell(backend: InProcess) -> None:
    """The interrupt reaches the cell and ends the run: no step begins after it."""
    said = await _program("interrupt")
    expect.equal("whether the cell was interrupted", said["interrupted"], True)
    expect.equal("what was done afterwards", said["afterwards"], [])


@CALLS.check_in_process
async def under_eager_tasks(backend: InProcess) -> None:
    """Runs in process, on workers, and by ``run_sync``; on a Python that has eager tasks, from 3.12 on."""
    if hasattr(asyncio, "eager_task_factory"):
        said = await _program("eager")
        expect.equal("how the runs ended", said, {"run": "completed", "run_sync": "completed", "worker": "completed"})

"""Signals stop a worker on any event loop, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_testkit import InMemoryBackend
from flowcraft_testkit.contracts.interposed import Call, Interposed


class LoopWithoutSignals(asyncio.SelectorEventLoop):
    """As every loop on Windows."""

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:  # type: ignore[override]
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> bool:
        raise NotImplementedError


async def _stopped_by(number: int) -> None:
    async with InMemoryBackend() as backend:
        worker = Worker(backend, FlowRuntime(), poll=0.01)
        working = asyncio.ensure_future(worker.run(handle_signals=True))
        while signal.getsignal(number) is _before[number] and not working.done():  # noqa: ASYNC110 - it tells nobody that it has begun
            await asyncio.sleep(0)
        if not working.done():
            os.kill(os.getpid(), number)
        await asyncio.wait_for(working, 30)


_before: dict[int, Any] = {}


@pytest.mark.parametrize("loop", [LoopWithoutSignals, asyncio.SelectorEventLoop])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_worker_and_is_given_back(loop: type[asyncio.AbstractEventLoop], number: int) -> None:
    _before[number] = signal.getsignal(number)
    running = loop()  # and no runner, which has a handler of its own
    try:
        running.run_until_complete(_stopped_by(number))
        # A loop's own handler leaves the default behind, whatever was there before.
        assert signal.getsignal(number) in (_before[number], signal.SIG_DFL, signal.default_int_handler)
    finally:
        running.close()
        signal.signal(number, _before[number])


def test_in_another_thread_there_are_no_signals() -> None:
    raised: list[BaseException] = []

    async def work() -> None:
        async with InMemoryBackend() as backend:
            await Worker(backend, FlowRuntime()).run(handle_signals=True)

    def live() -> None:
        try:
            asyncio.run(work())
        except ConfigurationError as error:
            raised.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    thread.join(30)
    assert "main thread" in str(raised[0])


@pytest.mark.parametrize(
    "operation", ["queue.extend", "status.get", "coordination.extend_ttl", "coordination.set_if_absent", "status.find"]
)
async def test_a_worker_stops_though_a_cancellation_was_lost(operation: str) -> None:
    """Python's own ``wait_for`` loses one that comes in the moment of an answer, up to 3.11."""
    asked, released, is_begun = asyncio.Event(), asyncio.Event(), False

    async def around(name: str, call: Call) -> Any:
        answer = await call()
        if name == operation and is_begun:
            asked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600.0)
        return answer

    async def wait(ctx: NodeContext) -> str:
        nonlocal is_begun
        is_begun = True
        await released.wait()
        return "done"

    flow = create_flow("flow").node("wait", wait)
    async with InMemoryBackend() as backend:
        worker = Worker(
            Interposed(backend, around),
            FlowRuntime([flow]),
            visibility=1.0,
            poll=0.01,
            control_interval=0.05,
            reconcile_interval=0.2,
            told_after=0.05,
            heartbeat=0.1,
        )
        working = asyncio.ensure_future(worker.run())
        await Client(backend, flows=[flow]).start(flow)
        await asyncio.wait_for(asked.wait(), 30)
        released.set()
        worker.stop()
        ended, _ = await asyncio.wait([working], timeout=20)
        assert ended, f"the worker waits for ever for what called {operation}"

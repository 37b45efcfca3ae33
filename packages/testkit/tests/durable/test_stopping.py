"""Signals stop a worker on any event loop, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime
from flowcraft_core.durable import Worker
from flowcraft_testkit import InMemoryBackend


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

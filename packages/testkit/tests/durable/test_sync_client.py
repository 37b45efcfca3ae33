"""``SyncClient`` in a program that is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="threads have no masks of signals here")
def test_an_interrupt_that_ends_no_wait_is_seen_all_the_same() -> None:
    """As one is that comes just before a wait begins: here another thread is told of it."""
    code = """
import os, signal
from flowcraft_core import create_flow
from flowcraft_core.durable import SyncClient
from flowcraft_testkit import InMemoryBackend
told = []
flow, backend = create_flow("f").node("a", lambda ctx: 1), InMemoryBackend()
with SyncClient(lambda: backend, flows=[flow]) as client:
    run_id, look = client.start(flow).run_id, backend.status.get
    async def interrupt(run_id):
        if not told:
            told.append("interrupted")
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            os.kill(os.getpid(), signal.SIGINT)
        return await look(run_id)
    backend.status.get = interrupt
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try: client.wait(run_id)
    except KeyboardInterrupt: print(*told)
    print(client.status(run_id).state)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["interrupted", "running"]

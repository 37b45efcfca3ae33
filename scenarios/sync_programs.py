"""Programs in which ``run_sync`` has a hard time, each in a process of its own; what they saw is their last line."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_testkit import InMemoryBackend


def fork() -> dict[str, Any]:
    """A runtime that has just run a plain step is used in a child that was forked."""
    context = multiprocessing.get_context("fork")
    flow = create_flow("plain").node("only", lambda ctx: 1)
    runtime = FlowRuntime([flow])
    runtime.run_sync(flow)
    answers = context.Queue()

    def child() -> None:
        try:
            answers.put({"status": runtime.run_sync(flow).status, "error": ""})
        except Exception as error:
            answers.put({"status": "", "error": f"{type(error).__name__}: {error}"})

    process = context.Process(target=child)
    process.start()
    process.join(8)
    if process.is_alive():
        process.kill()
        return {"status": "", "error": "it hangs"}
    said: dict[str, Any] = answers.get(timeout=8)
    return said


def interrupt() -> dict[str, Any]:
    """A notebook's cell, inside of a loop that runs, is interrupted while its run is under way."""
    done: list[str] = []
    under_way = threading.Event()

    async def first(ctx: NodeContext[Any, Any]) -> None:
        for number in range(20):
            if number == 2:
                under_way.set()
            done.append(f"first {number}")
            await asyncio.sleep(0.05)

    flow = create_flow("cell").node("first", first).node("next", lambda ctx: done.append("next")).edge("first", "next")

    async def cell() -> dict[str, Any]:
        interrupted = False
        try:
            FlowRuntime([flow]).run_sync(flow)
        except KeyboardInterrupt:
            interrupted = True
        seen = len(done)
        time.sleep(1.5)  # noqa: ASYNC251 - as a cell that goes on
        return {"interrupted": interrupted, "afterwards": done[seen:]}

    def press() -> None:
        under_way.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    # Without the handler that ``asyncio.run`` puts there: notebooks have none.
    return asyncio.new_event_loop().run_until_complete(cell())


def eager() -> dict[str, Any]:
    """Tasks begin to run as they are made."""

    async def step(ctx: NodeContext[Any, Any]) -> Any:
        return ctx.input

    flow = create_flow("eager").node("list", lambda ctx: [1, 2, 3]).batch("each", step).node("end", step)
    flow.edge("list", "each").edge("each", "end")

    async def main() -> dict[str, Any]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        runtime = FlowRuntime([flow])
        said: dict[str, Any] = {"run": (await runtime.run(flow)).status, "run_sync": runtime.run_sync(flow).status}
        async with InMemoryBackend() as backend:
            worker = Worker(backend, runtime, poll=0.2)
            working = asyncio.ensure_future(worker.run())
            client = Client(backend)
            said["worker"] = (await client.wait((await client.start(flow)).run_id, timeout=8)).status
            worker.stop()
            await working
        return said

    return asyncio.run(main())


if __name__ == "__main__":
    print(json.dumps({"fork": fork, "interrupt": interrupt, "eager": eager}[sys.argv[1]]()))

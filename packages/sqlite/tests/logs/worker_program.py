"""A worker as a process that logs JSON: ``python worker_program.py <file> <folder>``.

What it is given in the folder: ``go`` lets the step that blocks go on; ``killed`` says that the worker was killed once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Worker
from flowcraft_core.logging import JsonFormatter
from flowcraft_sqlite import SqliteBackend

SECRET = "the secret of a payload"
Ctx = NodeContext[Any, Path]


async def secretive(ctx: Ctx) -> str:
    await ctx.context.set("kept", SECRET)
    logging.getLogger("someone.else").warning("%d", "a line that does not fit")
    return SECRET


async def hands_on(ctx: Ctx) -> Any:
    return ctx.input


async def buggy(ctx: Ctx) -> None:
    raise ValueError("a bug in my step")


def kills(ctx: Any) -> str:
    mark = ctx.dependencies / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


async def blocks(ctx: Ctx) -> None:
    ends = time.monotonic() + 60.0
    while not (ctx.dependencies / "go").exists() and time.monotonic() < ends:
        time.sleep(0.01)  # noqa: ASYNC251 - that is what it is about


def flows(node_id: str = "renamed") -> dict[str, FlowBuilder]:
    """The flows; one of them has a node that is called otherwise in the worker, which so lacks its step."""
    twice = RetryPolicy(max_attempts=2, delay=0.05)
    return {
        "fine": create_flow("fine").node("a", secretive).node("b", hands_on).edge("a", "b"),
        "buggy": create_flow("buggy").node("bad", buggy, retries=twice),
        "falls": create_flow("falls").node("bad", buggy, fallback="good").node("good", secretive),
        "kills": create_flow("kills").node("k", kills),
        "blocks": create_flow("blocks").node("heavy", blocks),
        "missing": create_flow("missing").node(node_id, hands_on),
    }


async def main(path: str, folder: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    async with SqliteBackend(path, busy_timeout=30) as backend:
        runtime = FlowRuntime(flows().values(), dependencies=Path(folder))
        worker = Worker(backend, runtime, visibility=1.0, poll=0.2, reconcile_interval=1.0, blocked_after=0.2)
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

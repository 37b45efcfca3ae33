"""A worker as a process: ``python worker_program.py <file> <log> [<operation> <count> <before|half|after>]``.

With the last three it kills itself at a call to a port: the so-manieth of that operation. ``half`` is for sending: half
of the messages are sent, and then it dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable.worker import Worker
from flowcraft_core.ports import Backend
from flowcraft_sqlite import SqliteBackend

WIDTH = 6
Ctx = NodeContext[Any, str]


def _note(ctx: Ctx) -> None:
    """Leave a line for each time that a step is executed, whatever happens to the process then."""
    with open(ctx.dependencies, "ab", buffering=0) as log:
        log.write(f"{ctx.key}\n".encode())


async def one(ctx: Ctx) -> int:
    _note(ctx)
    await ctx.context.set("who", "one")
    return 1


async def add(ctx: Ctx) -> int:
    _note(ctx)
    return int(ctx.input) + 1


async def numbers(ctx: Ctx) -> list[int]:
    _note(ctx)
    return [place * 10 for place in range(WIDTH)]


async def total(ctx: Ctx) -> int:
    _note(ctx)
    return sum(ctx.input.values()) if isinstance(ctx.input, dict) else sum(ctx.input)


def fan() -> FlowBuilder:
    flow = create_flow("fan").node("s", one).node("e", total).node("after", add).edge("e", "after")
    for place in range(WIDTH):
        flow.node(f"n{place}", add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def batch() -> FlowBuilder:
    flow = create_flow("batch").node("src", numbers).batch("pages", add).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


FLOWS = {"fan": fan, "batch": batch}


class Suicidal:
    """A backend whose user is killed at a call."""

    def __init__(self, inner: Backend, operation: str, count: int, when: str) -> None:
        self._operation, self._left, self._when = operation, count, when
        self.queue: Any = _Port(self, inner.queue, "queue")
        self.context: Any = _Port(self, inner.context, "context")
        self.status: Any = _Port(self, inner.status, "status")
        self.coordination: Any = _Port(self, inner.coordination, "coordination")

    async def call(self, operation: str, call: Callable[..., Awaitable[Any]], args: Any, options: Any) -> Any:
        if operation != self._operation:
            return await call(*args, **options)
        self._left -= 1
        if self._left:
            return await call(*args, **options)
        if self._when == "half":
            await call(args[0][: len(args[0]) // 2], **options)
        elif self._when == "after":
            await call(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return None


class _Port:
    def __init__(self, owner: Suicidal, port: Any, name: str) -> None:
        self._owner, self._port, self._name = owner, port, name
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._port, method)

        async def watched(*args: Any, **options: Any) -> Any:
            return await self._owner.call(f"{self._name}.{method}", call, args, options)

        return watched


async def main(path: str, log: str, *kill: str) -> None:
    async with SqliteBackend(path, busy_timeout=30) as opened:
        backend = cast(Backend, opened)
        if kill:
            operation, count, when = kill
            backend = cast(Backend, Suicidal(opened, operation, int(count), when))
        runtime = FlowRuntime([build() for build in FLOWS.values()], dependencies=log)
        # One job at a time: the so-manieth call is the same one each time.
        worker = Worker(backend, runtime, concurrency=1, visibility=1.0, poll=0.5, reconcile_interval=1.0, grace=5)
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

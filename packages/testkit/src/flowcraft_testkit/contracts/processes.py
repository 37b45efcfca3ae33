"""What other processes do on a test's store, each with a client of its own: they race, and they die."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

import attrs
from flowcraft_core.ports import Backend, Fact, RunStatus

from .contract import opened
from .trouble import BackendMaker

#: Does its part of a race, given the client, a name for the race, and which process it is; returns what it has won.
Racer = Callable[[Backend, str, int], Awaitable[list[Any]]]

PROCESSES = 2
ROUNDS = 30

_start: list[Barrier] = []


async def race_in_processes(make: BackendMaker, racer: Racer, name: str) -> list[list[Any]]:
    """Have processes race that begin at once, and return what each has won."""
    context = multiprocessing.get_context("spawn")  # as it is on every machine, and the event loop is not theirs
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, _remember, (barrier,)) as pool:
        loop = asyncio.get_running_loop()
        racing = (loop.run_in_executor(pool, _race, make, racer, name, place) for place in range(PROCESSES))
        return await asyncio.gather(*racing)


def _remember(barrier: Barrier) -> None:
    _start.append(barrier)


def _race(make: BackendMaker, racer: Racer, name: str, place: int) -> list[Any]:
    async def main() -> list[Any]:
        async with opened(make()) as backend:
            await asyncio.to_thread(_start[0].wait, 60)
            return await racer(backend, name, place)

    return asyncio.run(main())


async def put_facts(backend: Backend, name: str, place: int) -> list[Any]:
    """The numbers of the facts that were this process's to put."""
    facts = [Fact(b"%d" % place, f"writer {place} {number}") for number in range(ROUNDS)]
    return [
        number for number, fact in enumerate(facts) if await backend.context.put(name, f"key {number}", fact) is None
    ]


async def end_runs(backend: Backend, name: str, place: int) -> list[Any]:
    """The numbers of the runs that were this process's to end."""
    won: list[Any] = []
    for number in range(ROUNDS):
        run_id = f"{name} {number}"
        await backend.status.create(
            RunStatus(run_id=run_id, state="running", blueprint_id="flow", created=1.0, updated=1.0)
        )
        if await backend.status.finish(run_id, "completed", at=2.0, reason=f"process {place}"):
            won.append(number)
    return won


async def take_leases(backend: Backend, name: str, place: int) -> list[Any]:
    """The numbers of the leases that this process has."""
    leases = [backend.coordination.set_if_absent(f"{name} {n}", f"{place}", ttl=600.0) for n in range(ROUNDS)]
    return [number for number, lease in enumerate(leases) if await lease]


async def receive_messages(backend: Backend, name: str, place: int) -> list[Any]:
    """The bodies of the messages that came to this process."""
    bodies: list[Any] = []
    empty = 0
    while empty < 5:
        found = await backend.queue.receive(max_messages=2, wait=0, visibility=60.0)
        bodies += [delivery.body for delivery in found]
        empty = 0 if found else empty + 1
    return bodies


async def wait_and_end(make: BackendMaker, wait: float) -> None:
    """Have a process wait for messages, give that up, close its client and end; return once it has ended."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_wait_and_end, args=(make, wait), daemon=True)
    process.start()
    await asyncio.to_thread(process.join)


def _wait_and_end(make: BackendMaker, wait: float) -> None:
    async def main() -> None:
        async with opened(make()) as backend:
            receiving = asyncio.ensure_future(backend.queue.receive(max_messages=1, wait=wait, visibility=600.0))
            await asyncio.sleep(wait / 4)  # it is with the service by now
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def holding(make: BackendMaker, visibility: float) -> AsyncIterator[Holder]:
    """A process that receives one message and holds it, for an ``async with`` block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(make, visibility, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Holder(process, await asyncio.to_thread(ours.recv))
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


@attrs.frozen
class Holder:
    """A process that holds a message.

    Attributes:
        process: The process, whose ``kill`` ends it without a word.
        body: Of what it has received.
    """

    process: BaseProcess
    body: str


def _hold(make: BackendMaker, visibility: float, pipe: Connection) -> None:
    async def main() -> None:
        async with opened(make()) as backend:
            while not (found := await backend.queue.receive(max_messages=1, wait=1.0, visibility=visibility)):
                pass
            pipe.send(found[0].body)
            await asyncio.to_thread(pipe.recv)  # nothing ever comes: until it is killed

    asyncio.run(main())

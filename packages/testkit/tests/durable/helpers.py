"""A world in memory with a virtual clock, workers in it, and what kills them between two calls to a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import attrs
from flowcraft_core import FlowBuilder, FlowRuntime
from flowcraft_core.durable import Client, StoredResult
from flowcraft_core.durable.worker import Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Backend
from flowcraft_testkit import CLOUD_STORE, InMemoryBackend, VirtualClock, Weaknesses

#: What happens at a call: the process dies before it, or after it; or it was applied, and its answer is lost.
Mode = Literal["before", "after", "lost"]
MODES: tuple[Mode, ...] = ("before", "after", "lost")
PORTS = ("queue", "context", "status", "coordination")

STRONG = Weaknesses.none()
#: A store in which a chunk is 1,000 bytes long.
SMALL_STORE = attrs.evolve(CLOUD_STORE, max_value_bytes=1_000)


class Watched:
    """A backend that shows every call before and after it is made, and may stop it by never answering."""

    def __init__(
        self,
        inner: Backend,
        *,
        before: Callable[[str], Awaitable[None]] | None = None,
        after: Callable[[str, Any], Awaitable[None]] | None = None,
    ) -> None:
        self.inner = inner
        self.queue: Any = _Port(inner.queue, "queue", before, after)
        self.context: Any = _Port(inner.context, "context", before, after)
        self.status: Any = _Port(inner.status, "status", before, after)
        self.coordination: Any = _Port(inner.coordination, "coordination", before, after)
        named = getattr(inner, "queues", None)
        self.queues: Any = None if named is None else _Queues(named, before, after)
        by_hand = getattr(inner, "by_hand", None)
        self.by_hand: Any = None if by_hand is None else _Port(by_hand, "by_hand", before, after)

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()


class _Queues:
    def __init__(self, queues: Any, *watching: Any) -> None:
        self._queues, self._watching = queues, watching

    def named(self, name: str) -> Any:
        return _Port(self._queues.named(name), "queue", *self._watching)


class _Port:
    def __init__(
        self,
        port: Any,
        name: str,
        before: Callable[[str], Awaitable[None]] | None,
        after: Callable[[str, Any], Awaitable[None]] | None,
    ) -> None:
        self._port, self._name, self._before, self._after = port, name, before, after
        self.limits = getattr(port, "limits", None)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        call, operation = getattr(self._port, method), f"{self._name}.{method}"

        async def watched(*args: Any, **kwargs: Any) -> Any:
            if self._before is not None:
                await self._before(operation)
            answer = await call(*args, **kwargs)
            if self._after is not None:
                await self._after(operation, answer)
            return answer

        return watched


class Crashing(Watched):
    """Dies at one call: from then on none is answered. An empty receive is no call."""

    def __init__(self, inner: Backend, at: int, mode: Mode) -> None:
        self.calls: list[str] = []
        self.dead = asyncio.Event()
        self._at, self._mode = at, mode
        self._mine: dict[asyncio.Task[Any] | None, int] = {}
        super().__init__(inner, before=self._enter, after=self._leave)

    async def _enter(self, operation: str) -> None:
        if self.dead.is_set():
            await never()
        if operation != "queue.receive":
            await self._count(operation)

    async def _count(self, operation: str) -> None:
        self.calls.append(operation)
        self._mine[asyncio.current_task()] = len(self.calls)
        if len(self.calls) == self._at and self._mode == "before":
            await self._die()

    async def _leave(self, operation: str, answer: Any) -> None:
        if operation == "queue.receive":
            if not answer:
                return
            await self._count(operation)
        if self._mine.pop(asyncio.current_task(), 0) == self._at:
            if self._mode == "after":
                await self._die()
            raise TransientError("the answer was lost")

    async def _die(self) -> None:
        self.dead.set()
        await never()


async def never() -> None:
    await asyncio.Event().wait()


def world(
    clock: VirtualClock, weaknesses: Weaknesses | None = STRONG, *, seed: int = 0, **options: Any
) -> InMemoryBackend:
    return InMemoryBackend(clock=clock, weaknesses=weaknesses, seed=seed, **options)


def keys_of(backend: InMemoryBackend, run_id: str) -> set[str]:
    """The keys of a run's facts, seen past the port, which never lists. Chunks are left out."""
    records = backend._world.facts._records
    found = {key for (run, key), record in records.items() if run == run_id and record.newest is not None}
    return {key for key in found if ":chunk:" not in key}


def left_of(backend: InMemoryBackend, run_id: str) -> set[str]:
    """All that the stores hold of a run."""
    inside = backend._world
    found: set[str] = set()
    for table in (inside.facts, inside.values):
        records: dict[tuple[str, str], Any] = table._records
        found |= {key for (run, key), record in records.items() if run == run_id and record.newest is not None}
    if inside.statuses.get(run_id) is not None:
        found.add("the status")
    return found


def messages_in(backend: InMemoryBackend) -> int:
    return len(backend._world.messages._messages)


async def kill(tasks: set[asyncio.Task[Any]]) -> None:
    """End tasks at once, wherever they are; what they would do on their way out hangs, and is ended too."""
    while tasks := {task for task in tasks if not task.done()}:
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)


async def killed(victims: Callable[[], Awaitable[object]], until: Awaitable[object]) -> None:
    """Run victims until something happens, and kill them and all that they have started."""
    others = asyncio.all_tasks()
    ends = asyncio.ensure_future(until)
    others.add(ends)
    running = asyncio.ensure_future(_quietly(victims))
    try:
        await asyncio.wait([ends, running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await kill(asyncio.all_tasks() - others)
        await kill({ends})


async def _quietly(victims: Callable[[], Awaitable[object]]) -> None:
    await victims()


@asynccontextmanager
async def working(
    backend: Backend, runtime: FlowRuntime, *, number: int = 1, **options: Any
) -> AsyncIterator[list[Worker]]:
    """Workers that run until the block ends."""
    options = {"poll": 5.0, "reconcile": True, "reconcile_interval": 60.0} | options
    workers: list[Worker] = []
    for _ in range(number):
        client: Backend = backend
        if isinstance(backend, InMemoryBackend):
            client = backend.connect()
            await client.open()
        workers.append(Worker(client, runtime, **options))
    tasks = [asyncio.ensure_future(worker.run()) for worker in workers]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*tasks)


@attrs.frozen
class Place:
    """A world with a clock, a client, and a runtime that knows the flows."""

    clock: VirtualClock
    backend: InMemoryBackend
    client: Client
    runtime: FlowRuntime

    def working(self, **options: Any) -> Any:
        return working(self.backend, self.runtime, **options)

    async def finished(self, flow: FlowBuilder, *, timeout: float = 3600.0, **options: Any) -> StoredResult:
        """Start a run and wait for its end."""
        started = await self.client.start(flow, **options)
        return await self.client.wait(started.run_id, timeout=timeout, poll=0.5)


@asynccontextmanager
async def place(
    *flows: FlowBuilder, weaknesses: Weaknesses | None = STRONG, seed: int = 0, **options: Any
) -> AsyncIterator[Place]:
    clock = VirtualClock()
    backend = world(clock, weaknesses, seed=seed, **options)
    async with backend:
        yield Place(clock, backend, Client(backend, flows=flows, clock=clock), FlowRuntime(flows, clock=clock))


async def crashed(
    flow: FlowBuilder, at: int, mode: Mode, clock: VirtualClock, *, weak: bool
) -> tuple[StoredResult, list[str]]:
    """What becomes of a run whose first worker dies at a call of its, for others to go on; and the calls until then.

    On weak reads there is a reconciler, without which messages alone must do.
    """
    runtime = FlowRuntime([flow], clock=clock)
    async with world(clock, None if weak else STRONG, seed=at) as backend:
        client = Client(backend, clock=clock)
        run_id = (await client.start(flow)).run_id
        crashing = Crashing(backend.connect(), at, mode)
        await crashing.open()
        worker = Worker(crashing, runtime, poll=5, reconcile=False)

        async def until_dead() -> None:
            until = clock.now() + 30
            while not crashing.dead.is_set() and clock.now() < until:
                if (await client.status(run_id)).state in ("completed", "failed"):
                    return
                await clock.sleep(0.5)

        await killed(worker.run, until_dead())
        async with working(backend, runtime, reconcile=weak):
            result = await client.wait(run_id, timeout=3600, poll=1.0)
        return result, crashing.calls

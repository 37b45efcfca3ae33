"""Real clients, workers and reconcilers on the backend that a contract is about, and how they die."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import attrs
from flowcraft_core import Clock, FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Client, Reconciler, StoredResult, Worker
from flowcraft_core.ports import Backend, Fact, Message

from .contract import Contract, Opener
from .interposed import Around, Call, Interposed, simply

Context = NodeContext[Any, Any]

_LONGEST = 400_000


@attrs.define(eq=False)
class Hand:
    """A worker at work, on a connection of its own.

    Attributes:
        worker: The worker.
        task: In which it runs.
        dead: Set once it was killed.
    """

    worker: Worker
    task: asyncio.Task[None]
    dead: asyncio.Event


class Programs:
    """Programs on one backend. What they share is what is stored, as if each were a process.

    Attributes:
        client: A client with its own connection.
        backend: That connection, for what is done by hand.
        calls: How often each operation was called by workers, receives that brought nothing left out.
    """

    def __init__(self, opener: Opener, stack: AsyncExitStack, clock: Clock, flows: tuple[FlowBuilder, ...]) -> None:
        self._opener, self._stack, self.clock, self.flows = opener, stack, clock, flows
        self.runtime = FlowRuntime(flows, clock=clock)
        self.options: dict[str, Any] = {}
        self.patience = 600.0
        self.calls: Counter[str] = Counter()
        self._hands: list[Hand] = []
        self._gone: list[asyncio.Task[None]] = []

    async def connect(
        self, around: Around = simply, *, staleness: float | None = None, starts: bool = True
    ) -> Interposed:
        """A connection of its own, until the end, as ``Interposed`` is one.

        Args:
            around: What each call goes through.
            staleness: Stands in the place of what its store says.
            starts: As for ``Interposed``.
        """
        connection = Interposed(await self._stack.enter_async_context(self._opener()), around, starts=starts)
        # Long values are cut into chunks: where the store takes more at a time, they need not be longer for that.
        limits = connection.context.limits
        connection.context.limits = attrs.evolve(
            limits,
            max_value_bytes=min(limits.max_value_bytes, _LONGEST),
            staleness=limits.staleness if staleness is None else staleness,
        )
        return connection

    async def begin(self, options: Mapping[str, Any]) -> None:
        """Open the client's connection."""
        self.options = dict(options)
        self.backend = await self.connect()
        self.client = Client(self.backend, flows=self.flows, clock=self.clock)

    async def reconciler(self, *, around: Around = simply, starts: bool = True, **options: Any) -> Reconciler:
        """A reconciler with its own connection, as ``connect`` gives it."""
        return Reconciler(await self.connect(around, starts=starts), **{"clock": self.clock, **options})

    async def run(self, flow: FlowBuilder, context: Mapping[str, Any] | None = None, **options: Any) -> StoredResult:
        """Start a run and wait for its end."""
        return await self.ended((await self.client.start(flow, context, **options)).run_id)

    async def ended(self, run_id: str) -> StoredResult:
        """Wait for the end of a run; it is a failure if it does not come."""
        try:
            return await self.client.wait(run_id, timeout=self.patience, poll=self.patience / 2_000)
        except TimeoutError:
            so_far = sorted((await self.client.result(run_id)).outputs)
            raise AssertionError(f"the run {run_id!r} does not end; there are outputs of {so_far}") from None

    async def send(self, *bodies: str) -> None:
        """Put messages on the queue by hand."""
        await self.backend.queue.send([Message(body) for body in bodies])

    # --- workers --------------------------------------------------------------------------------------------------

    async def hire(
        self,
        number: int = 1,
        *,
        around: Around = simply,
        runtime: FlowRuntime | None = None,
        limits: Mapping[str, Any] | None = None,
        staleness: float | None = None,
        **options: Any,
    ) -> Hand:
        """Start workers with connections of their own; the last one is returned.

        Args:
            number: How many.
            around: What each call of theirs goes through.
            runtime: Their steps; by default those of all flows.
            limits: What they are told of the queue's limits, in the place of what it says.
            staleness: For how long they are told that their reads may lag, in the place of what the store says.
            options: Of ``Worker``, beside those of all.
        """
        for _ in range(number):
            dead = asyncio.Event()
            connection = await self.connect(self._watched(around, dead), staleness=staleness)
            if limits:
                connection.queue.limits = attrs.evolve(connection.queue.limits, **limits)
            worker = Worker(connection, runtime or self.runtime, **{**self.options, **options})
            hand = Hand(worker, asyncio.create_task(worker.run()), dead)
            self._hands.append(hand)
        return hand

    async def hire_until(self, operation: str, *, when: str = "after", number: int = 1, **options: Any) -> Hand:
        """Start a worker, and return once it has died ``before`` or ``after`` its so-manieth call of an operation."""
        calls, died = 0, asyncio.Event()

        async def around(called: str, call: Call) -> Any:
            nonlocal calls
            calls += called == operation
            if called != operation or calls != number:
                return await call()
            if when == "after":
                await call()
            died.set()
            return await asyncio.Event().wait()

        hand = await self.hire(around=around, **options)
        waiting = asyncio.ensure_future(died.wait())
        late = asyncio.ensure_future(self.clock.sleep(self.patience))
        await asyncio.wait([waiting, late], return_when=asyncio.FIRST_COMPLETED)
        for each in (waiting, late):
            each.cancel()
        assert died.is_set(), f"no worker has called {operation} {number} times: {dict(self.calls)}"
        await self.kill(hand)
        return hand

    async def kill(self, *hands: Hand) -> None:
        """Kill workers, all by default: from now on they do nothing, whatever they were about to do."""
        for hand in hands or tuple(self._hands):
            hand.dead.set()
            hand.task.cancel()
            self._hands.remove(hand)
            self._gone.append(hand.task)
        await asyncio.sleep(0)

    async def leave(self) -> None:
        """Stop every worker as a signal does, and wait until they have ended."""
        for hand in self._hands:
            hand.worker.stop()
        hands, self._hands = self._hands, []
        await asyncio.gather(*(hand.task for hand in hands))

    async def end(self) -> None:
        """Let nothing go on."""
        await self.kill()
        while left := [task for task in self._gone if not task.done()]:
            for task in left:  # what it does on its way out hangs in a call that is never answered
                task.cancel()
            await asyncio.wait(left, timeout=0.05)

    def _watched(self, around: Around, dead: asyncio.Event) -> Around:
        async def watched(operation: str, call: Call) -> Any:
            if dead.is_set():
                await asyncio.Event().wait()
            answer = await around(operation, call)
            if dead.is_set():
                await asyncio.Event().wait()
            if operation != "queue.receive" or answer:
                self.calls[operation] += 1
            return answer

        return watched


class ProgramClauses(Contract[Backend]):
    """What the clauses on whole runs have in common.

    Attributes:
        beat: A time that is long against all that the backend needs by itself, seconds of its clock, at least 1. What a
            round of calls really takes is measured, and told beside it: in the terminal's summary, in the report, and
            in every failure that it may be to blame for.
        slowest: The longest such round so far, seconds of the backend's clock.
    """

    contract = "backend"
    beat: ClassVar[float] = 1.0
    slowest: ClassVar[float] = 0.0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.beat >= 1:
            raise TypeError(
                f"{cls.__name__}: beat is {cls.beat!r}, and has to be 1 or more, seconds of the backend's clock"
            )

    def port(self, backend: Backend) -> Backend:
        """All of it."""
        return backend

    @asynccontextmanager
    async def programs(self, *flows: FlowBuilder, **options: Any) -> AsyncIterator[Programs]:
        """Programs that know these flows; ``options`` are those of all workers."""
        usual = {
            "visibility": 6 * self.beat,
            "poll": 5 * self.beat,
            "grace": 2 * self.beat,
            "control_interval": self.beat / 2,
            "reconcile_interval": 10 * self.beat,
        }
        async with AsyncExitStack() as stack:
            here = Programs(self._open_backend, stack, self._clock, flows)
            here.patience = 200 * self.beat
            await here.begin({**usual, **options})
            await self._measure(here.backend)
            try:
                yield here
            except (AssertionError, TimeoutError) as error:
                error.add_note(self.told_of_beat())
                raise
            finally:
                await here.end()

    async def _measure(self, backend: Interposed) -> None:
        """How long the calls of one node take, which is what a beat has to be long against."""
        run_id, began = self.id("measured"), self.now()
        await backend.context.put(run_id, "key", Fact(b"body", "writer"))
        await backend.context.get(run_id, ["key"])
        await backend.coordination.add_members(run_id, "a", ttl=self.beat)
        await backend.status.get(run_id)
        await backend.context.delete(run_id, keys=["key"], names=[])
        type(self).slowest = max(type(self).slowest, self.now() - began)

    @classmethod
    def told_of_beat(cls) -> str:
        """What to say of the beat where it may be to blame."""
        told = f"beat is {cls.beat:g} s, and a round of calls took up to {cls.slowest:.2g} s of the backend's clock"
        return f"{told}: too long for it, raise beat" if cls.slowest > cls.beat / 4 else told

    async def lose_messages(self, here: Programs) -> None:
        """Take every message and forget it, those of dead workers too, once their time has ended."""
        await self.pass_time(6 * self.beat)
        empty = 0
        while empty < 5:
            found = await here.backend.queue.receive(max_messages=100, wait=0, visibility=60)
            await here.backend.queue.acknowledge(found)
            empty = 0 if found else empty + 1

    def id(self, name: str) -> str:
        """A run id that no other clause uses."""
        return self.fresh(name)


class Steps:
    """Steps for the clauses' flows, and a record of what was executed, by key."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def count(self, key: str) -> int:
        """How often an instance was executed."""
        return self.executed.count(key)

    async def echo(self, ctx: Context) -> Any:
        """Give what comes in."""
        self.executed.append(ctx.key)
        return ctx.input

    async def one(self, ctx: Context) -> int:
        """Give 1."""
        self.executed.append(ctx.key)
        return 1

    async def add(self, ctx: Context) -> Any:
        """Give one more than comes in."""
        self.executed.append(ctx.key)
        return ctx.input + 1

    async def total(self, ctx: Context) -> int:
        """Give the sum of what comes in."""
        self.executed.append(ctx.key)
        values = ctx.input.values() if isinstance(ctx.input, Mapping) else ctx.input
        return sum(values)

    async def broken(self, ctx: Context) -> None:
        """Fail."""
        self.executed.append(ctx.key)
        raise ValueError(f"{ctx.node_id} is broken for good")

    def gives(self, value: Any) -> Any:
        """A step that gives this."""

        async def give(ctx: Context) -> Any:
            self.executed.append(ctx.key)
            return value

        return give

    def takes(self, clock: Clock, seconds: float) -> Any:
        """A step that takes its time, and gives how often it was begun."""

        async def take(ctx: Context) -> int:
            self.executed.append(ctx.key)
            await clock.sleep(seconds)
            return self.count(ctx.key)

        return take


async def is_so(thing: object) -> bool:
    """Whether something is true, for what is asked again and again."""
    return bool(thing)

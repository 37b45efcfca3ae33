"""Backends on which runs are durable: a client starts them, workers with connections of their own work on them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import attrs
import flowcraft_core.ports as core_ports
from backend import Backend, Run
from flowcraft_core import Clock, FlowBuilder, FlowRuntime, Serializer
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.reconciler import Reconciled, Reconciler
from flowcraft_core.durable.worker import Worker
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.ports import Message
from flowcraft_testkit.contracts.interposed import Around, Call, Interposed, simply
from spoilt_answers import ALIEN, NAMED, Spoiling
from stale_reads import StaleReads
from stored_run import StoredRun


@attrs.define(eq=False)
class Hand:
    """A worker at work, with its own connection; ``receives`` once it has received for the first time."""

    worker: Worker
    task: asyncio.Task[None]
    connection: core_ports.Backend
    dead: asyncio.Event = attrs.field(factory=asyncio.Event)
    receives: asyncio.Event = attrs.field(factory=asyncio.Event)


class Durable(Backend):
    """A backend that stores runs.

    Attributes:
        options: Settings of the workers that are started from now on.
        around: What each of the workers' calls goes through.
        workers: How many workers are started by default.
        calls: How often each operation was called by workers and clients.
        messages: How many messages they have sent.
        doubling: Whether each message is sent twice.
        flows: What is deployed.
        runtime: What workers bring them by; None before the first deployment.
        moments: The calls at which something goes wrong, in checks that try many.
        hands: The workers at work.
        ended: Why workers have ended that nobody stopped or killed; each of them is a fault.
        passes: How many passes the longest of loops has.
        stalled: How many runs are found again that stall all at once.
        items: How many items the longest of batches has.
        longest: How long a run may take without ending or waiting for someone, in hours of the backend.
        codec: Between records and their bytes, for clients and workers alike; before the first of them.
        stale: What workers do not see yet of each other's facts; as the store itself is, by default.
    """

    options: ClassVar[Mapping[str, Any]]
    moments: ClassVar[Iterable[int]]
    passes: ClassVar[int] = 2_000
    stalled: ClassVar[int] = 2_000
    items: ClassVar[int] = 20_000
    longest: ClassVar[float] = 60.0

    def __init__(self) -> None:
        self.around: Around = simply
        self.workers = 3
        self.calls: Counter[str] = Counter()
        self.messages = 0
        self.flows: dict[str, FlowBuilder] = {}
        self.hands: list[Hand] = []
        self.ended: list[str] = []
        self.serializer = Serializer()
        self.doubling = False
        self.codec: PayloadCodec = CompressingCodec()
        self.stale: StaleReads | None = None
        self._spoils_workers, self._spoils_clients = Spoiling(ALIEN), Spoiling(NAMED)
        self.longest_visibility: float | None = None
        self.runtime: FlowRuntime | None = None
        self._started_with: object = None
        self._connection: core_ports.Backend | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._before = asyncio.all_tasks()
        self._killed: list[Hand] = []  # kept, so that their tasks stay where they are until the end
        self._never = asyncio.Event()  # what killed workers wait for

    @abstractmethod
    def connect(self) -> core_ports.Backend:
        """Another connection to what is stored, not yet open."""

    @abstractmethod
    async def lose_messages(self) -> None:
        """Lose every message."""

    @abstractmethod
    async def lose_coordination(self) -> None:
        """Lose every counter, lease and set."""

    @abstractmethod
    async def begin_by_hand(self, run_id: str, context: Mapping[str, Any]) -> None:
        """Write a run's initial context and status as people do who have no client."""

    @abstractmethod
    async def spoil_rows(self) -> tuple[int, Sequence[str]]:
        """Write, past the adapter, rows that no adapter writes; a flow ``plain`` with a node ``only`` is deployed.

        Returns:
            How many dead letters must come of it, and the runs that must fail once they are begun by hand.
        """

    # --- what every backend offers --------------------------------------------------------------------------------

    def register(self, *types: type) -> None:
        """See ``Backend``."""
        self.serializer = Serializer(types)

    def deploy(self, *flows: FlowBuilder) -> None:
        """See ``Backend``; workers with the new flows take the place of the old ones, which end what they do."""
        deployed = self.flows | {flow.id: flow for flow in flows}
        self.runtime = FlowRuntime(deployed.values(), serializer=self.serializer, clock=self.clock, limits=self.limits)
        self.flows = deployed

    async def start(
        self,
        flow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        concurrency: int | None = None,
    ) -> Run:
        """See ``Backend``; ``concurrency`` many workers that do one thing at a time."""
        if concurrency is None:
            await self.staff()
        else:
            await self.staff(concurrency, concurrency=1, prefetch=0)
        client = await self.client()
        started = await client.start(flow_id, context, run_id=run_id)
        return StoredRun(self, started.run_id)

    async def pass_time(self, seconds: float) -> None:
        """See ``Backend``; nobody works meanwhile."""
        await self.leave()
        await self.clock.sleep(seconds)
        await self.staff()

    async def close(self) -> None:
        """See ``Backend``."""
        await self.kill()
        # Those too that the killed workers left where they were.
        while left := asyncio.all_tasks() - self._before - {asyncio.current_task()}:
            for task in left:  # again and again: what they do on their way out hangs in calls that are never answered
                task.cancel()
            await asyncio.wait(left, timeout=0.1)
        if self._connection is not None:
            await self._connection.close()

    # --- clients --------------------------------------------------------------------------------------------------

    async def ports(self) -> core_ports.Backend:
        """The checks' own connection, for what is done by hand."""
        if self._connection is None:
            self._connection = self.connect()
            await self._connection.open()
        return self._connection

    async def client(self, *, clock: Clock | None = None) -> Client:
        """A client that knows what is deployed; with a clock of its own, if it is given one."""
        return self._client_on(Interposed(await self.ports(), self._counted(self._spoils_clients.around)), clock)

    def _client_on(self, connection: core_ports.Backend, clock: Clock | None = None) -> Client:
        flows, clock = self.flows.values(), clock or self.clock
        return Client(connection, flows=flows, serializer=self.serializer, codec=self.codec, clock=clock)

    async def send(self, *bodies: str) -> None:
        """Put messages on the queue by hand."""
        await (await self.ports()).queue.send([Message(body) for body in bodies])

    async def status(self, run_id: str) -> core_ports.RunStatus:
        """A run's status."""
        return await (await self.client()).status(run_id)

    async def dead_letters(self) -> list[core_ports.RunStatus]:
        """The messages that were set aside."""
        return await (await self.client()).dead_letters()

    async def until_dead(self, number: int) -> None:
        """Return once so many messages were set aside; fail if they are not by when no job is passed on any more."""

        async def are_dead() -> bool:
            return len(await self.dead_letters()) >= number

        if not await self.comes_to_hold(are_dead, within=900.0, every=10.0):
            raise AssertionError(f"the dead letters: {len(await self.dead_letters())}, not {number}")

    async def cut(self, do: Callable[[Client], Awaitable[Any]]) -> None:
        """Have a client do something, and end before it sends a job."""

        async def cut(operation: str, call: Call) -> Any:
            if operation == "queue.send":
                raise asyncio.CancelledError
            return await call()

        with contextlib.suppress(asyncio.CancelledError):
            await do(self._client_on(Interposed(await self.ports(), cut)))

    async def reconcile(self) -> Reconciled:
        """Have a reconciler look at every run that is due."""
        ports = await self.ports()
        return await Reconciler(ports, serializer=self.serializer, codec=self.codec, clock=self.clock).run_once()

    async def until_ended(self, run_id: str) -> None:
        """Return once a run has ended; fail if it does not in ``longest`` hours."""
        client, pause = await self.client(), self.beat / 100
        end = self.clock.now() + self.longest * self.hour
        while (state := (await client.status(run_id)).state) in ("running", "awaiting"):
            if self.clock.now() > end:
                raise AssertionError(f"run {run_id!r} is {state} and does not end")
            await self.clock.sleep(pause)
            pause = min(pause * 1.5, self.hour / 3)

    async def until_given_up(self, run_id: str) -> None:
        """Return once a run has ended, or so much time is over that no job is passed on any more."""

        async def has_ended() -> bool:
            return (await self.status(run_id)).state not in ("running", "awaiting")

        await self.comes_to_hold(has_ended, within=1_800.0, every=10.0)

    async def comes_to_hold(self, holds: Callable[[], Awaitable[bool]], *, within: float, every: float) -> bool:
        """Let time pass in which the workers go on, as fast as they and their queue can, until something holds.

        Args:
            holds: What is asked.
            within: Seconds in which it must come to hold.
            every: Seconds between two looks.

        Returns:
            Whether it did.
        """

        async def is_seen() -> bool:
            for _ in range(math.ceil(within / every)):
                await self.pass_at_work(every)
                if await holds():
                    return True
            return False

        with self.in_a_hurry():
            if await is_seen():
                return True
        return await is_seen()  # what a machine that is busy gets done in a hurry may be little

    async def pass_at_work(self, seconds: float) -> None:
        """Let time pass in which the workers go on."""
        await self.clock.sleep(seconds)

    def in_a_hurry(self) -> AbstractContextManager[None]:
        """Have time pass faster for a ``with`` block, if the place can."""
        return contextlib.nullcontext()

    def stand_between(self) -> None:
        """Have something stand between adapters and their service that can spoil answers; before the first connection.

        Here nothing can, and what is spoilt is what comes out of an adapter.
        """

    async def spoil_answers(self, every: int) -> None:
        """From now on, have each so-manieth answer be cut short, malformed, or an unknown error; none at 0."""
        self._spoils_workers.every = self._spoils_clients.every = every

    def limit_visibility(self, seconds: float) -> None:
        """Have the queue hide no message for longer than so, from its receipt on; before the first connection."""
        self.longest_visibility = seconds

    async def pass_checks(self, run_id: str) -> None:
        """Return after many times at which a reconciler should look at a run."""
        for _ in range(60):
            await self.clock.sleep(self.beat)
            connection, now = await self.ports(), self.clock.now()
            await connection.status.touch(run_id, at=now, next_check=now)

    async def kill_own(self) -> None:
        """Kill the worker that the caller is a step of; another may be at the same run."""
        caller = asyncio.current_task()
        (own,) = [hand for hand in self.hands if any(held.task == caller for held in hand.worker._held)]
        await self.kill(own)

    def run_of(self, run_id: str) -> Run:
        """A run that was started somehow."""
        return StoredRun(self, run_id)

    # --- workers --------------------------------------------------------------------------------------------------

    async def staff(self, number: int | None = None, **options: Any) -> None:
        """See to it that workers with the deployed flows and these settings are at work, and no others."""
        number = self.workers if number is None else number
        wanted = (self.runtime, number, options, self.around)
        if self.hands and wanted == self._started_with:
            return
        for hand in self.hands:
            hand.worker.stop()
        self.hands, self._started_with = [], wanted
        for _ in range(number):
            await self.hire(**options)

    async def hire(self, *, clock: Clock | None = None, around: Around | None = None, **options: Any) -> Hand:
        """Start one more worker; with a clock of its own and something of its own around its calls, if given."""
        if self.runtime is None:
            self.deploy()
        assert self.runtime is not None
        runtime = self.runtime
        if clock is not None:
            runtime = FlowRuntime(self.flows.values(), serializer=self.serializer, clock=clock, limits=self.limits)
        connection = self.connect()
        await connection.open()
        dead, receives = asyncio.Event(), asyncio.Event()
        spoilt = Interposed(connection, self._spoils_workers.around)
        between = Interposed(spoilt, self._counted(_noting(receives, _until(dead, around or self.around, self._never))))
        if self.stale is not None:
            between.context = self.stale.of(between.context)
        worker = Worker(between, runtime, codec=self.codec, **{**self.options, **options})
        task = asyncio.create_task(self._serve(worker, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        hand = Hand(worker, task, connection, dead, receives)
        self.hands.append(hand)
        return hand

    async def until_all_receive(self) -> None:
        """Return once each worker has received, if only nothing: one that never did ends when it cannot."""
        for hand in self.hands:
            await hand.receives.wait()

    async def leave(self) -> None:
        """Stop every worker, as a signal does, and wait until they have ended."""
        for hand in self.hands:
            hand.worker.stop()
        self.hands = []
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def kill(self, *hands: Hand) -> None:
        """Kill workers, all by default: from now on they do nothing at all, whatever they were about to do."""
        for hand in hands or list(self.hands):
            hand.dead.set()
            self._killed.append(hand)
            for held in list(hand.worker._held):
                if held.task is not None:
                    held.task.cancel()
            hand.task.cancel()
            self._tasks.discard(hand.task)  # its way out may be a call that is never answered
            if hand in self.hands:
                self.hands.remove(hand)
        await asyncio.sleep(0)

    async def _serve(self, worker: Worker, connection: core_ports.Backend) -> None:
        try:
            await worker.run()
        except Exception as error:
            self.ended.append(repr(error))
            raise
        finally:
            await connection.close()

    def _counted(self, around: Around) -> Around:
        async def counted(operation: str, call: Call) -> Any:
            if operation == "queue.send":
                self.messages += len(call.args[0])
                if self.doubling:
                    self.messages += len(call.args[0])
                    await around(operation, call)
            result = await around(operation, call)
            self.calls[f"{operation}.empty" if operation == "queue.receive" and not result else operation] += 1
            return result

        return counted


def _noting(receives: asyncio.Event, around: Around) -> Around:
    """Note that a receive has returned."""

    async def noting(operation: str, call: Call) -> Any:
        result = await around(operation, call)
        if operation == "queue.receive":
            receives.set()
        return result

    return noting


def _until(dead: asyncio.Event, around: Around, never: asyncio.Event) -> Around:
    """Make calls until one is dead; from then on none is made, and none returns."""

    async def alive(operation: str, call: Call) -> Any:
        if not dead.is_set():
            try:
                result = await around(operation, call)
            except Exception:
                if not dead.is_set():
                    raise
            else:
                if not dead.is_set():
                    return result
        return await never.wait()

    return alive

"""Schedules under faults that are drawn: whoever looks, whenever, by whatever clock, each time is started once.

Reconcilers go by clocks that differ by up to 90 seconds either way, die at any of their calls, are told that calls have
failed which were applied, are all away for hours; the coordination store is wiped; runs are purged as soon as they have
ended; and in half of the programs a client pauses, resumes and edits meanwhile. The backend is as weak as any.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.durable.scheduling.revisions import Chain, Revision, place_of
from flowcraft_core.errors import TransientError
from flowcraft_core.ids import seeded
from flowcraft_core.schedules import firing_id
from flowcraft_testkit import InMemoryBackend, VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed
from flowcraft_testkit.contracts.scheduling import Ahead

SEEDS = 10
_HORIZON = 3_600.0


@attrs.define(slots=False)
class _World:
    """What there is, and what has happened."""

    dice: Random
    clock: VirtualClock
    world: InMemoryBackend
    executed: list[str] = attrs.field(factory=list)
    purged: dict[str, int] = attrs.field(factory=dict)
    deaths: int = 0

    def __attrs_post_init__(self) -> None:
        async def note(ctx: NodeContext[Any, Any]) -> None:
            self.executed.append(ctx.run_id)

        self.flow = create_flow("f").node("only", note)
        self.is_over = False

    @asynccontextmanager
    async def connected(self, around: Any = None) -> AsyncIterator[Any]:
        async with self.world.connect() as backend:
            yield backend if around is None else Interposed(backend, around)

    async def reconciler(self) -> None:
        """One after another, each until it dies."""
        while not self.is_over:
            apart, calls = self.dice.uniform(-90.0, 90.0), self.dice.choice((10, 30, 60, 10_000))
            died = asyncio.Event()

            async def around(operation: str, call: Call, left: list[int] = [calls], died: Any = died) -> Any:  # noqa: B006
                left[0] -= 1
                if left[0] == 0 and self.dice.random() < 0.5:
                    died.set()
                    await asyncio.Event().wait()
                if self.dice.random() < 0.02:
                    if self.dice.random() < 0.5:
                        await call()
                    raise TransientError("it may have been applied")
                answer = await call()
                if left[0] == 0:
                    died.set()
                    await asyncio.Event().wait()
                return answer

            async with self.connected(around) as backend:
                looking = asyncio.ensure_future(self._look(Reconciler(backend, clock=Ahead(self.clock, apart))))
                dying = asyncio.ensure_future(died.wait())
                await asyncio.wait([looking, dying], return_when=asyncio.FIRST_COMPLETED)
                self.deaths += dying.done()
                for task in (looking, dying):
                    task.cancel()
                await asyncio.wait([looking, dying])
                if looking.done() and not looking.cancelled():
                    looking.result()

    async def _look(self, reconciler: Reconciler) -> None:
        for _ in range(self.dice.randint(1, 60)):
            if self.is_over:
                return
            pause = self.dice.uniform(1.0, 30.0) if self.dice.random() < 0.97 else self.dice.uniform(60.0, 7_200.0)
            await self.clock.sleep(pause)
            with contextlib.suppress(TransientError):
                await reconciler.run_once()

    async def trouble(self, client: Client) -> None:
        """The coordination store is lost now and then, and what has ended is purged."""
        while not self.is_over:
            await self.clock.sleep(self.dice.uniform(30.0, 600.0))
            if self.dice.random() < 0.3:
                self.world.lose_coordination()
            async for run in client.runs("completed"):
                if self.dice.random() < 0.5:
                    await client.purge(run.run_id)
                    self.purged.setdefault(run.run_id, self.executed.count(run.run_id))

    async def change(self, client: Client) -> None:
        """Somebody changes their mind."""
        for _ in range(self.dice.randint(1, 6)):
            await self.clock.sleep(self.dice.uniform(60.0, _HORIZON / 8))
            which = self.dice.choice(("pause", "resume", "edit", "edit", "remove"))
            if which == "edit":
                await client.schedules.edit("s", every=self.dice.choice((60, 150, 600)))
            elif which == "remove":
                await client.schedules.remove("s")
                await client.schedules.make("s", self.flow, every=self.dice.choice((60, 150)), missed="all")
            else:
                await (client.schedules.pause if which == "pause" else client.schedules.resume)("s")


async def _revisions(world: _World, client: Client) -> list[Revision]:
    chain: Chain = client.schedules._schedules.chain
    last = await chain.last("s")
    assert last is not None
    keys = [f":revision:{number}" for number in range(last.number + 1)]
    found = await chain.records.get_all(place_of("s"), keys)
    return [chain._read("s", number, found[key]) for number, key in enumerate(keys)]


async def _simulate(seed: int) -> _World:
    dice, clock = Random(seed), VirtualClock()
    here = _World(dice, clock, InMemoryBackend(clock=clock, seed=seed))
    changes = seed % 2 == 1
    async with here.world, here.connected() as of_worker, here.connected() as of_client:
        worker = Worker(of_worker, FlowRuntime([here.flow], clock=clock), reconcile=False, poll=5.0)
        working = asyncio.ensure_future(worker.run())
        client = Client(of_client, flows=[here.flow], clock=clock)
        await client.schedules.make("s", here.flow, every=dice.choice((60, 100, 900)), missed="all")
        tasks = [asyncio.ensure_future(here.reconciler()) for _ in range(dice.randint(1, 3))]
        tasks.append(asyncio.ensure_future(here.trouble(client)))
        if changes:
            tasks.append(asyncio.ensure_future(here.change(client)))
        await clock.sleep(_HORIZON)
        here.is_over = True
        await asyncio.gather(*tasks)
        if changes:
            await client.schedules.resume("s")
            await clock.sleep(700.0)
        async with here.connected() as backend:  # somebody looks who is sound
            reconciler = Reconciler(backend, clock=clock)
            for _ in range(40):
                await clock.sleep(30.0)
                await reconciler.run_once()
            await clock.sleep(30.0)
        revisions = await _revisions(here, client)
        await _judge(here, client, revisions)
        worker.stop()
        await working
    return here


async def _judge(here: _World, client: Client, revisions: list[Revision]) -> None:
    store, now = here.world.status, here.clock.now()
    started = {run_id for run_id in here.executed if run_id.startswith("s@")}
    lawful = {
        firing_id("s", due)
        for revision in revisions
        if not revision.is_paused and not revision.is_removed
        for due in itertools.takewhile(lambda time: time < now + 200, revision.timing.times(0, revision.since))
    }
    assert started <= lawful, f"at other times than it says: {sorted(started - lawful)}"
    last = revisions[-1]
    assert last.timing.every is not None
    # Whoever is ahead may be done with a time that comes after an edit by another clock.
    begin = last.since + (0 if len(revisions) == 1 else 200)
    due = [time for time in range(last.since + last.timing.every, int(now) - 60, last.timing.every) if time > begin]
    missing = [firing_id("s", time) for time in due if firing_id("s", time) not in started]
    assert due
    assert not missing, f"never started: {missing[:5]}, of {len(due)}"
    for run_id, times in here.purged.items():
        assert here.executed.count(run_id) == times, f"{run_id} was started again after it was purged"
    for run_id in started - here.purged.keys():
        status = await store.get(run_id)
        assert status is not None
        assert status.state == "completed", f"{run_id} is {status.state}"
    shown = await client.schedules.show("s")
    assert shown.last_due is not None
    hint = await store.get(place_of("s"))
    assert hint is not None
    assert hint.next_check is not None
    assert hint.next_check <= now + last.timing.every


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.usefixtures("quiet")
def test_each_time_is_started_once_whatever_goes_wrong(seed: int) -> None:
    with seeded(seed):
        here = asyncio.run(_simulate(seed))
    assert here.executed

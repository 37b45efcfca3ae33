"""One run of a drawn flow on the durable engine: real programs, a weak store in memory, virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import attrs
from flowcraft_core import ResumeError
from flowcraft_core.blueprint import WAIT
from flowcraft_core.durable import Client, Reconciler, StoredResult, UnknownRunError, Worker
from flowcraft_core.durable.ends import END_KEY
from flowcraft_core.durable.engine import Settings
from flowcraft_core.durable.storage import StaleReadError
from flowcraft_core.errors import FlowcraftError, TransientError
from flowcraft_core.ids import seeded
from flowcraft_core.ports import Backend, RunStatus

from ..simulation.dice import Dice
from ..simulation.loop import StuckError, run_virtual
from ..simulation.scenario import RUN
from ..simulation.truth import RunFacts, Truth
from ..simulation.world import Program, World
from .answering import early_answers
from .described import Described
from .flows import Wait
from .growing import CONTEXT
from .overheard import overheard
from .queueing import served_by
from .weather import OracleSchedule, Weather

# For how long nothing may become known of a run before it counts as hanging, seconds: the faults end within minutes,
# and the longest sleep is twenty of them.
_PATIENCE = 2 * 3600.0
_LOOKS_EVERY = 300.0

# How long the programs go on once the run has ended, seconds: nothing may come of it any more.
_AFTERWARDS = 60.0

_FINAL = ("completed", "failed", "cancelled")


@attrs.frozen(kw_only=True)
class Performed:
    """What one run came to.

    Attributes:
        problems: What happened that may not, as it was seen while it happened.
        lines: What happened, in words.
        faults: How often each kind of fault happened.
        weather: What the run met.
        status: How it stands in the store; None if there is nothing.
        result: What a client is told of it, if it has ended.
        facts: The facts that were recorded.
        used: The draws that made a difference.
        errors: The errors that the programs logged and that are none of a store's or a step's.
    """

    problems: list[str]
    lines: list[str]
    faults: Counter[str]
    weather: Weather
    status: RunStatus | None
    result: StoredResult | None
    facts: RunFacts
    used: list[str]
    errors: list[str]


def perform(described: Described, dice: Dice, *, spoil: Callable[[Backend], None] | None = None) -> Performed:
    """Run a flow once on the durable engine.

    Args:
        described: The flow.
        dice: What the schedule follows from.
        spoil: Breaks each client of the store.
    """
    stage: list[_Stage] = []

    async def main() -> None:
        early = early_answers(described.flow, dice)
        stage.append(_Stage(described, OracleSchedule(dice), early, spoil))
        await stage[0].play()

    errors: list[str] = []

    def tell(text: str) -> None:
        errors.append(text)
        stage[0].world.say("!", text)

    with seeded(f"oracle {dice.seed}"), overheard(tell):
        try:
            run_virtual(main)
        except StuckError as error:
            stage[0].world.blame(f"nothing happens any more: {error}")
    world, truth = stage[0].world, stage[0].truth
    return Performed(
        problems=world.violations,
        lines=world.lines,
        faults=world.schedule.counts,
        weather=stage[0].weather,
        status=truth.status(RUN),
        result=stage[0].result,
        facts=truth.run(RUN),
        used=dice.used,
        errors=errors,
    )


class _Stage:
    def __init__(
        self,
        described: Described,
        schedule: OracleSchedule,
        early: list[tuple[str, Wait, float]],
        spoil: Callable[[Backend], None] | None,
    ) -> None:
        self._early, self._spoil = early, spoil
        self.described = described
        self.schedule = schedule
        self.weather = schedule.weather
        self.world = World(schedule)
        catalogue = described.runtime.catalogue
        graph = catalogue.find(described.blueprints[described.flow.id])
        self.truth = Truth(self.world.backend, graph, catalogue.graphs, CONTEXT, self.world.blame)
        self.waits = {
            node.id: node for inner in described.flow.walk() for node in inner.nodes if isinstance(node, Wait)
        }
        self.result: StoredResult | None = None
        self._seen = 0
        self._started = False
        self._known, self._got_on = 0, self.world.clock.now()
        self.world.look = self.truth.before
        self.world.watch = self._watch

    # --- programs -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _connected(self, me: Program) -> AsyncIterator[Backend]:
        async with self.world.connect(me) as backend:
            if self._spoil is not None:
                self._spoil(backend)
            yield backend

    async def _starter(self, me: Program) -> None:
        async with self._connected(me) as backend:
            client = Client(backend, blueprints=self.described.blueprints, clock=self.world.clock)
            while True:
                try:
                    await client.start(self.described.flow.id, CONTEXT, run_id=RUN, queue=self.weather.queue)
                except TransientError:
                    await asyncio.sleep(1.0)  # as people do
                else:
                    break
            self._started = True
            self._look_for_the_end()

    async def _worker(self, me: Program, served: tuple[str, ...]) -> None:
        async with self._connected(me) as backend:
            worker = Worker(
                backend,
                self.described.runtime,
                poll=60.0,
                visibility=30.0,
                control_interval=5.0,
                settings=Settings(max_steps=self.weather.max_steps),
                reconcile_interval=self.weather.reconcile_interval,
                queues=served,
            )
            if (left := self.weather.host_leaves) is not None:
                handler = worker._handler
                handler.handle = partial(handler.handle, remaining=lambda: left)  # type: ignore[method-assign]
            await worker.run()

    async def _looker(self, me: Program) -> None:
        """Has a reconciler look at the run, once."""
        async with self._connected(me) as backend:
            with contextlib.suppress(StaleReadError, TransientError):  # the next one may have more luck
                await Reconciler(backend, clock=self.world.clock).reconcile(RUN)

    async def _person(self, me: Program, key: str, node: Wait) -> None:
        """Resumes a wait; when killed and started again, only if nobody has done so."""
        answer = self.described.resumption(node.id, key)
        async with self._connected(me) as backend:
            client = Client(backend, blueprints=self.described.blueprints, clock=self.world.clock)
            while key not in self.truth.run(RUN).outcomes and not self._has_ended():
                if not self._is_passed_by(key):
                    with contextlib.suppress(ResumeError, StaleReadError, TransientError, UnknownRunError):
                        await client.resume(RUN, key, output=answer.output, action=answer.action)
                        return
                await asyncio.sleep(5.0)  # it was not reached yet, say

    async def _answerer(self, me: Program, key: str, node: Wait) -> None:
        """Answers a wait that the run may not have come to; when killed and started again, once more."""
        answer = self.described.resumption(node.id, key)
        async with self._connected(me) as backend:
            client = Client(backend, blueprints=self.described.blueprints, clock=self.world.clock)
            while not self._has_ended():
                try:
                    await client.resume(RUN, key, output=answer.output, action=answer.action, early=True)
                except ResumeError as error:
                    if "already" not in str(error) and not self._takes_no_answer(key):
                        self.world.blame(f"an early answer to {key!r} is refused: {error}")
                    return
                except (StaleReadError, TransientError, UnknownRunError):
                    await asyncio.sleep(1.0)  # it may not have been started yet
                else:
                    self.world.schedule.counts["answered early"] += 1
                    return

    def _start_answerers(self) -> None:
        for key, node, after in self._early:

            async def answerer(me: Program, key: str = key, node: Wait = node) -> None:
                await self._answerer(me, key, node)

            self.world._loop.call_later(after, self.world.start, f"answerer for {key}", answerer)

    def _is_passed_by(self, key: str) -> bool:
        """Whether a wait need not run any more, and does not: who asked for it again and again would never be done."""
        facts = self.truth.run(RUN)
        scope, vertex = facts.ready[key]
        return scope.is_unneeded(vertex) and f"{key}:suspension" not in facts.facts

    def _takes_no_answer(self, key: str) -> bool:
        """Whether the run has ended or is stopped, or a wait of it need not run any more."""
        facts = self.truth.run(RUN)
        instance = facts.ready.get(key)
        is_unneeded = instance is not None and instance.scope.is_unneeded(instance.vertex)
        return self._has_ended() or END_KEY in facts.facts or is_unneeded

    def _start_people(self) -> None:
        """For each wait that has become ready, somebody who resumes it sooner or later."""
        ready = self.truth.run(RUN).ready
        if len(ready) == self._seen:
            return
        new = list(ready.items())[self._seen :]
        self._seen = len(ready)
        for key, instance in new:
            if instance.vertex.node.uses == WAIT:
                node = self.waits[instance.vertex.id]

                async def person(me: Program, key: str = key, node: Wait = node) -> None:
                    await self._person(me, key, node)

                self.world._loop.call_later(node.after, self.world.start, f"person for {key}", person)

    # --- events ---------------------------------------------------------------------------------------------------

    def _at(self, seconds: float, kind: str, happen: Any) -> None:
        def event() -> None:
            if not self.world.ended.is_set() and self.schedule.event(kind):
                self.world.say("!", kind)
                happen()

        self.world._loop.call_later(seconds, event)

    def _plan(self) -> None:
        world, weather = self.world, self.weather
        for seconds in weather.looks:
            self._at(seconds, "early look", lambda: world.start("reconciler", self._looker))
        for seconds in weather.losses:
            self._at(seconds, "all messages lost", world.backend.lose_messages)
        for seconds in weather.wipes:
            self._at(seconds, "coordination wiped", world.backend.lose_coordination)

    # --- watching -------------------------------------------------------------------------------------------------

    def _watch(self, operation: str, args: Any, answer: Any, seen: Any) -> None:
        truth = self.truth
        truth.after(operation, args, answer, seen)
        if operation == "context.put":
            if (known := len(truth.run(RUN).facts)) != self._known:
                self._known, self._got_on = known, self.world.clock.now()
            self._start_people()
        elif operation in ("status.touch", "status.finish"):
            self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        if self._started and self._has_ended():
            self.world.ended.set()

    def _has_ended(self) -> bool:
        status = self.truth.status(RUN)
        return status is not None and status.state in _FINAL

    # --- one run --------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Play it to its end."""
        world = self.world
        self._start_people()
        world.start("client", self._starter)
        self._start_answerers()
        for worker in range(self.weather.workers):
            world.start("worker", partial(self._worker, served=served_by(worker, self.weather.workers)))
        self._plan()
        while not world.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(world.ended.wait(), _LOOKS_EVERY)
            if not world.ended.is_set() and world.clock.now() - self._got_on > _PATIENCE:
                world.say("!", f"the run has not ended, and no fact came for {_PATIENCE / 3600:g} h")
                break
        if self._has_ended():
            world.schedule.calm()
            await asyncio.sleep(_AFTERWARDS)
            await self._ask()
        for program in list(world.programs.values()):
            world.end(program)

    async def _ask(self) -> None:
        try:
            async with self.world.backend.connect() as backend:
                self.result = await Client(backend, clock=self.world.clock).result(RUN)
        except FlowcraftError as error:
            self.world.blame(f"the result cannot be read: {type(error).__name__}: {error}")

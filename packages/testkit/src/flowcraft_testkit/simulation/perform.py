"""One schedule of a scenario: the real programs on the simulated store, and what is checked of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from flowcraft_core import NodeResult, ResumeError, RunResult, Serializer, ids
from flowcraft_core.catalogue import Catalogue
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.storage import StaleReadError
from flowcraft_core.errors import FlowcraftError, TransientError
from flowcraft_core.events import Event, NodeSuspended
from flowcraft_core.graph.facts import Undone
from flowcraft_core.graph.instances import Instance, Phase
from flowcraft_core.graph.queues import is_bound, queue_of, queues_of
from flowcraft_core.ports import RunStatus
from flowcraft_core.queues import DEFAULT_QUEUE

from ..contracts.in_memory import InMemorySideDoor
from .limiting import EXCUSES, LimitWatch
from .loop import LoopClock, StuckError, run_virtual
from .runtime import SimulatedRuntime, Watch
from .scenario import RUN, Scenario
from .schedule import Schedule
from .truth import RunFacts, Truth
from .world import Program, World

# How long a run may take beside what it takes by itself, seconds. Each fault costs at most some minutes.
_PATIENCE = 3 * 3600.0

# How long the programs go on once the runs have ended, seconds: nothing may come of it any more. No request is on its
# way for longer, and no program stands still for longer, so that who was at the run has noticed its end before a purge.
_AFTERWARDS = 250.0

# So long after it what could not be done is given up, seconds, and would be a dead letter.
_GIVEN_UP = 1_000.0

# A timer that is due later than this is not waited for, seconds: programs that look for work make requests meanwhile.
_LONGEST_TIMER = 2 * 3600.0

_FINAL = ("completed", "failed", "cancelled")

# Short enough that a schedule meets all of them, and long enough that it is not made of looks that find nothing.
_WORKER: Mapping[str, Any] = {
    "poll": 20.0,
    "visibility": 30.0,
    "control_interval": 5.0,
    "reconcile_interval": 60.0,
}


@attrs.frozen
class Expected:
    """What the in-process run of a scenario came to.

    Attributes:
        status: How it ended.
        outputs: Its outputs.
        context: Its context values.
        errors: Its errors, as text.
        steps: How many steps had an outcome.
        keys: The keys of all instances that had an outcome.
        undone: What was undone, or could not be, as text, in order of the keys.
    """

    status: str
    outputs: Mapping[str, Any]
    context: Mapping[str, Any]
    errors: list[str]
    steps: int
    keys: set[str]
    undone: list[str]

    @classmethod
    def of(cls, scenario: Scenario) -> Expected | None:
        """Run a scenario in process; None if its result depends on the schedule."""
        if scenario.racing:
            return None
        with _quiet():
            result = run_virtual(lambda: _in_process(scenario))
        return cls(
            result.status,
            result.outputs,
            result.context,
            [str(error) for error in result.errors],
            result.steps,
            {entry.key for entry in result.trace},
            _in_text(result.undone),
        )


async def _in_process(scenario: Scenario) -> RunResult:
    return await run_in_process(scenario, lambda run_id, instance, attempt: None)


async def run_in_process(scenario: Scenario, watch: Watch) -> RunResult:
    """Run a scenario on a ``FlowRuntime``, and resume each wait as soon as it is reached, whatever its timeout.

    What is answered early is answered before anything runs.
    """
    left = dict(scenario.answers)

    def resume(key: str) -> None:
        if key in left and key in handle.waiting:
            handle.resume(key, **_resumption(left.pop(key)))

    def see(event: Event) -> None:
        if isinstance(event, NodeSuspended):  # it is told of while it is done
            asyncio.get_running_loop().call_soon(resume, event.key)

    runtime = SimulatedRuntime(scenario, clock=LoopClock(), watch=watch, events=see)
    handle = runtime.start(runtime.flow.id, scenario.context, run_id=RUN)
    for key, value in scenario.early_answers.items():
        handle.resume(key, **_resumption(value), early=True)
    result = await handle.result()
    while result.status == "awaiting":
        before = len(left)
        for key in list(result.waiting):
            resume(key)
        if len(left) == before:
            break
        result = await handle.result()
    return result


def _in_text(undone: Iterable[Undone]) -> list[str]:
    return sorted(f"{each.key} after {each.attempts}: {each.error}" for each in undone)


def _resumption(value: Any) -> dict[str, Any]:
    if isinstance(value, NodeResult):
        return {"output": value.output, "action": value.action}
    return {"output": value, "action": None}


@attrs.frozen
class Performance:
    """What one schedule came to.

    Attributes:
        violations: What happened that may not.
        lines: What happened, in words.
        requests: How many requests the programs made.
        faults: How often each kind of fault happened.
        executions: How often each attempt at each instance of the run was executed.
    """

    violations: list[str]
    lines: list[str]
    requests: int
    faults: Counter[str]
    executions: dict[str, int]

    @property
    def digest(self) -> str:
        """A short name for exactly this order of events."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]


def perform(
    scenario: Scenario, make_schedule: Callable[[], Schedule], expected: Expected | None, *, seed: int | str = 0
) -> Performance:
    """Run one schedule.

    Args:
        scenario: What is run.
        make_schedule: Makes the schedule, in the loop in which it is used.
        expected: What the in-process run came to, if it is to be the same.
        seed: Of all ids.
    """
    stage: list[_Stage] = []

    async def main() -> None:
        stage.append(_Stage(scenario, make_schedule(), expected))
        await stage[0].play()

    with ids.seeded(f"{scenario.name} {seed}"), _quiet():
        try:
            run_virtual(main)
        except StuckError as error:
            stage[0].world.blame(str(error))
    world, truth = stage[0].world, stage[0].truth
    return Performance(world.violations, world.lines, world.requests, world.schedule.counts, truth.run(RUN).executed)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What fails on purpose has much to say."""
    logger = logging.getLogger("flowcraft")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Stage:
    def __init__(self, scenario: Scenario, schedule: Schedule, expected: Expected | None) -> None:
        self.scenario = scenario
        self.expected = expected
        self.world = world = World(schedule, scenario.max_value_bytes)
        flows = scenario.flows()
        # Which comes to know what annotations of the flows name, too.
        self._serializer = (scenario.serializer or Serializer()).extended()
        catalogue = Catalogue(flows.builders, flows.blueprints, self._serializer)
        graph = catalogue.find(flows.flow)
        self.truth = Truth(world.backend, graph, catalogue.graphs, scenario.context, world.blame, self._serializer)
        self._at_work = LimitWatch(scenario.limits, world.blame, lambda: not EXCUSES.isdisjoint(+schedule.counts))
        self._queues = queues_of(catalogue.graphs, None)
        self.client_is_done = self._is_purged = False
        world.look = self.truth.before
        world.watch = self._watch

    # --- programs -------------------------------------------------------------------------------------------------

    async def _client(self, me: Program) -> None:
        async with self.world.connect(me) as backend:
            flows = self.scenario.flows()
            client = Client(
                backend,
                flows=flows.builders,
                blueprints=flows.blueprints,
                serializer=self.scenario.serializer,
                clock=self.world.clock,
            )
            while True:
                try:
                    timeout = self.scenario.timeout
                    await client.start(flows.flow.id, self.scenario.context, run_id=RUN, timeout=timeout)
                    for key, value in self.scenario.early_answers.items():
                        await self._answer(client, key, value)
                    for key, value in self.scenario.answers.items():
                        await self._resume(client, key, value)
                    if self.scenario.act is not None:
                        await self.scenario.act(client)
                except TransientError:
                    await asyncio.sleep(1.0)  # as people do
                else:
                    break
            self.client_is_done = True
            self._look_for_the_end()

    async def _answer(self, client: Client, key: str, value: Any) -> None:
        try:
            await client.resume(RUN, key, **_resumption(value), early=True)
        except ResumeError as error:
            if "already" not in str(error) and "has ended" not in str(
                error
            ):  # by an earlier try, whose answer was lost
                raise

    async def _resume(self, client: Client, key: str, value: Any) -> None:
        while (await client.status(RUN)).state not in _FINAL:
            try:
                return await client.resume(RUN, key, **_resumption(value))
            except ResumeError as error:
                if "not reached" not in str(error) and "not open" not in str(error):
                    return None  # by an earlier try, whose answer was lost
                if key in self.truth.run(RUN).outcomes:
                    return None
            except StaleReadError:
                pass  # what is around it was not reached yet
            await asyncio.sleep(5.0)
        return None

    async def _worker(self, me: Program, served: Sequence[str], *, is_second: bool) -> None:
        async with self.world.connect(me) as backend:

            def watch(run_id: str, instance: Instance, attempt: str) -> None:
                queue = queue_of(instance, None)
                if me.alive and run_id == RUN and is_bound(instance.vertex) and queue not in served:
                    self.world.blame(f"{me.name} executes {instance.key!r} of queue {queue!r}, which it does not serve")
                if me.alive and self._is_purged:
                    self.world.blame(f"{me.name} executes {instance.key!r}{attempt} of a run that was purged")
                elif me.alive:
                    self.world.say(me.name, f"EXECUTES {instance.key!r}{attempt}")
                    self.truth.executing(run_id, instance, attempt)

            def watch_undo(run_id: str, instance: Instance, attempt: str) -> None:
                if me.alive:
                    self.world.say(me.name, f"UNDOES {instance.key!r}{attempt}")
                    self.truth.undoing(run_id, instance, attempt)

            clock = LoopClock(self.scenario.clocks_apart) if is_second else self.world.clock
            limits = (self.scenario.lowered if is_second else ()) or self.scenario.limits
            runtime = SimulatedRuntime(
                self.scenario,
                clock=clock,
                watch=watch,
                watch_undo=watch_undo,
                limits=limits,
                at_work=self._at_work,
            )
            options = {**_WORKER, "reconcile": self.world.schedule.reconciles, **self.scenario.worker}
            options["queues"] = served
            await Worker(backend, runtime, **options).run()

    # --- watching -------------------------------------------------------------------------------------------------

    def _watch(self, operation: str, args: Any, answer: Any, seen: Any) -> None:
        self.truth.after(operation, args, answer, seen)
        if operation in ("status.touch", "status.finish"):
            self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        if self.client_is_done and all(self._has_ended(run_id) for run_id in (RUN, *self.scenario.also)):
            self.world.ended.set()

    def _has_ended(self, run_id: str) -> bool:
        status = self.truth.status(run_id)
        return status is not None and status.state in _FINAL

    # --- one schedule ---------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Play it to its end, and check what came of it."""
        world = self.world
        world.start("client", self._client)
        named = sorted(self._queues.keys() - {DEFAULT_QUEUE})
        for number, served in enumerate([(DEFAULT_QUEUE, *named[::2]), (*named[1::2], DEFAULT_QUEUE)]):
            world.start("worker", partial(self._worker, served=served, is_second=number > 0))
        limit = _PATIENCE + self.scenario.lasts
        try:
            async with asyncio.timeout(limit):
                await world.ended.wait()
        except TimeoutError:
            world.blame(f"after {limit / 3600:g} h the run has not ended; {self._where()}")
        if world.ended.is_set() and world.programs:
            world.schedule.calm()
            await asyncio.sleep(_AFTERWARDS)
            for run_id in (RUN, *self.scenario.also):
                await self._check(run_id)
            await self._purge()
        for program in list(world.programs.values()):
            world.end(program)

    async def _purge(self) -> None:
        """Purge the runs, and see that nothing comes of what is still on its way to them: timers, say."""
        world = self.world
        self._is_purged = True
        world.look, world.watch = (lambda operation, args: None), (lambda operation, args, answer, seen: None)
        run_ids = [RUN, *self.scenario.also]
        async with world.backend.connect() as backend:
            client = Client(backend, serializer=self._serializer, clock=world.clock)
            letters = [letter.run_id for letter in await client.dead_letters()]
            for run_id in run_ids:
                await client.purge(run_id)
                world.say("!", f"the run {run_id!r} is PURGED")
            await asyncio.sleep(min(world.backend.last_due - world.clock.now(), _LONGEST_TIMER) + _AFTERWARDS)
            if world.backend.holds:
                await asyncio.sleep(_GIVEN_UP)
            stored = InMemorySideDoor(world.backend)
            for run_id in run_ids:
                left = [*await stored.facts(run_id), *await stored.values(run_id)]
                if left or await stored.status(run_id) is not None:
                    world.blame(f"of the purged run {run_id!r} is stored {left or 'its status'}")
            for letter in await client.dead_letters():
                if letter.run_id not in letters:
                    world.blame(f"of a purged run there is a dead letter: {letter.reason}")

    def _where(self) -> str:
        status, run = self.truth.status(RUN), self.truth.run(RUN)
        state = "there is no status" if status is None else f"the status is {status.state}"
        return f"{state}; by the facts it is {run.phase.value}, and ready are {run.left()}"

    async def _check(self, run_id: str) -> None:
        status, run = self.truth.status(run_id), self.truth.run(run_id)
        assert status is not None
        blame = self.world.blame
        if status.state not in self.scenario.ends and run_id == RUN:
            blame(f"the run {run_id!r} ended as {status.state}: {status.reason}")
        self._check_phase(status, run)
        if self.world.schedule.is_clean and (twice := [name for name, times in run.executed.items() if times > 1]):
            blame(f"nothing went wrong, and executed more than once were {twice}")
        if run.orphans:
            blame(f"there are outcomes of instances that the run cannot have: {run.orphans}")
        try:
            async with self.world.backend.connect() as backend:
                client = Client(backend, serializer=self._serializer, clock=self.world.clock)
                result = await client.result(run_id)
        except FlowcraftError as error:
            blame(f"the result cannot be read: {type(error).__name__}: {error}")
            return
        errors = [str(error) for error in result.errors]
        outputs, context, true_errors = run.results()
        if status.state == "completed":
            self._compare("outputs", result.outputs, outputs, "the facts, replayed, say")
            self._compare("context", result.context, context, "the facts, replayed, say")
        is_late = "" in run.ends and self.scenario.timeout is not None
        if status.state == "failed" and not (errors == true_errors and (true_errors or is_late)):
            blame(f"errors: {errors}; the facts, replayed, say {true_errors}")
        expected = self.expected
        if expected is not None:
            what = "in process it was"
            self._compare("status", status.state, expected.status, what)
            self._compare("outputs", result.outputs, expected.outputs, what)
            self._compare("context", result.context, expected.context, what)
            self._compare("errors", errors, expected.errors, what)
            self._compare("undone", _in_text(result.undone), expected.undone, what)
            self._compare("steps", result.steps, expected.steps, what)
            self._compare("instances with an outcome", sorted(run.keys), sorted(expected.keys), what)

    def _check_phase(self, status: RunStatus, run: RunFacts) -> None:
        by_facts = {Phase.COMPLETED: "completed", Phase.FAILED: "failed", Phase.RUNNING: "running"}[run.phase]
        if "" in run.ends:
            if status.state != (end := run.ends[""]):
                self.world.blame(f"the status is {status.state} ({status.reason}), but the run was to end {end}")
        elif status.state != "cancelled" and status.state != by_facts:
            self.world.blame(f"the status is {status.state} ({status.reason}), but by the facts the run is {by_facts}")

    def _compare(self, what: str, is_now: Any, should: Any, who: str) -> None:
        if is_now != should:
            self.world.blame(f"{what}: {is_now!r}; {who} {should!r}")

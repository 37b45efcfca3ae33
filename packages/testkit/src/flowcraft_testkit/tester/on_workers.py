"""A run under test on a worker and a backend in memory: stored, and restored, as in production."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import attrs
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.results import StoredResult
from flowcraft_core.graph.queues import queues_of
from flowcraft_core.queues import DEFAULT_QUEUE
from flowcraft_core.tasks import end

from ..memory import CLOUD_QUEUE, InMemoryBackend, Weaknesses
from ..simulation.fakes import Recorder
from ..simulation.loop import LoopClock, StuckError, VirtualLoop
from ..simulation.runtime import SimulatedRuntime
from ..simulation.scenario import RUN, Scenario

_FINAL = ("completed", "failed", "cancelled")

# A job may be sent as long ahead as a test may want time to pass, so that nobody has to look in between; seconds.
_YEARS = 100 * 365 * 86_400.0

# Two looks of a worker's: what it does by itself, as after an error, is done by then; seconds.
_LONG = 2 * 12 * 3600.0

# Seldom, since nobody else is there, and each look is a moment at which time would stop.
_WORKER: dict[str, Any] = {
    "poll": _YEARS,
    "visibility": 12 * 3600.0,
    "control_interval": 12 * 3600.0,
    "reconcile": False,
    "blocked_after": None,
    "told_after": None,
    "heartbeat": None,
}


class OnWorkers:
    """Runs a scenario on a real client and worker, in virtual time; nothing is lost that a reconciler would find."""

    def __init__(self, scenario: Scenario, recorder: Recorder) -> None:
        self._scenario = scenario
        self._recorder = recorder
        clock = LoopClock()
        self._backend = InMemoryBackend(
            clock=clock, queue_limits=attrs.evolve(CLOUD_QUEUE, max_delay=_YEARS), weaknesses=Weaknesses.none()
        )
        self.runtime = SimulatedRuntime(
            scenario, clock=clock, watch=lambda run_id, instance, attempt: None, recorder=recorder
        )
        flows = scenario.flows()
        self._client = Client(
            self._backend,
            flows=flows.builders,
            blueprints=flows.blueprints,
            serializer=scenario.serializer,
            clock=clock,
        )
        self._queues = (DEFAULT_QUEUE, *sorted(queues_of(self.runtime.catalogue.graphs, None).keys() - {DEFAULT_QUEUE}))
        self._worker: asyncio.Task[None] | None = None
        self._idle: tuple[tuple[int, int], float] | None = None  # what was done by then, and since when

    async def begin(self) -> None:
        """Start the run, and the worker."""
        await self._backend.open()
        await self._client.start(self.runtime.flow.id, self._scenario.context, run_id=RUN)
        worker = Worker(self._backend, self.runtime, queues=self._queues, **_WORKER)
        # There is no other program that would have to be told what this one is at, every few seconds of a long time.
        worker._holding.often = worker._holding.period = _WORKER["visibility"]
        self._worker = asyncio.ensure_future(worker.run())

    async def status(self) -> str:
        """Where it stands."""
        return (await self._client.status(RUN)).state

    async def waiting(self) -> Sequence[str]:
        """The keys of its open waits."""
        description = await self._client.describe(RUN, values=False)
        return [wait.key for wait in description.waits if wait.kind == "wait"]

    async def goes_on(self) -> bool:
        """Whether time alone brings it on: as long as there is a message of it."""
        assert self._worker is not None
        if self._worker.done():
            self._worker.result()  # which raises what has ended it
        if await self.status() in _FINAL or self._backend.holds == 0:
            return False
        self._find_out_if_stuck()
        return True

    def _find_out_if_stuck(self) -> None:
        """See that there is anything to come but the worker's own looks, which go on for ever.

        Raises:
            StuckError: For long there was not: all that is to be done is under way, and no step has set a timer.
        """
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        done = len(self._recorder.calls), len(self._recorder.ended)
        keys = {call.key for call in self._recorder.under_way}
        # What a worker sends of a long step, for fear that it dies, is about that step, and brings on nothing.
        others = any(json.loads(body).get("key") not in keys for body in self._backend.left)
        if not keys or others or loop.has_step_timers:
            self._idle = None
        elif self._idle is None or self._idle[0] != done:
            self._idle = done, loop.time()
        elif loop.time() - self._idle[1] > _LONG:
            raise StuckError("everybody waits for something that will not happen")

    async def answer(self, key: str, output: Any, action: str | None, *, early: bool) -> None:
        """Answer a wait."""
        reached = [each for each in await self.waiting() if self._recorder.is_wait(each, key)]
        await self._client.resume(RUN, key, output=output, action=action, early=early)
        self._recorder.ended.update(dict.fromkeys(reached))

    async def cancel(self) -> bool:
        """Cancel the run."""
        return await self._client.cancel(RUN)

    async def result(self) -> StoredResult:
        """How it ended, or where it stands."""
        return await self._client.result(RUN)

    async def end(self) -> None:
        """Let go of it."""
        if self._worker is not None:
            await end(self._worker)
        await self._backend.close()

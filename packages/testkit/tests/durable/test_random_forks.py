"""Random flows, run by workers, forked anywhere and redriven: the results are those of the run.

The flows are those that the meaning of a graph is tested with; their forks in pure code are tested beside it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext
from flowcraft_core.durable import Client, StoredResult
from flowcraft_core.graph.fold import instances
from flowcraft_core.graph.forks import dropped
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.script import Answer, Script, ScriptedError
from flowcraft_testkit.oracle.writing import blueprints
from hypothesis import HealthCheck, Phase, given, settings

from packages.core.tests.graph.strategies import flows, seeds

from .helpers import STRONG, working, world

FEW = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


class Mending(Script):
    """Steps that are mended in all runs but ``old``, and how often each was executed in which run."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self.calls: Counter[tuple[str, str]] = Counter()
        self.mended: set[str] = set()

    def answer(self, uses: str, ctx: NodeContext[Any, Any], value: Any, read: Mapping[str, Any]) -> Answer:
        self.calls[ctx.run_id, ctx.key] += 1
        try:
            return super().answer(uses, ctx, value, read)
        except ScriptedError:
            if ctx.run_id == "old" or ctx.key not in self.mended:
                raise
            return Answer(f"{ctx.key} was mended", None, {}, ())


class Run:
    """A flow with its steps, and where it is run."""

    def __init__(self, flow: Flow) -> None:
        self.script = Mending(flow)
        self.blueprints = blueprints(flow)
        self.clock = VirtualClock()
        self.backend = world(self.clock, STRONG)
        self.runtime = FlowRuntime(blueprints=self.blueprints, registry=self.script.registry(), clock=self.clock)
        self.client = Client(self.backend, blueprints=self.blueprints, clock=self.clock)

    async def ended(self, run_id: str) -> StoredResult:
        async with working(self.backend, self.runtime, number=2):
            return await self.client.wait(run_id, timeout=3600, poll=0.5)

    def executed(self, run_id: str) -> set[str]:
        return {key for (run, key), _ in self.script.calls.items() if run == run_id}


async def forked(flow: Flow, seed: int) -> None:
    run = Run(flow)
    async with run.backend:
        await run.client.start(flow.id, CONTEXT, run_id="old")
        old = await run.ended("old")
        assert old.status == "completed"
        status = await run.client.status("old")
        state = await run.client._stored.state(await run.client._stored.record("old"), status)
        chosen = random.Random(seed).choice(sorted(instances(state), key=lambda instance: instance.key))
        await run.client.fork("old", chosen.key, new_run_id="new")
        new = await run.ended("new")
        assert (new.status, new.outputs, new.context) == (old.status, old.outputs, old.context)
        without = dropped([chosen])
        follow = {i.key for i in instances(state) if (id(i.scope), i.vertex.index) in without}
        assert run.executed("new") == follow & run.executed("old")


async def redriven(flow: Flow) -> None:
    run = Run(flow)
    async with run.backend:
        await run.client.start(flow.id, CONTEXT, run_id="old")
        old = await run.ended("old")
        if old.status != "failed":
            return
        await run.clock.sleep(60)  # what was under way has ended
        errors = (await run.client.result("old")).errors
        assert errors
        run.script.mended = {error.key for error in errors}
        await run.client.redrive("old", new_run_id="new")
        new = await run.ended("new")
        await run.client.start(flow.id, CONTEXT, run_id="sound")
        sound = await run.ended("sound")
        if sound.status == "completed":
            assert (new.status, new.outputs, new.context) == (sound.status, sound.outputs, sound.context)
        scripted = {error.key for error in errors if error.type == "ScriptedError"}
        assert not scripted & {error.key for error in new.errors}
        if new.status == "completed":
            assert all(run.script.calls["new", key] == 1 for key in scripted)
            assert sound.status == "completed"


@FEW
@given(flows(any_joins=False, failures=False, size=6), seeds())
def test_a_fork_from_anywhere_ends_as_the_run_did(flow: Flow, seed: int) -> None:
    asyncio.run(forked(flow, seed))


@FEW
@given(flows(any_joins=False, size=6))
def test_a_redrive_ends_as_a_run_in_which_nothing_of_it_fails(flow: Flow) -> None:
    asyncio.run(redriven(flow))

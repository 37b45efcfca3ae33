"""Random flows, with everything inside everything: in process, simulated with faults, and on a file they agree.

The flows are those that the meaning of a graph is tested with.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, NodeResult, RunResult, Step
from flowcraft_core.durable import Client, StoredResult, Worker
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.simulation import Scenario, simulate
from hypothesis import HealthCheck, Phase, given, settings

from packages.core.tests.graph.driver import CONTEXT
from packages.core.tests.graph.flows import Flow, Script, blueprints
from packages.core.tests.graph.strategies import flows, seeds

EXAMPLES = 20
EXAMPLES_ON_A_FILE = 8
SCHEDULES = 2

# Without making a failing flow smaller: each try is many schedules.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def registry_of(flow: Flow) -> dict[str, Step]:
    script = Script(flow)

    def step(uses: str) -> Step:
        async def scripted(ctx: NodeContext[Any, Any]) -> NodeResult[Any]:
            answer = script(uses, ctx.key, ctx.input)
            for name, value in answer.sets.items():
                await ctx.context.set(name, value)
            for name in answer.deletes:
                await ctx.context.delete(name)
            return NodeResult(answer.output, answer.action)

        return scripted

    return {uses: step(uses) for uses in script.turns}


def scenario_of(flow: Flow, *, racing: bool) -> Scenario:
    found = blueprints(flow)
    return Scenario(
        name=flow.id,
        build=lambda: found[flow.id],
        blueprints=[blueprint for name, blueprint in found.items() if name != flow.id],
        registry=registry_of(flow),
        context=CONTEXT,
        racing=racing,
        ends=("completed", "failed") if racing else ("completed",),
    )


async def on_a_file(flow: Flow, path: Path) -> tuple[RunResult, StoredResult]:
    runtime = FlowRuntime(blueprints=blueprints(flow), registry=registry_of(flow))
    in_process = await runtime.run(flow.id, CONTEXT)
    async with SqliteBackend(path, synchronous="off") as backend:
        client = Client(backend, blueprints=blueprints(flow))
        worker = Worker(backend, runtime, poll=0.5)
        working = asyncio.ensure_future(worker.run())
        started = await client.start(flow.id, CONTEXT)
        stored = await client.wait(started.run_id, timeout=60, poll=0.005)
        worker.stop()
        await working
    return in_process, stored


class TestWithoutRaces:
    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
    @given(flows(any_joins=False, failures=False, size=6), seeds())
    def test_simulated_they_come_to_what_they_come_to_in_process(self, flow: Flow, seed: int) -> None:
        simulate(scenario_of(flow, racing=False), seeds=range(seed, seed + SCHEDULES), shrink=False).check()

    @settings(max_examples=EXAMPLES_ON_A_FILE, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
    @given(flows(any_joins=False, failures=False, size=6))
    def test_on_a_file_they_come_to_what_they_come_to_in_process(self, flow: Flow) -> None:
        with tempfile.TemporaryDirectory() as folder:
            in_process, stored = asyncio.run(on_a_file(flow, Path(folder) / "flowcraft.db"))
        assert (stored.status, stored.outputs, stored.context, stored.steps) == (
            in_process.status,
            in_process.outputs,
            in_process.context,
            in_process.steps,
        )


class TestWithRacesAndFailures:
    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
    @given(flows(size=6), seeds())
    def test_simulated_they_come_to_what_their_facts_say(self, flow: Flow, seed: int) -> None:
        simulate(scenario_of(flow, racing=True), seeds=range(seed, seed + SCHEDULES), shrink=False).check()

    @settings(max_examples=EXAMPLES_ON_A_FILE, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
    @given(flows(any_joins=False, size=6))
    def test_on_a_file_they_end_as_they_end_in_process(self, flow: Flow) -> None:
        with tempfile.TemporaryDirectory() as folder:
            in_process, stored = asyncio.run(on_a_file(flow, Path(folder) / "flowcraft.db"))
        assert stored.status == in_process.status

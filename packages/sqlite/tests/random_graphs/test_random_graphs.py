"""Random flows, with everything inside everything: in process, simulated with faults, and on a file they agree.

The flows are those that the meaning of a graph is tested with.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from flowcraft_core import FlowRuntime, RunResult
from flowcraft_core.durable import Client, StoredResult, Worker
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.script import Script
from flowcraft_testkit.oracle.writing import blueprints
from flowcraft_testkit.simulation import Scenario, simulate
from hypothesis import HealthCheck, Phase, given, settings

from packages.core.tests.graph.strategies import flows, seeds

EXAMPLES = 20
EXAMPLES_ON_A_FILE = 8
SCHEDULES = 2

# Without making a failing flow smaller: each try is many schedules.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def scenario_of(flow: Flow, *, racing: bool) -> Scenario:
    found = blueprints(flow)
    return Scenario(
        name=flow.id,
        build=lambda: found[flow.id],
        blueprints=[blueprint for name, blueprint in found.items() if name != flow.id],
        registry=Script(flow).registry(),
        context=CONTEXT,
        racing=racing,
        ends=("completed", "failed") if racing else ("completed",),
    )


async def on_a_file(flow: Flow, path: Path) -> tuple[RunResult, StoredResult]:
    runtime = FlowRuntime(blueprints=blueprints(flow), registry=Script(flow).registry())
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

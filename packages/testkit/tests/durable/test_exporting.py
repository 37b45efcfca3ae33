"""What is exported of a run is all that happened in it: it can be gone through, executed again, and gone on with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, ResumeError, create_flow
from flowcraft_core.durable import UnknownRunError
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.runtime import Replay

from .flows import CASES, broken, chain, one, wait
from .helpers import SMALL_STORE, Place, place

pytestmark = pytest.mark.usefixtures("quiet")


async def _run(here: Place, name: str) -> str:
    case = CASES[name]
    async with here.working(queues=case.queues):
        await here.client.start(case.build(), run_id="run")
        for key, output in case.answers.items():
            await here.client.resume("run", key, output=output, early=True)
        await here.clock.sleep(30)
        for key, output in case.resumes.items():
            await here.client.resume("run", key, output=output)
        await here.client.wait("run", timeout=600)
    return await here.client.export("run")


@pytest.mark.parametrize("name", CASES)
async def test_a_replay_goes_through_all_that_happened_and_finds_it_again(name: str) -> None:
    flow = CASES[name].build()
    options: dict[str, Any] = {"store_limits": SMALL_STORE} if CASES[name].big else {}
    async with place(flow, **options) as here:
        text, result = await _run(here, name), await here.client.result("run")
    runtime = FlowRuntime([flow])
    replay, seen = Replay(text, runtime), []
    for recorded in replay:
        seen.append(recorded.key)
        if recorded.is_step:
            again = await replay.execute(recorded)
            assert isinstance(again, Outcome) or recorded.outcome.error is not None, recorded.key
            if isinstance(again, Outcome) and recorded.outcome.error is None and name != "any join":
                assert (again.output, again.action) == (recorded.outcome.output, recorded.outcome.action)
                assert (again.taken, again.sets) == (recorded.outcome.taken, recorded.outcome.sets)
    assert len(seen) == len(set(seen)) == replay.total
    assert (replay.run_id, replay.blueprint_id, replay.status) == ("run", flow.id, result.status)
    went_on = await runtime.resume(text)
    assert (went_on.status, went_on.outputs, went_on.context) == (result.status, result.outputs, result.context)


async def test_a_run_that_is_exported_while_it_waits_goes_on_elsewhere() -> None:
    flow = wait()
    async with place(flow) as here, here.working():
        await here.client.start(flow, run_id="run")
        await here.clock.sleep(30)
        text = await here.client.export("run")
        assert json.loads(text)["status"] in ("running", "awaiting")
    (key,) = json.loads(text)["suspensions"]
    result = await FlowRuntime([flow]).resume(text, key, output=1)
    assert result.status == "completed"


async def test_a_run_that_is_exported_before_it_is_asked_takes_its_answers_with_it() -> None:
    inner = create_flow("asked").wait("w").node("z", one).edge("w", "z")
    flow = create_flow("f").wait("first").wait("next").subflow("call", inner).edge("first", "next").edge("next", "call")
    async with place(flow) as here, here.working():
        await here.client.start(flow, run_id="run")
        for key in ("next", "call/w"):
            await here.client.resume("run", key, output=key, early=True)
        await here.clock.sleep(30)
        text = await here.client.export("run")
    assert json.loads(text)["answers"].keys() == {"next", "call/w"}
    result = await FlowRuntime([flow]).resume(text, "first", output=1)
    assert (result.status, result.outputs) == ("completed", {"first": 1, "next": "next", "call": 1})


async def test_a_footprint_counts_what_is_stored() -> None:
    async with place(chain()) as here, here.working():
        await here.client.start("chain", run_id="run")
        await here.client.wait("run", timeout=600)
        cost = await here.client.footprint("run")
        assert cost.facts == {"run": 1, "outcomes": cost.steps}
        assert set(cost.bytes) == {"run", "outcomes"}
        assert (cost.attempts, cost.writes) == (cost.steps, cost.steps + 1 + cost.values + 2)
        with pytest.raises(UnknownRunError):
            await here.client.footprint("nobody")
        with pytest.raises(UnknownRunError):
            await here.client.export("nobody")


async def test_a_footprint_counts_the_chunks_of_long_values() -> None:
    name = next(name for name, case in CASES.items() if case.big)
    async with place(CASES[name].build(), store_limits=SMALL_STORE) as here:
        await _run(here, name)
        cost = await here.client.footprint("run")
        assert cost.facts["chunks"] > 0
        assert cost.bytes["chunks"] > 1_000


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "[" * 100_000])
def test_what_is_no_recorded_run_is_refused(text: str) -> None:
    with pytest.raises(ResumeError):
        Replay(text)


async def test_without_steps_a_replay_only_looks() -> None:
    flow = create_flow("f").node("a", one).node("b", broken).edge("a", "b")
    state = (await FlowRuntime([flow]).run(flow)).state
    replay = Replay(state)
    first, second = replay
    assert (first.key, first.outcome.output, second.key) == ("a", 1, "b")
    assert second.outcome.error is not None
    with pytest.raises(ResumeError, match="needs a FlowRuntime"):
        await replay.execute(first)

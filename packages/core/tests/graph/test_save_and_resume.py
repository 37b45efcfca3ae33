"""A run that is put away and taken up again ends as one that was not, and the runtime does what the model says."""

from __future__ import annotations

import asyncio
import json
import random
import re
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, RunResult, Serializer, create_flow
from flowcraft_core.graph.records import outcome_from_record
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.folding import Fold
from flowcraft_testkit.oracle.growing import CONTEXT
from flowcraft_testkit.oracle.judging import fact_of
from flowcraft_testkit.oracle.meaning import Meaning
from flowcraft_testkit.oracle.places import Facts
from flowcraft_testkit.oracle.script import Script, plain, uses_of
from flowcraft_testkit.oracle.writing import blueprints
from hypothesis import given

from .strategies import flows, seeds


def runtime_for(flow: Flow) -> FlowRuntime:
    """A runtime whose steps do what the flow's script says."""
    return FlowRuntime(blueprints=blueprints(flow), registry=Script(flow).registry())


class Resumer:
    """Ends waits, one by one, chosen by a seed; what each gives follows from its key."""

    def __init__(self, flow: Flow, seed: int) -> None:
        self._script = Script(flow)
        self._chance = random.Random(seed)

    def __call__(self, result: RunResult) -> dict[str, Any]:
        key = self._chance.choice(sorted(result.waiting))
        answer = self._script(uses_of(re.split(r"[./]", key)[-1]), key, None, {}, 1)
        return {"node": key, "output": answer.output, "action": answer.action}


async def in_one_go(flow: Flow, seed: int) -> RunResult:
    resumer = Resumer(flow, seed)
    handle = runtime_for(flow).start(flow.id, CONTEXT, run_id="r")
    result = await handle.result()
    while result.status == "awaiting":
        handle.resume(**resumer(result))
        result = await handle.result()
    return result


async def put_away_at_each_wait(flow: Flow, seed: int) -> RunResult:
    resumer = Resumer(flow, seed)
    result = await runtime_for(flow).run(flow.id, CONTEXT, run_id="r")
    while result.status == "awaiting":
        again = await runtime_for(flow).resume(result.state)
        assert said(again) == said(result)
        result = await runtime_for(flow).resume(result.state, **resumer(result))
    return result


def said(result: RunResult) -> tuple[Any, ...]:
    errors = [str(error) for error in result.errors]
    claims = json.loads(result.state)["claims"]
    return result.status, result.outputs, result.context, errors, sorted(result.waiting), claims


def facts_of(result: RunResult) -> Facts:
    snapshot = json.loads(result.state)
    decode = Serializer().from_data
    outcomes = {key: fact_of(outcome_from_record(record, decode)) for key, record in snapshot["outcomes"].items()}
    return Facts(outcomes, {key: dict(enumerate(places)) for key, places in snapshot["claims"].items()})


@given(flows(waits=True), seeds())
def test_a_run_put_away_at_each_wait_ends_like_one_that_was_not(flow: Flow, seed: int) -> None:
    whole = asyncio.run(in_one_go(flow, seed))
    pieces = asyncio.run(put_away_at_each_wait(flow, seed))
    assert said(pieces) == said(whole)


def test_a_join_that_was_won_by_the_longer_way_goes_on() -> None:
    # Taken up again, the join is reached by the short way first, and by then its claim stands.
    async def step(ctx: NodeContext[Any, Any]) -> str:
        return ctx.key

    flow = create_flow("f").wait("first").wait("second").wait("hold").node("j", step, join="any").node("last", step)
    for source, target in (("first", "a"), ("a", "b"), ("b", "c"), ("c", "j"), ("second", "j"), ("hold", "last")):
        flow.edge(source, target)
    for node in ("a", "b", "c"):
        flow.node(node, step)
    runtime = FlowRuntime([flow])
    result = runtime.run_sync("f")
    for wait in ("first", "hold"):
        result = runtime.resume_sync(result.state, wait)
    assert result.status == "completed"
    assert result.outputs.keys() == {"first", "a", "b", "c", "j", "hold", "last"}


def test_a_claim_stands_though_its_join_is_not_waited_for_any_more() -> None:
    # Taken up again, the wait's claim is met first, and then nobody asks for the other one.
    async def step(ctx: NodeContext[Any, Any]) -> str:
        return ctx.key

    called = create_flow("called").node("a", step).node("b", step).node("j", step, join="any")
    called.edge("a", "j").edge("b", "j")
    flow = create_flow("f").subflow("slow", called).node("fast", step).node("late", step).node("last", step)
    flow.wait("first", join="any").edge("slow", "last").edge("late", "last").edge("fast", "first").edge("last", "first")
    runtime = FlowRuntime([flow, called])
    result = runtime.run_sync("f")
    again = runtime.resume_sync(result.state)
    assert json.loads(again.state)["claims"] == {"first": [0], "slow/j": [0]} == json.loads(result.state)["claims"]


def test_the_trace_of_a_run_that_was_put_away_is_whole() -> None:
    async def step(ctx: NodeContext[Any, Any]) -> str:
        return ctx.key

    others = asyncio.Event()

    async def last(ctx: NodeContext[Any, Any]) -> str:
        others.set()
        return ctx.key

    async def fast(ctx: NodeContext[Any, Any]) -> str:
        await others.wait()  # and wins when those on the other way have ended
        return ctx.key

    flow = create_flow("f").wait("slow").wait("hold").node("fast", fast).node("j", step, join="any")
    for node in ("a", "b", "c"):
        flow.node(node, last if node == "c" else step)
    for source, target in (("a", "b"), ("b", "c"), ("c", "slow"), ("slow", "j"), ("fast", "j")):
        flow.edge(source, target)
    runtime = FlowRuntime([flow])
    before = runtime.run_sync("f")
    after = runtime.resume_sync(before.state)
    assert {entry.key for entry in before.trace} == {"a", "b", "c", "fast", "j"}
    assert {entry.key for entry in after.trace} == {entry.key for entry in before.trace}


@given(flows(waits=True), seeds())
def test_the_runtime_gives_what_its_facts_mean(flow: Flow, seed: int) -> None:
    result = asyncio.run(in_one_go(flow, seed))
    meaning = Meaning(flow, facts_of(result))
    assert result.status == meaning.phase()
    assert {error.key for error in result.errors} == set(meaning.errors())
    if result.status == "completed":
        fold = Fold(meaning, CONTEXT)
        assert plain(result.outputs) == fold.result_outputs()
        assert plain(result.context) == fold.result_context()

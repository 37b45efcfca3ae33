"""Scenario 56: joins that go on with two of their edges."""

from __future__ import annotations

import itertools
import json

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from flowcraft_core.runtime.replay import Replay
from scenario import Scenario
from small_steps import AsyncStep, echo, fails, gives, takes

ENOUGH = Scenario(
    id=56,
    title="Two of four are enough, in any order on four workers: the join runs once with two; with one it fails",
)


def _two_of(*steps: AsyncStep) -> FlowBuilder:
    """Nodes ``a``, ``b``, ``c``, ... of which two lead ``meet`` on, which ``end`` follows."""
    flow = create_flow("two").node("start", gives(0)).node("meet", echo, join=2).node("end", echo)
    for name, step in zip("abcd", steps, strict=False):
        flow.node(name, step).edge("start", name).edge(name, "meet")
    return flow.edge("meet", "end")


@ENOUGH.check
async def one_fails_and_three_succeed_in_any_order(backend: Backend) -> None:
    """It runs once, with two of those that succeed, whenever the fourth one fails."""
    beat = backend.beat
    for order, fails_after in zip(itertools.permutations("acd"), (0, 3, 6, 1, 4, 5), strict=True):
        after = {name: 2 * beat * (place + 1) for place, name in enumerate(order)}

        async def fail(_: object, seconds: float = beat * fails_after) -> None:
            await backend.clock.sleep(seconds)
            raise ConnectionError("mirror down")

        steps = [takes(backend.clock, after[name], name) for name in "acd"]
        result = await backend.run(_two_of(steps[0], fail, *steps[1:]), concurrency=4)
        expect.completed(result)
        expect.equal("how often the join ran", expect.keys(result).count("meet"), 1)
        two = result.outputs["meet"]
        expect.equal("what it got", two, {name: name for name in two})
        expect.equal("how many", len(two), 2)
        expect.equal("their order, which is the flow's", list(two), sorted(two))
        expect.equal("what follows got", result.outputs["end"], two)


@ENOUGH.check
async def two_fail_and_one_succeeds(backend: Backend) -> None:
    """It fails with the errors of both, and not before the third one has ended."""
    slow = takes(backend.clock, 4 * backend.beat, "c")
    result = await backend.run(_two_of(fails("first mirror down"), fails("second mirror down"), slow))
    expect.failed(result, "a", "b")
    expect.equal("that the third has run", "c" in expect.keys(result), True)


@ENOUGH.check
async def one_is_taken_and_none_fails(backend: Backend) -> None:
    """Two do not lead there: it fails by name, with what it wanted; an edge on failure takes that over."""
    flow = create_flow("few").node("start", gives(3)).node("a", echo).node("b", echo).node("meet", echo, join=2)
    flow.edge("start", "a").edge("start", "b").edge("a", "meet").edge("b", "meet", condition="result.output > 5")
    result = await backend.run(flow)
    expect.failed(result, "meet")
    expect.mentions("its error", str(result.errors[0]), "2 of its edges", "'a'")
    handled = create_flow("handled").node("start", gives(3)).node("a", echo).node("b", echo)
    handled.node("meet", echo, join=2).node("else", echo).edge("meet", "else", on="failure", transform="error.type")
    handled.edge("start", "a").edge("start", "b").edge("a", "meet").edge("b", "meet", condition="result.output > 5")
    caught = await backend.run(handled)
    expect.completed(caught)
    expect.equal("what took it over got", caught.outputs["else"], "JoinError")


@ENOUGH.check_durable
async def the_same_two_whoever_looks(backend: Durable) -> None:
    """A client's description, what it exports, and a replay of that tell of the same two, and of no claim besides."""
    flow = _two_of(*(takes(backend.clock, backend.beat, name) for name in "abcd"))
    flow.node("slow", takes(backend.clock, 6 * backend.beat)).edge("start", "slow")
    backend.deploy(flow)
    await backend.staff(4)
    client = await backend.client()
    run_id = (await client.start(flow)).run_id
    await backend.until_ended(run_id)
    two = (await client.result(run_id)).outputs["meet"]
    expect.equal("how many", len(two), 2)
    described = await client.describe(run_id)
    told = next(instance for instance in described.instances if instance.key == "meet")
    expect.equal("what is described", (told.joins, told.input, told.output), (2, two, two))
    exported = await client.export(run_id)
    places = json.loads(exported)["claims"]["meet"]
    expect.equal("what is exported", ["abcd"[place] for place in places], list(two))
    replayed = next(recorded for recorded in Replay(exported) if recorded.key == "meet")
    expect.equal("what is replayed", replayed.input, two)

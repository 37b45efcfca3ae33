"""The items of a batch that have ended are packed, and are as they were to whoever asks for them."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.graph.fold import instances
from flowcraft_core.graph.instances import Instance, ScopeState
from flowcraft_core.graph.items import Items
from flowcraft_core.graph.state import RunState
from flowcraft_core.steps import NodeResult
from flowcraft_testkit.oracle.flows import Flow
from flowcraft_testkit.oracle.growing import CONTEXT
from hypothesis import given

from .driver import Driver, undo_calls
from .strategies import any_flows, more, seeds


def fed(driver: Driver, *, packs: bool) -> RunState:
    """A state that takes in what a run has come to, in the same order, as a run in one process does."""
    state = RunState(driver.graphs[driver.flow.id], driver.graphs.__getitem__, CONTEXT, packs=packs)
    known: dict[str, Instance] = {}
    waiting = dict(driver.outcomes)
    while True:
        while state.wanted:
            claim = state.wanted.popleft()
            for slot, place in driver.facts.claims.get(claim.scope.key(claim.vertex), {}).items():
                state.claim(claim.scope, claim.vertex, slot, place)
        known |= {instance.key: instance for instance in state.ready}
        state.ready.clear()
        key = next((each for each in waiting if each in known), None)
        if key is None:
            return state
        state.add(*known[key], waiting.pop(key))
        undo_calls(state)


def packed_of(state: RunState) -> list[Items]:
    found, waiting = [], [state.root]
    while waiting:
        scope = waiting.pop()
        for inside in scope.inside.values():
            found += [inside] if isinstance(inside, Items) else []
            waiting += (inside.loose if isinstance(inside, Items) else inside).values()
    return found


def told(scope: ScopeState) -> dict[str, Any]:
    """All that is known of a scope but what lies around it and inside it, and where to look on."""
    names = ("prefix", "index", "outcomes", "claims", "marks", "values", "ended", "blame", "failures", "told", "undone")
    times = {index: (each.started, each.ended) for index, each in scope.outcomes.items()}
    return {"times": times, **{name: getattr(scope, name) for name in names}}


@more
@given(any_flows, seeds())
def test_a_packed_item_is_as_it_would_have_stayed(flow: Flow, seed: int) -> None:
    driver = Driver(flow, seed).run()
    plain, packed = fed(driver, packs=False), fed(driver, packs=True)
    for items in packed_of(packed):
        kept = {index: told(items.look_at(index)) for index in items}
        assert all(items.is_packed(index) or index in items.loose for index in items)
        assert {index: told(items[index]) for index in items} == kept, "a look is not what is unpacked for good"
    assert {scope.prefix: told(scope) for scope in packed.root.walk()} == {
        scope.prefix: told(scope) for scope in plain.root.walk()
    }
    assert {each.key for each in instances(packed)} == {each.key for each in instances(plain)}


async def _numbers(ctx: NodeContext[Any, Any]) -> list[int]:
    return list(range(ctx.params["total"]))


def test_a_run_in_one_process_keeps_no_objects_for_items_that_have_ended() -> None:
    counted: list[Counter[type]] = []

    def count() -> None:
        gc.collect()
        counted.append(Counter(type(each) for each in gc.get_objects()))

    async def last(ctx: NodeContext[Any, Any]) -> int:
        count()
        return sum([result async for result in ctx.input])

    async def square(ctx: NodeContext[Any, Any]) -> NodeResult:
        return NodeResult(ctx.input**2, action="big" if ctx.input % 7 == 0 else None)

    flow = create_flow("batch").node("numbers", _numbers, params={"total": 3_000}).node("last", last)
    flow.batch("squares", square, concurrency=10).edge("numbers", "squares").edge("squares", "last")
    count()  # what other tests have left
    result = FlowRuntime([flow]).run_sync(flow).raise_for_status()
    before, after = counted
    assert after[ScopeState] - before[ScopeState] < 100
    assert after[Outcome] - before[Outcome] < 100
    assert result.outputs["last"] == sum(number**2 for number in range(3_000))
    assert (result.steps, len(result.trace)) == (3_002, 3_004)
    assert [each.key for each in result.trace if each.action == "big"][1] == "squares[70].squares"
    assert all(0 < each.started <= each.ended for each in result.trace)


def test_to_pass_an_item_makes_nothing_that_is_as_large_as_its_batch() -> None:
    flow = create_flow("batch").node("numbers", _numbers).batch("squares", _numbers).edge("numbers", "squares")
    graph, total = flow.compile(), 1_000_000
    scope = RunState(graph, lambda name: graph, {}).root
    (batch,) = graph.root.constructs
    scope.pass_items(batch, total, slice(0, 1))
    tracemalloc.start()
    scope.pass_items(batch, total, slice(1, 2))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scope.has_passed(batch, 1)
    assert not scope.has_passed(batch, 2)
    assert most < 10_000

"""By which way a run has come to a failure."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RunFailedError, create_flow
from flowcraft_testkit.oracle.growing import CONTEXT
from hypothesis import given

from ..on_workers import on_a_worker
from .strategies import flows
from .test_save_and_resume import runtime_for


async def step(ctx: NodeContext[Any, Any]) -> str:
    return ctx.key


async def listed(ctx: NodeContext[Any, Any]) -> list[int]:
    return [0, 1, 2]


async def fail(ctx: NodeContext[Any, Any]) -> None:
    raise ValueError(ctx.key)


async def fail_in_the_third(ctx: NodeContext[Any, Any]) -> str:
    if "[2]" in ctx.key:
        raise ValueError(ctx.key)
    return ctx.key


def line(*names: str, last: Any = fail) -> FlowBuilder:
    flow = create_flow("f")
    for name in names:
        flow.node(name, last if name == names[-1] else step)
    for source, target in itertools.pairwise(names):
        flow.edge(source, target)
    return flow


def path(flow: FlowBuilder) -> tuple[str, ...]:
    (found,) = FlowRuntime([flow]).run_sync(flow).paths.values()
    return found


def test_it_begins_where_the_run_did_and_ends_at_the_failure() -> None:
    assert path(line("a", "b", "c")) == ("a", "b", "c")
    assert path(line("a")) == ("a",)


def test_of_a_branch_it_is_the_way_that_was_taken() -> None:
    flow = create_flow("f").node("a", step).node("b", step).node("x", step).node("c", fail, join="any")
    flow.edge("a", "b", condition="false").edge("a", "x").edge("b", "c").edge("x", "c")
    assert path(flow) == ("a", "x", "c")


def test_where_several_met_it_is_the_longest() -> None:
    flow = line("a", "b", "c", "d").node("short", step).edge("short", "d").edge("a", "d")
    assert path(flow) == ("a", "b", "c", "d")


def test_what_was_gone_through_is_one_stop() -> None:
    called = create_flow("called").node("inside", step)
    flow = create_flow("f").node("list", listed).batch("each", step).subflow("call", called).node("c", fail)
    flow.node("l", step).loop("loop", start="l", end="l", condition="false")
    flow.edge("list", "each").edge("each", "l").edge("loop", "call").edge("call", "c")
    assert path(flow) == ("list", "each", "loop", "call", "c")


def test_inside_of_a_construct_the_pass_the_item_and_the_call_are_named() -> None:
    called = create_flow("called").node("v", step).node("w", fail).edge("v", "w")
    assert path(line("a", "b", last=step).subflow("call", called).edge("b", "call")) == ("a", "b", "call/v", "call/w")

    batch = create_flow("f").node("list", listed).batch("each", fail_in_the_third).edge("list", "each")
    assert path(batch) == ("list", "each[2].each")

    loop = create_flow("f").node("a", step).node("b", step).node("c", fail_in_the_third)
    loop.edge("a", "b").edge("b", "c").loop("loop", start="b", end="c", condition="true")
    assert path(loop) == ("a", "loop[2].b", "loop[2].c")


def test_an_edge_on_failure_is_a_way_like_any_other() -> None:
    flow = create_flow("f").node("a", fail).node("b", fail).edge("a", "b", on="failure")
    assert path(flow) == ("a", "b")


def test_of_a_long_way_the_beginning_and_the_end_are_told() -> None:
    names = [f"n{number}" for number in range(1_000)]
    assert path(line(*names)) == (*names[:4], "(984 more)", *names[-12:])
    assert path(line(*names[:16])) == tuple(names[:16])


def test_the_error_that_is_raised_has_it_as_a_note_before_the_steps_own_traceback() -> None:
    flow = line("a", "b", "c")
    with pytest.raises(RunFailedError) as raised:
        FlowRuntime([flow]).run_sync(flow).raise_for_status()
    way, traceback = raised.value.__notes__
    assert way == "the way to c: a → b → c"
    assert "in fail" in traceback
    assert traceback.endswith("ValueError: c")
    assert raised.value.paths == {"c": ("a", "b", "c")}
    assert pickle.loads(pickle.dumps(raised.value)).paths == raised.value.paths

    with pytest.raises(RunFailedError) as raised:
        FlowRuntime([alone := line("a")]).run_sync(alone).raise_for_status()
    assert len(raised.value.__notes__) == 1  # there was no way


async def test_of_a_stored_run_it_is_told_from_the_facts() -> None:
    flow = create_flow("f").node("a", step).node("b", step).node("c", fail_in_the_third)
    flow.edge("a", "b").edge("b", "c").loop("loop", start="b", end="c", condition="true")
    result = await on_a_worker(flow)
    assert result.paths == {"loop[2].c": ("a", "loop[2].b", "loop[2].c")}
    with pytest.raises(RunFailedError) as raised:
        result.raise_for_status()
    assert raised.value.__notes__[0] == "the way to loop[2].c: a → loop[2].b → loop[2].c"


@given(flows())
def test_there_is_one_for_each_failure_and_all_on_it_had_ended(flow: Any) -> None:
    result = runtime_for(flow).run_sync(flow.id, CONTEXT)
    assert result.paths.keys() >= {error.key for error in result.errors if error.node_id}
    ended = {entry.key for entry in result.trace}
    for key, path in result.paths.items():
        assert path[-1] == key
        assert {one for one in path[:-1] if not one.endswith(" more)")} <= ended

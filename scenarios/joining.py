"""Scenarios 8 to 14: branches and joins."""

from __future__ import annotations

from typing import Literal

import expect
from backend import Backend
from flowcraft_core import FlowBuilder, create_flow
from scenario import Scenario
from small_steps import AsyncStep, Context, echo, fails, gives, takes, total

EXCLUSIVE = Scenario(id=8, title="Two last nodes exclude each other: the run completes after the one that is chosen")
IF_ELSE = Scenario(
    id=9, title="The ways of an if and else meet again: the join runs once, with what came the way taken"
)
SLOW_BRANCH = Scenario(
    id=10, title="One of two branches is slow: the join of all waits for it, then runs once with both"
)
RACES = Scenario(id=11, title="A join of any: the first success wins, the rest changes nothing and holds nothing up")
BLAME = Scenario(id=12, title="A node fails before others: the run fails with that node's error and with no other")
WIDE = Scenario(id=13, title="One node, then fifty on four workers, then one: 52 outcomes, and the join sees all fifty")
DEAD_WAYS = Scenario(
    id=14, title="A way of several nodes is not taken: none of it runs, and the join behind it decides"
)


@EXCLUSIVE.check
async def by_condition(backend: Backend) -> None:
    """Only the node whose condition holds runs."""
    for asked, chosen in ((120, "large"), (80, "small")):
        flow = create_flow("by-condition").node("ask", gives(asked)).node("large", echo).node("small", echo)
        flow.edge("ask", "large", condition="result.output > 100").edge("ask", "small", condition="input <= 100")
        expect.completed(await backend.run(flow), ran=["ask", chosen])


def _by_action(action: str) -> FlowBuilder:
    flow = create_flow("by-action").node("ask", gives(1, action=action)).node("yes", echo).node("no", echo)
    return flow.edge("ask", "yes", action="approve").edge("ask", "no", action="reject")


@EXCLUSIVE.check
async def by_action(backend: Backend) -> None:
    """Only the node behind the action runs."""
    expect.completed(await backend.run(_by_action("approve")), ran=["ask", "yes"])
    expect.completed(await backend.run(_by_action("reject")), ran=["ask", "no"])


@EXCLUSIVE.check
async def an_action_that_no_edge_has(backend: Backend) -> None:
    """The path ends there, and with it the run."""
    result = await backend.run(_by_action("postpone"))
    expect.completed(result, ran=["ask"])
    expect.equal("the outputs", result.outputs, {"ask": 1})


async def _if_else(backend: Backend, join: Literal["all", "any"], seen: object) -> None:
    flow = create_flow("if-else").node("ask", gives(5)).node("yes", gives("y")).node("no", gives("n"))
    flow.node("meet", echo, join=join).edge("yes", "meet").edge("no", "meet")
    flow.edge("ask", "yes", condition="input > 3").edge("ask", "no", condition="!(input > 3)")
    result = await backend.run(flow)
    expect.completed(result, ran=["ask", "yes", "meet"])
    expect.equal("what the join got", result.outputs["meet"], seen)


@IF_ELSE.check
async def into_a_join_of_all(backend: Backend) -> None:
    """It does not wait for the way that was not taken."""
    await _if_else(backend, "all", {"yes": "y"})


@IF_ELSE.check
async def into_a_join_of_any(backend: Backend) -> None:
    """It gets the output of the way that was taken."""
    await _if_else(backend, "any", "y")


@SLOW_BRANCH.check
async def b_is_slower_than_a(backend: Backend) -> None:
    """Whichever is slower, the join begins when it has ended."""
    beat = backend.beat
    for seconds_a, seconds_b in ((beat, 10 * beat), (10 * beat, beat)):
        began = backend.clock.now()
        flow = create_flow("slow").node("start", gives(0))
        flow.node("a", takes(backend.clock, seconds_a, "a")).node("b", takes(backend.clock, seconds_b, "b"))
        flow.node("meet", echo).edge("start", "a").edge("start", "b").edge("a", "meet").edge("b", "meet")
        result = await backend.run(flow)
        expect.completed(result, ran=["start", "a", "b", "meet"])
        expect.equal("what the join got", result.outputs["meet"], {"a": "a", "b": "b"})
        expect.lasts("when the join began", result.trace[-1].started - began, 10 * beat, backend)


def _race(*steps: AsyncStep) -> FlowBuilder:
    """Nodes ``a``, ``b``, ``c``, ... that race into ``first``, which ``end`` follows."""
    flow = create_flow("race").node("start", gives(0)).node("first", echo, join="any")
    for name, step in zip("abc", steps, strict=False):
        flow.node(name, step).edge("start", name).edge(name, "first")
    return flow


@RACES.check
async def three_that_succeed(backend: Backend) -> None:
    """The join and what follows it run once, with the fastest one's output; later arrivals change nothing."""
    steps = [takes(backend.clock, beats * backend.beat, name) for name, beats in (("a", 3), ("b", 1), ("c", 2))]
    # The end takes so long that the losers arrive while the run is still under way.
    flow = _race(*steps).node("end", takes(backend.clock, 10 * backend.beat)).edge("first", "end")
    result = await backend.run(flow, concurrency=3)
    expect.completed(result)
    expect.equal("what the join got", result.outputs["first"], "b")
    for key in ("first", "end"):
        expect.equal(f"how often {key!r} ran", expect.keys(result).count(key), 1)
    expect.equal("the outputs that count", sorted(result.outputs), ["b", "end", "first", "start"])


@RACES.check
async def one_of_two_mirrors_fails(backend: Backend) -> None:
    """The other one's result counts, whether the failure comes before it or after it."""
    for seconds in (backend.beat, 3 * backend.beat):  # before the other one answers, and after

        async def fail(ctx: Context, seconds: float = seconds) -> None:
            await backend.clock.sleep(seconds)
            raise ConnectionError("mirror down")

        flow = _race(fail, takes(backend.clock, 2 * backend.beat, "b"))
        flow.node("end", takes(backend.clock, 10 * backend.beat)).edge("first", "end")
        result = await backend.run(flow)
        expect.completed(result)
        expect.equal("what the join got", result.outputs["first"], "b")


@RACES.check
async def both_mirrors_fail(backend: Backend) -> None:
    """The run fails with both errors."""
    result = await backend.run(_race(fails("first mirror down"), fails("second mirror down")))
    expect.failed(result, "a", "b")
    messages = sorted(error.message for error in result.errors)
    expect.equal("the errors", messages, ["first mirror down", "second mirror down"])


@RACES.check
async def a_wait_and_a_sleep(backend: Backend) -> None:
    """The sleep ends it, though nobody has resumed the wait."""
    began = backend.clock.now()
    flow = create_flow("deadline").node("start", gives("s")).wait("answer").sleep("deadline", 2 * backend.day)
    flow.node("end", echo, join="any").edge("start", "answer").edge("start", "deadline")
    result = await backend.run(flow.edge("answer", "end").edge("deadline", "end"))
    expect.completed(result, ran=["start", "deadline", "end"])
    expect.took(result, began, 2 * backend.day, backend)


@RACES.check
async def a_slow_loser(backend: Backend) -> None:
    """The run ends with the winner, and does not wait forty days."""
    began = backend.clock.now()
    flow = create_flow("patience").node("start", gives("s")).node("quick", takes(backend.clock, 5 * backend.beat, "q"))
    flow.sleep("slow", "40d").node("end", echo, join="any").edge("start", "quick").edge("start", "slow")
    result = await backend.run(flow.edge("quick", "end").edge("slow", "end"))
    expect.completed(result, ran=["start", "quick", "end"])
    expect.took(result, began, 5 * backend.beat, backend)


@BLAME.check
async def in_a_chain(backend: Backend) -> None:
    """What would follow the failed node does not run, and so has no error of its own."""
    flow = create_flow("blame").node("first", fails("out of paper")).node("second", echo).node("third", echo)
    result = await backend.run(flow.edge("first", "second").edge("second", "third"))
    expect.failed(result, "first")
    expect.equal("the error", (result.errors[0].type, result.errors[0].message), ("ValueError", "out of paper"))
    expect.equal("what ended", expect.keys(result), ["first"])


@BLAME.check
async def before_a_join(backend: Backend) -> None:
    """The join does not run, and so has no error of its own."""
    flow = create_flow("blame").node("start", gives(1)).node("bad", fails("out of ink")).node("good", echo)
    flow.node("meet", echo).edge("start", "bad").edge("start", "good").edge("bad", "meet").edge("good", "meet")
    result = await backend.run(flow)
    expect.failed(result, "bad")
    expect.equal("how often the join ran", expect.keys(result).count("meet"), 0)


@WIDE.check
async def fifty(backend: Backend) -> None:
    """None is lost, and no more than four are under way at once."""
    under_way = most = 0

    async def work(ctx: Context) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await backend.clock.sleep(backend.beat / 4)
        under_way -= 1
        return int(ctx.params["number"])

    flow = create_flow("wide").node("start", gives(0)).node("meet", total)
    for number in range(50):
        flow.node(f"n{number}", work, params={"number": number}).edge("start", f"n{number}").edge(f"n{number}", "meet")
    result = await backend.run(flow, concurrency=4)
    expect.completed(result, ran=["start", "meet", *(f"n{number}" for number in range(50))])
    expect.equal("the outcomes kept", len(result.outputs), 52)
    expect.equal("the sum that the join saw", result.outputs["meet"], sum(range(50)))
    expect.equal("the most that ran at once", most, 4)


@DEAD_WAYS.check
async def of_several_nodes_into_a_join(backend: Backend) -> None:
    """The join gets the way that was taken, alone."""
    flow = create_flow("dead").node("ask", gives("x", action="short")).node("short", echo)
    for node in ("long", "longer", "longest"):
        flow.node(node, echo)
    flow.node("meet", echo).edge("ask", "short", action="short").edge("ask", "long", action="long")
    flow.edge("long", "longer").edge("longer", "longest").edge("short", "meet").edge("longest", "meet")
    result = await backend.run(flow.node("end", echo).edge("meet", "end"))
    expect.completed(result, ran=["ask", "short", "meet", "end"])
    expect.equal("what the join got", result.outputs["meet"], {"short": "x"})


@DEAD_WAYS.check
async def with_a_fork_and_a_construct_on_it(backend: Backend) -> None:
    """A fork, a batch and a join on a dead way are dead as well."""
    flow = create_flow("dead").node("ask", gives([1, 2], action="stop")).node("fork", echo).batch("each", echo)
    flow.node("side", echo).node("inner", echo).node("meet", echo).edge("ask", "fork", action="go")
    flow.edge("fork", "each").edge("fork", "side").edge("each", "inner").edge("side", "inner").edge("inner", "meet")
    result = await backend.run(flow.edge("ask", "meet", action="stop"))
    expect.completed(result, ran=["ask", "meet"])
    expect.equal("what the join got", result.outputs["meet"], {"ask": [1, 2]})


@DEAD_WAYS.check
async def where_no_way_is_taken(backend: Backend) -> None:
    """A join that nothing leads to any more is dead, and the run completes without it."""
    flow = create_flow("dead").node("ask", gives(0)).node("a", echo).node("b", echo).node("meet", echo)
    flow.edge("ask", "a", condition="input > 1").edge("ask", "b", condition="input > 2")
    expect.completed(await backend.run(flow.edge("a", "meet").edge("b", "meet")), ran=["ask"])

"""Scenarios 45 to 48: failures that edges take over, what always follows, and what a fallback is told."""

from __future__ import annotations

from typing import Any, Literal

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowBuilder, RunResult, create_flow
from flowcraft_testkit.contracts.interposed import Call, simply
from scenario import Scenario
from small_steps import AsyncStep, Context, echo, fails, gives, takes

HANDLED = Scenario(id=45, title="A node or a construct fails for good: only its failure edge is taken, with the error")
ALWAYS = Scenario(id=46, title="What always follows runs after success with the output, after failure with the error")
TOGETHER = Scenario(
    id=47, title="Two of three fail, each with a failure edge into one join: of all with both, of any once"
)
TOLD = Scenario(id=48, title="A fallback sees the error that sent it there; fact and trace keep it; its key is its own")

MESSAGE = "it is broken"


def _caught(flow: FlowBuilder, node: str, **edge: Any) -> FlowBuilder:
    """With a plain edge and one on failure from a node, each to a step of its own."""
    flow.node("plain", echo).node("handler", echo)
    return flow.edge(node, "plain").edge(node, "handler", on="failure", **edge)


def _expect_handled(result: RunResult, key: str, given: Any = None) -> None:
    expect.status(result, "completed")
    given = result.outputs.get("handler") if given is None else given
    error = {"node": key, "type": "ValueError", "message": MESSAGE, "attempts": 1}
    expect.equal("what the handler got", given, error)
    expect.equal("whether the plain edge was taken", "plain" in result.outputs, False)
    expect.equal("the failures that were handled", [each.key for each in result.handled], [key])
    expect.equal("the errors", list(result.errors), [])


@HANDLED.check
async def a_node(backend: Backend) -> None:
    """Only the failure edge's target runs, with the error as its input; completed."""
    _expect_handled(await backend.run(_caught(create_flow("node").node("bad", fails(MESSAGE)), "bad")), "bad")


@HANDLED.check
async def a_condition_that_does_not_hold(backend: Backend) -> None:
    """Failed, as without that edge."""
    flow = _caught(create_flow("other").node("bad", fails(MESSAGE)), "bad", condition="error.type == 'KeyError'")
    expect.failed(await backend.run(flow), "bad")


@HANDLED.check
async def a_batch(backend: Backend) -> None:
    """The other items run to their end before."""
    flow = create_flow("batch").node("list", gives([1])).batch("each", fails(MESSAGE)).edge("list", "each")
    _expect_handled(await backend.run(_caught(flow, "each")), "each[0].each")


@HANDLED.check
async def a_loop(backend: Backend) -> None:
    """In its second pass."""

    async def second(ctx: Context) -> int:
        if ctx.input == 2:
            raise ValueError(MESSAGE)
        return 2

    flow = create_flow("loop").node("start", gives(1)).node("body", second).edge("start", "body")
    flow.loop("again", start="body", end="body", condition="true")
    _expect_handled(await backend.run(_caught(flow, "again")), "again[1].body")


@HANDLED.check
async def a_subflow(backend: Backend) -> None:
    """With what failed in it."""
    inner = create_flow("inner").node("bad", fails(MESSAGE)).node("after", echo).edge("bad", "after")
    flow = create_flow("outer").subflow("call", inner)
    _expect_handled(await backend.run(_caught(flow, "call")), "call/bad")


@HANDLED.check
async def inside_each_of_them(backend: Backend) -> None:
    """In a called flow, an item of a batch and a pass of a loop: what is around them does not fail."""
    inner = _caught(create_flow("inner").node("bad", fails(MESSAGE)), "bad")
    outer = create_flow("call").subflow("call", inner).node("end", echo).edge("call", "end")
    result = await backend.run(outer, inner)
    _expect_handled(result, "call/bad", result.outputs["end"])
    outer = create_flow("items").node("list", gives([1])).batch("each", inner).edge("list", "each")
    result = await backend.run(outer, inner)
    _expect_handled(result, "each[0]/bad", result.outputs["each"][0])
    loop = create_flow("passes").node("start", gives(1)).node("bad", fails(MESSAGE)).node("handler", echo)
    loop.node("last", echo, join="any").loop("again", start="bad", end="last", condition="false")
    loop.edge("start", "bad").edge("bad", "handler", on="failure").edge("bad", "last").edge("handler", "last")
    _expect_handled(await backend.run(loop), "again[0].bad")


def _followed(step: AsyncStep) -> FlowBuilder:
    return create_flow("followed").node("work", step).node("after", echo).edge("work", "after", on="always")


@ALWAYS.check
async def after_success_and_after_failure(backend: Backend) -> None:
    """Once each."""
    result = await backend.run(_followed(gives(7)))
    expect.completed(result, ran=["work", "after"])
    expect.equal("what it got", result.outputs["after"], 7)
    result = await backend.run(_followed(fails(MESSAGE)))
    expect.completed(result, ran=["work", "after"])
    expect.equal("what it got", result.outputs["after"]["message"], MESSAGE)


@ALWAYS.check_durable
async def with_its_message_doubled_and_the_worker_killed_between(backend: Durable) -> None:
    """There is one outcome, and it has the error."""
    made = 0

    async def around(operation: str, call: Call) -> Any:
        nonlocal made
        result = await call()
        if operation == "context.put":
            made += 1
            if made == 1:
                await backend.kill()
        return result

    backend.around, backend.doubling = around, True
    run = await backend.launch(_followed(fails(MESSAGE)))
    await backend.until("the worker's end", lambda: not backend.hands)
    backend.around = simply
    await backend.staff(2)
    result = await run.result()
    expect.completed(result, ran=["work", "after"])
    expect.equal("what it got", result.outputs["after"]["message"], MESSAGE)


async def _several(backend: Backend, join: Literal["all", "any"]) -> RunResult:
    flow = create_flow(f"several-{join}").node("start", gives(0)).node("handler", echo, join=join)
    steps = {"a": fails("a is broken"), "b": fails("b is broken"), "c": takes(backend.clock, backend.beat, 3)}
    for name, step in steps.items():
        flow.node(name, step).edge("start", name).edge(name, "handler", on="failure")
    result = await backend.run(flow)
    expect.completed(result, ran=["start", "a", "b", "c", "handler"])
    return result


@TOGETHER.check
async def into_a_join_of_all(backend: Backend) -> None:
    """It runs with both errors."""
    got = (await _several(backend, "all")).outputs["handler"]
    messages = {name: error["message"] for name, error in got.items()}
    expect.equal("what the join got", messages, {"a": "a is broken", "b": "b is broken"})


@TOGETHER.check
async def into_a_join_of_any(backend: Backend) -> None:
    """It runs once, with one of them."""
    got = (await _several(backend, "any")).outputs["handler"]
    expect.equal("what the join got", got["message"] in ("a is broken", "b is broken"), True)


@TOLD.check
async def by_its_context_and_by_the_trace(backend: Backend) -> None:
    """The error of the last attempt, with how many there were."""
    keys: dict[str, str] = {}

    async def bad(ctx: Context) -> None:
        keys["bad"] = ctx.idempotency_key
        raise ValueError(MESSAGE)

    async def instead(ctx: Context) -> Any:
        keys["instead"] = ctx.idempotency_key
        return [ctx.error.key, ctx.error.type, ctx.error.message, ctx.error.attempts] if ctx.error else None

    flow = create_flow("told").node("bad", bad, retries=1, fallback="instead").node("instead", instead)
    result = await backend.run(flow)
    expect.completed(result, ran=["bad"])
    expect.equal("what it was told", result.outputs["bad"], ["bad", "ValueError", MESSAGE, 2])
    (entry,) = result.trace
    kept = entry.primary_error
    expect.equal("what the trace keeps", None if kept is None else (kept.message, kept.attempts), (MESSAGE, 2))
    expect.equal("the keys are two", len(set(keys.values())), 2)

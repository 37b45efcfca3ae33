"""The fixtures that users get, used as they use them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import (
    FlowBuilder,
    FlowRuntime,
    NodeContext,
    NodeResult,
    NonRetryableError,
    RetryPolicy,
    SyncNodeContext,
    create_flow,
)
from flowcraft_testkit import InMemoryBackend, VirtualClock
from flowcraft_testkit.simulation import Faults, FlowTester

Ctx = NodeContext[Any, Any]
DAY = 86_400


async def charge(ctx: Ctx) -> str:
    raise AssertionError("a test never charges")


async def receipt(ctx: Ctx) -> str:
    await ctx.context.set("sent", True)
    return f"{ctx.input} for {await ctx.context.get('customer')}"


def order() -> FlowBuilder:
    flow = create_flow("order").wait("approval").node("charge", charge, retries=RetryPolicy(max_attempts=3, delay=60.0))
    flow.node("receipt", receipt).sleep("later", "40d").node("survey", receipt)
    flow.edge("approval", "charge", action="yes").edge("charge", "receipt").edge("receipt", "later")
    return flow.edge("later", "survey")


YES = {"approval": NodeResult(None, action="yes")}


def test_a_flow_that_sleeps_for_forty_days_takes_no_time(flowcraft: FlowTester) -> None:
    flowcraft.script("charge", "paid")
    tested = flowcraft.run(order(), {"customer": "Ada"}, resumes=YES)
    assert tested.status == "completed"
    assert tested.outputs["survey"] == "paid for Ada for Ada"
    assert tested.context == {"customer": "Ada", "sent": True}
    assert tested.seconds == 40 * DAY
    assert tested.executed == ("approval", "charge", "receipt", "later", "survey")
    assert tested.errors == ()


def test_a_scripted_step_fails_and_is_tried_again(flowcraft: FlowTester) -> None:
    flowcraft.script("charge", TimeoutError("no answer"), TimeoutError("still none"), "paid")
    tested = flowcraft.run(order(), {"customer": "Ada"}, resumes=YES)
    assert tested.outputs["charge"] == "paid"
    assert tested.executed[1:4] == ("charge", "charge, attempt 2", "charge, attempt 3")
    assert tested.seconds > 40 * DAY + 60


def test_a_scripted_step_that_fails_for_good_fails_the_run(flowcraft: FlowTester) -> None:
    flowcraft.script("charge", NonRetryableError("the card is stolen"))
    tested = flowcraft.run(order(), {"customer": "Ada"}, resumes=YES)
    assert tested.status == "failed"
    assert "the card is stolen" in str(tested.errors[0])


def test_a_script_may_be_a_function_plain_or_not_and_knows_its_node(flowcraft: FlowTester) -> None:
    async def slowly(ctx: Ctx) -> NodeResult[Any]:
        await asyncio.sleep(5)
        return NodeResult((await ctx.context.get("x"), ctx.input), action="on")

    flow = create_flow("scripted").node("a", charge).node("b", charge).node("c", charge)
    flow.edge("a", "b").edge("b", "c", action="on")
    flowcraft.script("a", lambda ctx: ctx.node_id)
    flowcraft.script("b", slowly)
    flowcraft.script("c", NodeResult(7, action="done"))
    tested = flowcraft.run(flow, {"x": 1})
    assert tested.outputs == {"a": "a", "b": (1, "a"), "c": 7}
    assert tested.seconds == 5


def listed(ctx: SyncNodeContext[Any, Any]) -> list[int]:
    raise AssertionError("a script stands in for it")


def test_a_batchs_worker_a_called_flow_and_a_fallback_can_be_scripted(flowcraft: FlowTester) -> None:
    inner = create_flow("inner").node("deep", charge)
    flow = create_flow("outer").node("src", listed).batch("pages", charge).subflow("call", inner)
    flow.node("x", charge, fallback="y").node("y", charge)
    flow.edge("src", "pages").edge("pages", "call").edge("call", "x")
    flowcraft.script("src", [1, 2])
    flowcraft.script("pages", lambda ctx: ctx.input * 10)
    flowcraft.script("deep", "from below")
    flowcraft.script("x", ValueError("no"))
    flowcraft.script("y", "stood in")
    tested = flowcraft.run(flow)
    assert tested.outputs["pages"] == [10, 20]
    assert (tested.outputs["call"], tested.outputs["x"]) == ("from below", "stood in")


def test_a_script_for_a_node_that_is_not_there_is_refused(flowcraft: FlowTester) -> None:
    flowcraft.script("chrage", "paid")
    with pytest.raises(ValueError, match="there is no node 'chrage' to script; there are: approval, charge, later"):
        flowcraft.run(order())


def test_a_script_without_an_answer_is_refused(flowcraft: FlowTester) -> None:
    flowcraft.script("charge")
    with pytest.raises(ValueError, match="the script of node 'charge' has no answer"):
        flowcraft.run(order())


def test_a_wait_that_nobody_resumes_is_told(flowcraft: FlowTester) -> None:
    tested = flowcraft.run(order())
    assert (tested.status, tested.waiting) == ("awaiting", ("approval",))


def test_plain_steps_and_dependencies_work(flowcraft: FlowTester) -> None:
    def plain(ctx: SyncNodeContext[Any, Any]) -> Any:
        return ctx.dependencies["rate"] * ctx.context.get("x")

    tested = flowcraft.run(create_flow("plain").node("a", plain), {"x": 3}, dependencies={"rate": 2})
    assert tested.outputs == {"a": 6}


def test_a_timeout_is_virtual_too(flowcraft: FlowTester) -> None:
    async def stuck(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    tested = flowcraft.run(create_flow("stuck").node("a", stuck, timeout=3600))
    assert tested.status == "failed"
    assert tested.seconds == 3600


def test_a_flow_is_simulated_with_its_scripts(flowcraft: FlowTester) -> None:
    flowcraft.script("charge", TimeoutError("no answer"), "paid")
    flow = create_flow("short").node("charge", charge, retries=RetryPolicy(delay=1.0)).node("receipt", receipt)
    flow.edge("charge", "receipt")
    report = flowcraft.simulate(flow, {"customer": "Ada"}, seeds=20)
    assert report.schedules == 20
    assert report.faults.total() > 0


def test_what_a_simulation_finds_fails_the_test_with_a_trace(flowcraft: FlowTester) -> None:
    times: list[int] = []

    def impure(ctx: SyncNodeContext[Any, Any]) -> int:
        times.append(1)
        return len(times)

    with pytest.raises(AssertionError, match="1 of 1 schedules went wrong") as failed:
        flowcraft.simulate(create_flow("impure").node("a", impure), seeds=1, faults=Faults.none())
    assert "EXECUTES 'a'" in str(failed.value)


async def test_a_clock_and_a_backend_for_those_who_put_things_together_themselves(
    flowcraft_clock: VirtualClock, flowcraft_backend: InMemoryBackend
) -> None:
    began = flowcraft_clock.now()
    flow = create_flow("nap").sleep("z", "2d")
    assert (await FlowRuntime([flow], clock=flowcraft_clock).run(flow)).status == "completed"
    assert flowcraft_clock.now() - began == 2 * DAY
    async with flowcraft_backend as backend:
        assert await backend.status.get("nobody") is None

"""Tests of flows: what results, answers and fakes are known to be."""

from __future__ import annotations

from typing import Any, assert_type

from flowcraft_core import Flow, NodeContext, create_flow
from flowcraft_testkit import FlowResult, FlowRun, FlowTester

orders = Flow[int, str]("orders")


@orders.step
def price(euros: int = orders.input) -> float:
    return euros * 1.2


approval = orders.wait("approval", str, after=price)


@orders.step
async def pay(total: float = price.output, by: str = approval.output) -> str:
    return f"{total} by {by}"


orders.returns(pay.output)
nightly = Flow[None, list[str]]("nightly")


async def step(ctx: NodeContext[Any]) -> str:
    return "done"


built = create_flow("built").node("a", step)


def cheap(euros: int) -> float:
    return 3.5


def other(ctx: NodeContext[Any]) -> str:
    return "done at once"


def test_all_of_it(flow_tester: FlowTester) -> None:
    flow_tester.replace(price, cheap)
    flow_tester.replace(price, returns=3.5)
    flow_tester.replace(step, other)
    flow_tester.replace("a", returns=5)
    flow_tester.fail(pay, TimeoutError, times=2)

    @orders.step
    async def fake(total: float = price.output) -> str:
        return str(total)

    flow_tester.replace(pay, fake)
    result = flow_tester.run(orders, 5, answers={approval: "Ada"})
    assert_type(result, FlowResult[str])
    assert_type(result.output, str)
    assert_type(result.output_of(price), float)
    assert_type(result.output_of(approval), str)
    assert_type(result.calls(pay)[0].arguments, dict[str, Any])
    assert_type(flow_tester.run(nightly).output, list[str])
    assert_type(flow_tester.run(built, {"x": 1}, answers={"w": 1}), FlowResult[Any])
    run = flow_tester.start(orders, 5)
    assert_type(run, FlowRun[str])
    run.advance("2h")
    run.answer(approval, "Ada")
    run.answer("approval", 5, action="yes", early=True)
    assert_type(run.result().output, str)

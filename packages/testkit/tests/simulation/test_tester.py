"""What a test of a flow gives: values of its own types, and answers to waits."""

from __future__ import annotations

from typing import Any

import attrs
from flowcraft_core import FlowBuilder, NodeResult, Serializer, create_flow
from flowcraft_testkit.simulation import Faults, FlowTester, Scenario, simulate


@attrs.frozen
class Order:
    id: str


SERIALIZER = Serializer([Order])


async def raised(ctx: Any) -> Order:
    return Order((await ctx.context.get("order")).id + "!")


async def shown(ctx: Any) -> str:
    assert isinstance(ctx.input, Order)
    return ctx.input.id


def of_orders() -> FlowBuilder:
    return create_flow("orders").node("raise", raised).node("show", shown).edge("raise", "show")


def approved(timeout: float | None) -> FlowBuilder:
    flow = create_flow("approved").wait("approval", timeout=timeout)
    flow.node("pay", lambda ctx: "paid").node("expired", lambda ctx: "expired")
    return flow.edge("approval", "pay", action="yes").edge("approval", "expired", action="timeout")


def test_values_may_be_of_types_that_the_serializer_knows() -> None:
    tester = FlowTester(serializer=SERIALIZER)
    assert tester.run(of_orders(), {"order": Order("1")}).outputs["show"] == "1!"
    assert tester.simulate(of_orders(), {"order": Order("1")}, seeds=20).schedules == 20


def test_so_they_may_in_a_scenario_and_under_simulate() -> None:
    scenario = Scenario(name="orders", build=of_orders, context={"order": Order("1")}, serializer=SERIALIZER)
    assert not simulate(scenario, seeds=5).violations
    assert not simulate(of_orders, seeds=5, context={"order": Order("1")}, serializer=SERIALIZER).violations


def test_a_wait_is_resumed_as_soon_as_it_is_reached_whatever_its_timeout() -> None:
    for timeout in (None, 3_600.0):
        resumes = {"approval": NodeResult("Ada", action="yes")}
        tested = FlowTester().run(approved(timeout), resumes=resumes)
        assert (tested.seconds, tested.outputs) == (0, {"approval": "Ada", "pay": "paid"})
        report = simulate(approved(timeout), resumes=resumes, seeds=10, faults=Faults.none())
        assert not report.violations


def test_a_wait_that_nobody_resumes_has_its_timeout() -> None:
    tested = FlowTester().run(approved(3_600.0))
    assert (tested.seconds, tested.outputs["expired"]) == (3_600, "expired")

"""Tests of flows in which something is not what the flow has."""

from __future__ import annotations

from flowcraft_core import Flow
from flowcraft_testkit import FlowTester

orders = Flow[int, str]("orders")


@orders.step
def price(euros: int = orders.input) -> float:
    return euros * 1.2


approval = orders.wait("approval", str, after=price)


def much(euros: int) -> str:
    return "much"


def test_all_of_it(flow_tester: FlowTester) -> None:
    flow_tester.replace(price, much)  #: mypy=arg-type pyright=reportCallIssue,reportArgumentType
    flow_tester.replace(price, returns="much")  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    flow_tester.run(orders, "5")  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    run = flow_tester.start(orders, 5)
    run.answer(approval, 5)  #: mypy=misc pyright=reportCallIssue,reportArgumentType
    run.advnace("2h")  #: mypy=attr-defined pyright=reportAttributeAccessIssue

"""Ten tests of the shop's flow, as its author writes them. None takes a second, or talks to anybody.

They run in one process; with ``pytest --flowcraft-durable`` the same ones run on a worker and a backend in memory.
"""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest
from flowcraft_core import Limit, NonRetryableError
from flowcraft_core.linting import lint
from flowcraft_testkit import FlowTester

from .shop import Order, approval, charge, price, refund, remind, shop, survey

ORDER = Order("Ada", ["a lamp", "a chair"])
DAY = 86_400


@pytest.fixture
def services() -> Mock:
    return Mock(
        price=Mock(return_value=30),
        charge=AsyncMock(return_value="receipt 1"),
        refund=AsyncMock(),
        mail=AsyncMock(),
    )


@pytest.fixture
def shop_tester(flow_tester: FlowTester, services: Mock) -> FlowTester:
    flow_tester.dependencies = services
    flow_tester.limits = [Limit("prices", concurrency=2)]
    return flow_tester


def test_an_order_that_is_approved_is_charged_and_asked_about(shop_tester: FlowTester, services: Mock) -> None:
    result = shop_tester.run(shop, ORDER, answers={approval: "Bob"})
    assert result.status == "completed"
    assert result.output == "receipt 1"
    assert result.path[-4:] == ["approval", "charge", "arrival", "survey"]
    services.mail.assert_awaited_once_with("Ada", "how was order receipt 1?")


def test_the_survey_comes_three_days_later(shop_tester: FlowTester) -> None:
    assert shop_tester.run(shop, ORDER, answers={approval: "Bob"}).seconds == 3 * DAY


def test_nothing_is_charged_before_somebody_approves(shop_tester: FlowTester) -> None:
    run = shop_tester.start(shop, ORDER)
    assert run.waiting == ["approval"]
    run.advance("1d")
    assert run.calls(charge) == []
    run.answer(approval, "Bob")
    assert [call.arguments["approved_by"] for call in run.calls(charge)] == ["Bob"]


def test_an_approval_is_asked_for_twice_and_then_the_order_is_dropped(shop_tester: FlowTester, services: Mock) -> None:
    result = shop_tester.run(shop, ORDER)
    assert result.seconds == 2 * DAY
    assert result.path[-1] == "approval"
    assert [call.arguments["euros"] for call in result.calls(remind)] == [60, 60]
    services.charge.assert_not_awaited()


def test_somebody_may_approve_in_advance(shop_tester: FlowTester) -> None:
    shop_tester.replace(price, returns=5)
    assert shop_tester.run(shop, ORDER, answers={approval: "Bob"}).calls(charge)[0].arguments["euros"] == 10


def test_a_charge_that_fails_is_tried_again_under_the_same_key(shop_tester: FlowTester, services: Mock) -> None:
    services.charge.side_effect = [TimeoutError("no answer"), TimeoutError("still none"), "receipt 2"]
    result = shop_tester.run(shop, ORDER, answers={approval: "Bob"})
    assert result.output == "receipt 2"
    assert len({call.args[2] for call in services.charge.await_args_list}) == 1


def test_a_charge_that_never_works_fails_the_order(shop_tester: FlowTester) -> None:
    shop_tester.fail(charge, TimeoutError("no answer"))
    result = shop_tester.run(shop, ORDER, answers={approval: "Bob"})
    assert result.status == "failed"
    assert len(result.calls(charge)) == 3
    assert (result.undone, result.calls(survey)) == ([], [])


def test_the_money_is_given_back_if_something_fails_after_the_charge(shop_tester: FlowTester, services: Mock) -> None:
    shop_tester.fail(survey, NonRetryableError("the customer has left"))
    result = shop_tester.run(shop, ORDER, answers={approval: "Bob"})
    assert result.undone == ["charge"]
    assert [call.role for call in result.calls(refund)] == ["undo"]
    services.refund.assert_awaited_once_with("receipt 1")


def test_the_flow_has_nothing_that_the_linter_would_tell() -> None:
    assert lint(shop) == []


def test_an_order_that_is_cancelled_after_the_charge_is_refunded(shop_tester: FlowTester, services: Mock) -> None:
    run = shop_tester.start(shop, ORDER, answers={approval: "Bob"})
    run.advance("1d")
    assert (run.status, run.path[-1]) == ("awaiting", "charge")
    assert run.cancel()
    assert run.result().undone == ["charge"]
    services.refund.assert_awaited_once_with("receipt 1")

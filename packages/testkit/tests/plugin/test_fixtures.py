"""The fixtures that users get, used as they use them."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, SyncNodeContext, create_flow
from flowcraft_testkit import Faults, FlowTester, InMemoryBackend, VirtualClock

Ctx = NodeContext[Any, Any]
DAY = 86_400
pytest_plugins = ["pytester"]


async def charge(ctx: Ctx) -> str:
    raise AssertionError("a test never charges")


async def receipt(ctx: Ctx) -> str:
    return f"{ctx.input} for {await ctx.context.get('customer')}"


def test_a_flow_that_sleeps_for_forty_days_takes_no_time(flow_tester: FlowTester) -> None:
    flow = create_flow("order").node("charge", charge).sleep("later", "40d").node("survey", receipt)
    flow.edge("charge", "later").edge("later", "survey")
    flow_tester.replace(charge, returns="paid")
    result = flow_tester.run(flow, {"customer": "Ada"})
    assert result.path == ["charge", "later", "survey"]
    assert (result.outputs["survey"], result.seconds) == ("paid for Ada", 40 * DAY)


def test_a_flow_is_simulated(flow_tester: FlowTester) -> None:
    flow = create_flow("short").node("charge", charge).node("receipt", receipt).edge("charge", "receipt")
    flow_tester.replace(charge, returns="paid")
    report = flow_tester.simulate(flow, {"customer": "Ada"}, seeds=20)
    assert report.schedules == 20
    assert report.faults.total() > 0


def test_what_a_simulation_finds_fails_the_test_with_a_trace(flow_tester: FlowTester) -> None:
    times: list[int] = []

    def impure(ctx: SyncNodeContext[Any, Any]) -> int:
        times.append(1)
        return len(times)

    with pytest.raises(AssertionError, match="1 of 1 schedules went wrong") as failed:
        flow_tester.simulate(create_flow("impure").node("a", impure), seeds=1, faults=Faults.none())
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


USERS = """
from flowcraft_core import create_flow

def step(ctx): return ctx.input
flow = create_flow("f").node("a", step).wait("w").node("b", step).edge("a", "w").edge("w", "b", action="yes")

def test_path(flow_tester):
    assert flow_tester.run(flow).path == ["a", "w", "c"]

def test_backward(flow_tester):
    assert ["b"] == flow_tester.run(flow, answers={"w": 1}).path

def test_equal_paths_say_nothing(flow_tester):
    assert flow_tester.run(flow).path == ["a"]

def bug(ctx):
    raise ValueError("no")

def test_other(flow_tester):
    assert flow_tester.run(create_flow("f").node("bug", bug)).status == "completed"

def test_where(flow_tester):
    assert type(flow_tester.start(flow)._driver).__name__ == "InProcess"
"""


@pytest.fixture
def users(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(USERS)
    return pytester


def test_a_path_that_is_another_one_is_told_with_what_became_of_the_run(users: pytest.Pytester) -> None:
    done = users.runpytest_subprocess("-p", "no:anyio", "-p", "no:cacheprovider")
    done.assert_outcomes(failed=3, passed=2)
    done.stdout.fnmatch_lines([
        "E  *assert the run took another path (- expected, + taken):",
        "E  *  a",
        "E  *- w",
        "E  *- c",
        "E  *<run awaiting for w; path: a>",
    ])  # fmt: skip
    done.stdout.fnmatch_lines(["E  *- b", "E  *+ a", "E  *+ w", "E  *<run completed; path: a > w>"])
    done.stdout.fnmatch_lines(
        ["E  *assert the run is failed, and not completed:", "E  *<run failed: bug: ValueError: no;*"]
    )


def test_all_flows_are_run_on_a_worker_if_one_asks_for_it(users: pytest.Pytester) -> None:
    done = users.runpytest_subprocess("-p", "no:anyio", "-p", "no:cacheprovider", "--flowcraft-durable", "-k", "where")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E  *assert 'OnWorkers' == 'InProcess'"])

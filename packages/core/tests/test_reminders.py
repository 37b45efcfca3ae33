"""Waits that remind: when, with what, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    BlueprintError,
    ConfigurationError,
    Flow,
    FlowRuntime,
    NodeContext,
    SyncNodeContext,
    create_flow,
    first_of,
)
from flowcraft_core.reminders import Reminders, reminders_of
from flowcraft_testkit import VirtualClock
from hypothesis import given
from hypothesis import strategies as st

Ctx = NodeContext[Any, Any]


@given(st.floats(0.001, 1e6), st.floats(0, 4e9), st.floats(0, 1e7))
def test_a_repeated_reminder_comes_after_now_and_within_one_delay(delay: float, since: float, passed: float) -> None:
    now = since + passed
    due = Reminders("remind", (delay,), repeats=True).next(since, now)
    assert due is not None
    assert due > now
    assert due - now <= delay * 1.000001 + 1e-6


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=5), st.floats(0, 600))
def test_a_table_has_one_reminder_per_delay(delays: list[float], passed: float) -> None:
    times, due = [], 1_000.0
    for delay in delays:
        due += delay
        times.append(due)
    found = Reminders("remind", tuple(delays), repeats=False).next(1_000.0, 1_000.0 + passed)
    assert found == next((time for time in times if time > 1_000.0 + passed), None)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"remindUsesKey": "r"}, "remindAfter must be milliseconds"),
        ({"remindAfter": 5}, "remindUsesKey must be a step's name"),
        ({"remindUsesKey": "", "remindAfter": 5}, "remindUsesKey must be a step's name"),
        ({"remindUsesKey": "r", "remindAfter": 0}, "longer than 0"),
        ({"remindUsesKey": "r", "remindAfter": []}, "longer than 0"),
        ({"remindUsesKey": "r", "remindAfter": [5, "soon"]}, "remindAfter must be milliseconds"),
    ],
)
def test_parameters_that_cannot_mean_anything_are_refused_by_name(params: dict[str, Any], why: str) -> None:
    data = {"id": "f", "nodes": [{"id": "w", "uses": "wait", "params": params}], "edges": []}
    with pytest.raises(BlueprintError, match=why) as caught:
        FlowRuntime(blueprints={"f": Blueprint.from_json(data)}, registry={"r": lambda ctx: None})
    assert "node 'w': params." in str(caught.value)


def test_what_a_blueprint_says() -> None:
    flow = create_flow("f").wait("w", remind="r", remind_after=["1h", 1.5])
    (node,) = flow.to_blueprint().nodes
    assert node.params == {"remindUsesKey": "r", "remindAfter": [3_600_000, 1_500]}
    assert reminders_of(node.params) == Reminders("r", (3_600.0, 1.5), repeats=False)
    (node,) = create_flow("f").wait("w", remind="r", remind_after="2d").to_blueprint().nodes
    assert reminders_of(node.params or {}) == Reminders("r", (172_800.0,), repeats=True)
    assert reminders_of({}) is None


def test_settings_are_refused_where_they_are_given() -> None:
    with pytest.raises(ConfigurationError, match="wait 'w': remind and remind_after go together"):
        create_flow("f").wait("w", remind="r")
    with pytest.raises(ConfigurationError, match="wait 'w': remind_after must be a number of seconds above 0"):
        create_flow("f").wait("w", remind="r", remind_after=0)
    with pytest.raises(ConfigurationError, match="wait 'w': remind_after must be a number of seconds above 0"):
        create_flow("f").wait("w", remind="r", remind_after=[])


def test_a_reminder_without_an_implementation_is_named() -> None:
    flow = create_flow("f").wait("w", remind="nobody_has_it", remind_after=1)
    with pytest.raises(ConfigurationError, match="nobody_has_it"):
        FlowRuntime([flow]).run_sync(flow)


def test_what_a_reminder_takes_is_compared() -> None:
    async def numbers(ctx: NodeContext[None, Any]) -> list[int]:
        return []

    async def remind(ctx: NodeContext[str, Any]) -> None: ...

    flow = create_flow("f").node("a", numbers).wait("w", remind=remind, remind_after=1).edge("a", "w")
    with pytest.raises(BlueprintError, match="node 'w' takes str, and 'a' gives list"):
        flow.to_blueprint()


async def test_a_wait_is_open_while_it_reminds() -> None:
    begun, ends = asyncio.Event(), asyncio.Event()

    async def remind(ctx: Ctx) -> None:
        begun.set()
        await ends.wait()

    flow = create_flow("f").wait("w", remind=remind, remind_after=[0.01, 0.01])
    run = FlowRuntime([flow]).start(flow)
    await begun.wait()
    assert run.waiting == ["w"]
    run.resume("w", output=3)
    ends.set()
    assert (await run.result()).outputs == {"w": 3}


async def test_a_run_goes_on_reminding_where_it_was_put_away() -> None:
    said: list[int] = []

    async def remind(ctx: Ctx) -> None:
        said.append(ctx.attempt)

    flow = create_flow("f").wait("w", remind=remind, remind_after=[1, 1]).wait("v")
    clock = VirtualClock()  # on the machine's, one that comes late is left out
    waiting = await FlowRuntime([flow], clock=clock).run(flow)
    assert (waiting.status, said) == ("awaiting", [1, 2])
    again = await FlowRuntime([flow], clock=clock).resume(waiting.state, "v")
    assert (again.status, said) == ("awaiting", [1, 2])


async def test_a_reminder_has_no_transaction() -> None:
    async def remind(ctx: Ctx) -> None:
        with pytest.raises(ConfigurationError, match="a reminder has no outcome"):
            await ctx.connection()
        said.append("so")

    said: list[str] = []
    flow = create_flow("f").wait("w", remind=remind, remind_after=[0.01])
    await FlowRuntime([flow]).run(flow)
    assert said == ["so"]


def test_a_decorated_wait_reminds_with_what_its_function_needs() -> None:
    flow = Flow[int, int]("f")
    said: list[tuple[int, int, str]] = []

    @flow.step
    def double(number: int = flow.input) -> int:
        return 2 * number

    answer = flow.wait("answer", int)

    @answer.remind(after=[0.01])
    def chase(ctx: SyncNodeContext, number: int = double.output, given: int = flow.input) -> None:
        said.append((number, given, ctx.idempotency_key))

    flow.returns(answer.output)
    waiting = FlowRuntime([flow]).run_sync(flow, 4, run_id="r")
    assert (waiting.status, said) == ("awaiting", [(8, 4, "r:answer:reminder:1")])
    with pytest.raises(ConfigurationError, match="the reminder of wait 'answer' of flow 'f' is there already"):
        answer.remind(after=5)(chase)


def test_a_reminder_of_a_decorated_wait_cannot_need_a_race() -> None:
    flow = Flow[int, int]("f")

    @flow.step
    def one(number: int = flow.input) -> int:
        return number

    @flow.step
    def two(number: int = flow.input) -> int:
        return number

    answer = flow.wait("answer", int)
    with pytest.raises(ConfigurationError, match="parameter 'number' cannot be a race"):

        @answer.remind(after=5)
        def chase(number: int = first_of(one.output, two.output)) -> None: ...

"""What workers tell: events, and the failures of steps that do odd things."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import Event, FlowRuntime, NodeContext, RetryPolicy, create_flow
from flowcraft_core.events import NodeCompleted, NodeEvent, NodeRetried, RunBegun, RunEnded

from .helpers import place, working

Ctx = NodeContext[Any, Any]


pytestmark = pytest.mark.usefixtures("quiet")


async def _echo(ctx: Ctx) -> Any:
    return ctx.node_id


async def test_workers_tell_what_they_do_even_if_the_sink_fails() -> None:
    failures = iter([ValueError("once")])

    async def fails_once(ctx: Ctx) -> Any:
        for failure in failures:
            raise failure
        return "b"

    flow = create_flow("flow").node("a", _echo).node("b", fails_once, retries=RetryPolicy(max_attempts=2, backoff=1.0))
    flow = flow.edge("a", "b")
    told: list[Event] = []

    def sink(event: Event) -> None:
        assert event.run_id == "run"
        told.append(event)
        raise RuntimeError("a defect of the sink's")

    async with place(flow) as here, working(here.backend, FlowRuntime([flow], clock=here.clock, events=sink)):
        await here.finished(flow, run_id="run")
    assert [(event.kind, event.key, event.attempt if isinstance(event, NodeEvent) else 0) for event in told] == [
        ("begun", "", 0),
        ("started", "a", 1),
        ("completed", "a", 1),
        ("started", "b", 1),
        ("retried", "b", 1),
        ("started", "b", 2),
        ("completed", "b", 2),
        ("ended", "", 0),
    ]
    assert isinstance(told[0], RunBegun)
    assert (told[0].flow, told[0].again) == ("flow", False)
    assert isinstance(told[2], NodeCompleted)
    assert told[2].led_to == ("b",)
    assert isinstance(told[4], NodeRetried)
    assert (str(told[4].error), told[4].due > told[4].time) == ("b: ValueError: once", True)
    assert isinstance(told[-1], RunEnded)
    assert told[-1].status == "completed"


async def test_a_step_that_cancels_itself_fails_its_node_and_not_the_worker() -> None:
    async def cancels(ctx: Ctx) -> None:
        raise asyncio.CancelledError("by itself")

    flow, other = create_flow("cancels").node("c", cancels), create_flow("other").node("a", _echo)
    async with place(flow, other) as here, here.working():
        result = await here.finished(flow)
        assert (result.status, result.errors[0].message) == ("failed", "by itself")
        assert (await here.finished(other)).status == "completed"

"""Workers and clients that are strict refuse actions that no edge takes, as a run in one process does."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import FlowRuntime, LostActionError, NodeContext, NodeResult, create_flow
from flowcraft_core.durable import Client

from .helpers import place, working

Ctx = NodeContext[Any, Any]

pytestmark = pytest.mark.usefixtures("quiet")


async def _lost(ctx: Ctx) -> NodeResult[Any]:
    return NodeResult(1, "cahs")


async def _echo(ctx: Ctx) -> Any:
    return ctx.node_id


@pytest.mark.parametrize(("strict", "status"), [(True, "failed"), (False, "completed")])
async def test_a_lost_action_fails_its_node(strict: bool, status: str) -> None:
    flow = create_flow("flow").node("a", _lost).node("b", _echo).edge("a", "b", action="cash")
    async with place(flow) as here, working(here.backend, FlowRuntime([flow], clock=here.clock, strict=strict)):
        result = await here.finished(flow, run_id="run")
    assert result.status == status
    assert [(error.node_id, error.type) for error in result.errors] == [("a", "LostActionError")][:strict]


async def test_a_strict_client_does_not_resume_a_wait_with_one() -> None:
    flow = create_flow("flow").wait("w").node("b", _echo).edge("w", "b", action="yes")
    async with place(flow) as here, here.working():
        client = Client(here.backend, clock=here.clock, strict=True)
        await here.client.start(flow, run_id="run")
        await here.clock.sleep(30)
        with pytest.raises(LostActionError, match=r"'w' gave the action 'yse'.*give one of 'yes'"):
            await client.resume("run", "w", action="yse")
        await client.resume("run", "w", action="yes")
        assert (await here.client.wait("run")).status == "completed"


async def test_an_early_answer_with_one_fails_the_wait_on_a_strict_worker() -> None:
    flow = create_flow("flow").node("a", _echo).wait("w").node("b", _echo).edge("a", "w").edge("w", "b", action="yes")
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        await here.client.resume("run", "w", action="yse", early=True)
        async with working(here.backend, FlowRuntime([flow], clock=here.clock, strict=True)):
            result = await here.client.wait("run")
    assert [(error.node_id, error.type) for error in result.errors] == [("w", "LostActionError")]

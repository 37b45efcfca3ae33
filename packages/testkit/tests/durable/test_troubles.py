"""The engine itself fails at one call, again and again: in bounded time the run ends and says so."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Settings, Worker
from flowcraft_core.errors import BackendError
from flowcraft_testkit import VirtualClock
from flowcraft_testkit.contracts.interposed import Call, Interposed

from .helpers import STRONG, world

LIMIT = 3
OPERATIONS = ("context.put", "context.get", "context.apply", "context.values", "coordination.add_members", "queue.send")
ERRORS = (ArithmeticError("out of numbers"), BackendError("the table is no table"), RecursionError(), MemoryError())


def flow_of(executed: Counter[str]) -> Any:
    async def put(ctx: NodeContext[Any, Any]) -> int:
        executed[ctx.key] += 1
        await ctx.context.set("seen", 1)
        return 1

    async def look(ctx: NodeContext[Any, Any]) -> Any:
        executed[ctx.key] += 1
        return await ctx.context.get("seen")

    flow = create_flow("f").node("a", put).node("b", look).node("c", look).node("d", look)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_call_that_always_fails_ends_the_run_and_not_the_worker(
    operation: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    executed, failures = Counter[str](), 0

    async def failing(called: str, call: Call) -> Any:
        nonlocal failures
        if called == operation and not _is_the_runs_record(called, call):
            failures += 1
            raise error
        return await call()

    clock = VirtualClock()
    flow = flow_of(executed)
    async with world(clock, STRONG) as backend:
        worker = Worker(
            Interposed(backend, failing),
            FlowRuntime([flow], clock=clock),
            visibility=6.0,
            reconcile=False,
            settings=Settings(delivery_limit=LIMIT),
        )
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, flows=[flow], clock=clock)
        run = await client.start(flow)
        result = await client.wait(run.run_id, timeout=600)
        assert not working.done()
        worker.stop()
        await working
    assert failures
    assert result.status == "failed"
    assert type(error).__name__ in str(result.reason)
    assert str(error) in str(result.reason)
    assert max(executed.values(), default=0) <= LIMIT + 1
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert told or operation == "context.values"  # which a step has asked for: it fails by what it gets
    assert all(vars(record)["run_id"] == run.run_id for record in told)
    assert all(record.exc_info for record in told if vars(record)["event"] != "run_failed")


def _is_the_runs_record(called: str, call: Call) -> bool:
    """What a handler reads before there is an engine: its own troubles are the handler's."""
    return called in ("context.get", "context.put") and ":run" in str(call.args)

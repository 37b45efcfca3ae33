"""Scenario 74: answers that are cut short or malformed, and errors that nobody knows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import expect
from clean_runs import clean_run, flows, same
from durable_backend import Durable
from flowcraft_core import create_flow
from flowcraft_core.durable.runs import UnknownRunError
from flowcraft_core.errors import BackendError, FlowcraftError
from flowcraft_testkit.contracts.interposed import Call, simply
from scenario import Scenario
from small_steps import adds, echo, total
from spoilt_answers import ALIEN

T = TypeVar("T")

SPOILT = Scenario(
    id=74,
    title="An answer is cut short or malformed, or an error that nobody knows: tried again or named; no worker ends",
    absent={"in-process": "no service is asked for anything"},
)

_OPTIONS: dict[str, Any] = {"visibility": 20.0, "reconcile_interval": 20.0, "poll": 5.0}


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call until it is answered. What it raises meanwhile must say that the backend did not do it."""
    for _ in range(200):
        try:
            return await call()
        except BackendError:
            await asyncio.sleep(0)
    raise AssertionError("no answer comes through")


@SPOILT.check_durable
async def while_runs_go_on(backend: Durable) -> None:
    """Every tenth answer is spoilt: each run ends as a clean one or by a named error, and no worker ends."""
    backend.stand_between()
    backend.deploy(*flows())
    await backend.staff(3, **_OPTIONS)
    client = await backend.client()
    await backend.until_all_receive()
    await backend.spoil_answers(10)
    for flow in flows():
        await _insist(partial(client.start, flow.id, run_id=flow.id))
    await backend.clock.sleep(20 * backend.beat)
    await backend.spoil_answers(0)
    expect.equal("the workers that have ended", backend.ended, [])
    for flow in flows():
        result, clean = await backend.run_of(flow.id).result(), await clean_run(flow)
        if result.status != "failed" or clean.status == "failed":
            same(f"{flow.id!r} with spoilt answers", result, clean)
        elif not all(error.message for error in result.errors):
            raise AssertionError(f"{flow.id!r} has failed, and nothing says why")
    expect.equal("the dead letters", await backend.dead_letters(), [])


@SPOILT.check_durable
async def not_taken_for_none(backend: Durable) -> None:
    """No answer comes through for a while: a client is never told that there is no such run."""
    backend.stand_between()
    flow = create_flow("there").wait("pause").node("end", echo).edge("pause", "end")
    run = await backend.launch(flow, run_id="there")
    expect.status(await run.result(), "awaiting")
    await backend.until_all_receive()
    await backend.spoil_answers(1)
    client = await backend.client()
    calls: tuple[Callable[[], Awaitable[Any]], ...] = (
        lambda: client.status("there"),
        lambda: client.result("there"),
        lambda: client.resume("there", "pause", output=1),
        lambda: client.redrive("there"),
    )
    for call in calls:
        try:
            answer = await call()
        except UnknownRunError as error:
            raise AssertionError(f"it was taken for none: {error}") from error
        except FlowcraftError:
            continue
        raise AssertionError(f"no answer came through, and this was made of it: {answer!r:.200}")
    await backend.clock.sleep(4 * backend.beat)  # for the workers, too
    await backend.spoil_answers(0)
    expect.equal("the workers that have ended", backend.ended, [])
    status = await backend.status("there")
    if status.state == "awaiting" and "pause" not in (await run.result()).outputs:
        await (await backend.client()).resume("there", "pause", output=1)
    expect.completed(await run.result())


#: What workers and the reconcilers in them ask for.
_OPERATIONS = (
    *("queue.receive", "queue.send", "queue.acknowledge", "queue.extend", "context.put", "context.get"),
    *("context.values", "context.apply", "status.get", "status.find", "status.touch", "status.finish"),
    *("coordination.add_members", "coordination.set_if_absent", "coordination.get", "coordination.members"),
)


@SPOILT.check_durable
async def in_each_operation(backend: Durable) -> None:
    """Two answers to each are spoilt, in one way after the other: the run completes, and nobody ends."""
    flow = create_flow("each").node("start", adds("count")).node("meet", total)
    for name in ("x", "y", "z"):
        flow.node(name, adds(name)).edge("start", name).edge(name, "meet")
    flow.sleep("nap", 4.0).edge("meet", "nap").node("end", echo).edge("nap", "end")
    backend.deploy(flow)
    ways = itertools.cycle(ALIEN)
    for number, operation in enumerate(_OPERATIONS):
        # A worker that never received anything is taken to be set up wrongly, and says so.
        spoilt = iter((False,) * (2 if operation == "queue.receive" else 0) + (True, True))

        async def around(asked: str, call: Call, operation: str = operation, spoilt: Any = spoilt) -> Any:
            if asked == operation and next(spoilt, False):
                raise next(ways)()
            return await call()

        backend.around = around
        await backend.staff(2, **_OPTIONS)
        await (await backend.client()).start("each", run_id=f"each {number}")
        result = await backend.run_of(f"each {number}").result()
        try:
            if operation == "context.values" and result.status == "failed":
                expect.mentions("the error", str(result.errors[0]), result.errors[0].key)  # a step has asked for it
            else:
                expect.completed(result)
                expect.equal("the sum", result.outputs["meet"], 3)
            expect.equal("the workers that have ended", backend.ended, [])
        except AssertionError as error:
            raise AssertionError(f"{operation}: {error}") from error
    backend.around = simply

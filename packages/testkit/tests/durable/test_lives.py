"""What tells one run from another: those begun by hand, those whose id was used before, starts that come twice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.handler import PASS_ON_LIMIT
from flowcraft_core.durable.reconciler import Reconciler
from flowcraft_core.ports import Message, RunStatus

from .helpers import Place, left_of, messages_in, place, working

Ctx = NodeContext[Any, Any]


pytestmark = pytest.mark.usefixtures("quiet")


def counted(calls: Counter[str]) -> FlowBuilder:
    """Two starts and a join, whose steps count their executions and read the context value ``x``."""

    async def step(ctx: Ctx) -> Any:
        calls[ctx.key] += 1
        return await ctx.context.get("x")

    flow = create_flow("counted")
    for node in ("a", "b", "c"):
        flow = flow.node(node, step)
    return flow.edge("a", "c").edge("b", "c")


async def _send(here: Place, *bodies: str) -> None:
    await here.backend.queue.send([Message(body) for body in bodies])


def _by_hand(run_id: str, node_id: str, blueprint_id: str = "counted") -> str:
    return json.dumps({"runId": run_id, "blueprintId": blueprint_id, "nodeId": node_id})


# --- begun by hand ---


async def test_a_run_that_was_begun_by_hand_completes() -> None:
    calls: Counter[str] = Counter()
    async with place(counted(calls)) as here, here.working(number=2):
        here.backend.begin_by_hand("run", {"x": [1, "two"]})
        await _send(here, _by_hand("run", "a"), _by_hand("run", "b"), _by_hand("run", "a"))
        await here.clock.sleep(30)
        result = await here.client.wait("run", timeout=600)
        assert (result.status, result.outputs["c"], result.context) == ("completed", [1, "two"], {"x": [1, "two"]})
        assert calls["c"] == 1
        assert (await here.client.status("run")).blueprint_id == "counted"
        assert not await here.client.dead_letters()


async def test_a_run_begun_by_hand_has_its_flow_from_its_first_message() -> None:
    async with place(counted(Counter())) as here, here.working(number=2):
        now = here.clock.now()
        here.backend.begin_by_hand("run", {"x": 1})
        written = RunStatus(run_id="run", state="running", blueprint_id="", created=now, updated=now, next_check=now)
        await here.backend.status.create(written)
        await _send(here, _by_hand("run", "a"), _by_hand("run", "b"))
        await here.client.wait("run", timeout=600)
        assert (await here.client.status("run")).blueprint_id == "counted"


async def test_a_run_begun_by_hand_for_which_no_message_comes_is_counted_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "flowcraft.reconciler")
    async with place(counted(Counter())) as here:
        now = here.clock.now()
        here.backend.begin_by_hand("lonely", {"x": 1})
        for run_id in ("lonely", "half started"):
            status = RunStatus(
                run_id=run_id, state="running", blueprint_id="", created=now, updated=now, next_check=now
            )
            await here.backend.status.create(status)
        reconciler = Reconciler(here.backend, clock=here.clock, interval=60.0)
        done = await reconciler.run_once()
        assert (done.scanned, done.unstarted, done.unstarted_runs) == (2, 1, ("lonely",))
        assert "lonely" in caplog.text
        assert "cannot be started without its flow's id" in caplog.text
        for _ in range(30):
            await here.clock.sleep(61)
            await reconciler.run_once()
        assert "no message for it has come" in ((await here.client.status("lonely")).reason or "")
        assert "its start was cut short" in ((await here.client.status("half started")).reason or "")


async def test_a_purged_run_that_was_begun_by_hand_is_not_begun_again_by_a_late_message() -> None:
    calls: Counter[str] = Counter()
    async with place(counted(calls)) as here, here.working():
        here.backend.begin_by_hand("run", {"x": 1})
        await _send(here, _by_hand("run", "a"), _by_hand("run", "b"))
        await here.clock.sleep(30)
        await here.client.wait("run", timeout=600)
        await here.client.purge("run")
        assert not left_of(here.backend, "run")
        await _send(here, _by_hand("run", "a"))
        await here.clock.sleep(2 * PASS_ON_LIMIT)
        assert calls == {"a": 1, "b": 1, "c": 1}
        assert not left_of(here.backend, "run")
        assert messages_in(here.backend) == 0


async def test_a_run_begun_by_hand_with_an_unknown_blueprint_is_refused_by_name() -> None:
    async with place(counted(Counter())) as here, here.working():
        here.backend.begin_by_hand("run", {})
        await _send(here, _by_hand("run", "a", "elsewhere"))
        await here.clock.sleep(2 * PASS_ON_LIMIT)
        (letter,) = await here.client.dead_letters()
        assert "blueprint 'elsewhere', which no worker brings" in (letter.reason or "")


async def test_an_unknown_node_fails_a_run_that_was_begun_by_hand() -> None:
    async with place(counted(Counter())) as here, here.working():
        here.backend.begin_by_hand("run", {})
        await _send(here, _by_hand("run", "no such node"))
        await here.clock.sleep(60)
        status = await here.client.status("run")
        assert (status.state, len(await here.client.dead_letters())) == ("failed", 1)
        assert "no instance 'no such node'" in (status.reason or "")


# --- starts that come twice ---


async def test_a_start_message_that_comes_again_executes_nothing_again() -> None:
    calls: Counter[str] = Counter()
    flow = counted(calls)
    async with place(flow) as here:
        await here.client.start(flow, {"x": 1}, run_id="run")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0, visibility=30)
        await here.backend.queue.acknowledge([delivery])
        await _send(here, delivery.body)
        async with here.working(control_interval=3600.0):
            await here.clock.sleep(1)
            await _send(here, delivery.body)  # a copy, which the queue counts as a first delivery
            await here.clock.sleep(30)
        assert calls == {"a": 1, "b": 1, "c": 1}


# --- an id that was used before ---


async def test_a_purged_id_can_be_used_again_on_living_workers() -> None:
    calls: Counter[str] = Counter()
    flow = counted(calls)
    async with place(flow) as here, here.working(number=2):
        for x in range(5):
            await here.client.start(flow, {"x": x}, run_id="run")
            result = await here.client.wait("run", timeout=600)
            assert (result.status, result.outputs) == ("completed", {"a": x, "b": x, "c": x})
            await here.client.purge("run")
            assert not left_of(here.backend, "run")
        assert calls == {"a": 5, "b": 5, "c": 5}


async def test_a_late_job_of_a_purged_run_is_dropped_and_changes_nothing() -> None:
    calls: Counter[str] = Counter()
    flow = counted(calls)
    async with place(flow) as here:
        await here.client.start(flow, {"x": "old"}, run_id="run")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0, visibility=30)
        await here.backend.queue.acknowledge([delivery])
        await here.client.cancel("run")
        await here.client.purge("run")
        await here.client.start(flow, {"x": "new"}, run_id="run")
        async with here.working():
            await here.clock.sleep(60)
            await _send(here, delivery.body)
            await here.clock.sleep(600)
        result = await here.client.result("run")
        assert (result.status, result.outputs["c"]) == ("completed", "new")
        assert calls == {"a": 1, "b": 1, "c": 1}
        assert messages_in(here.backend) == 0
        assert not await here.client.dead_letters()


async def test_a_job_says_which_life_of_its_run_it_is_for() -> None:
    flow = counted(Counter())
    async with place(flow) as here:
        await here.client.start(flow, run_id="run")
        first = await here.backend.queue.receive(max_messages=1, wait=0, visibility=30)
        await here.client.cancel("run")
        await here.client.purge("run")
        await here.client.start(flow, run_id="run")
        second = await here.backend.queue.receive(max_messages=1, wait=0, visibility=30)
        nonces = {json.loads(delivery.body)["nonce"] for delivery in (*first, *second)}
        assert len(nonces) == 2


# --- stale records ---


async def test_a_worker_that_knows_the_old_run_only_learns_of_the_new_one() -> None:
    flow = counted(Counter())
    async with place(flow) as here:
        runtime = FlowRuntime([flow], clock=here.clock)
        async with working(here.backend, runtime):
            for x in ("old", "new"):
                # The reader of the record may be another client than its writer, and see it late.
                client = Client(here.backend, flows=[flow], clock=here.clock)
                await client.start(flow, {"x": x}, run_id="run")
                assert (await client.wait("run", timeout=600)).outputs["c"] == x
                if x == "old":
                    await client.purge("run")

"""An adapter's life: in a thread, in a loop, and one message at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Adapter
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Delivery
from flowcraft_sqlite import SqliteBackend

Ctx = NodeContext[Any, Any]


async def _twice(ctx: Ctx) -> Any:
    return 2 * await ctx.context.get("x")


async def _never_ends(ctx: Ctx) -> None:
    await asyncio.Event().wait()


FLOW = create_flow("twice").node("first", _twice).node("second", _twice).edge("first", "second")
LONG = create_flow("long").node("long", _never_ends)
TIMED = create_flow("timed").node("slow", _never_ends, timeout=900)
PATIENT = create_flow("patient").wait("w", timeout="1h").batch("all", _never_ends, timeout="1h").edge("w", "all")


def adapter(tmp_path: Path, **options: Any) -> Adapter:
    runtime = FlowRuntime([FLOW, LONG, TIMED, PATIENT])
    return Adapter(lambda: SqliteBackend(tmp_path / "runs.db"), runtime, poll=0.5, **options)


async def _received(here: Adapter) -> list[Delivery]:
    backend = here._opened.backend
    return list(await backend.queue.receive(max_messages=10, wait=0, visibility=30))


def test_it_works_in_a_thread_of_its_own_until_it_is_stopped(tmp_path: Path) -> None:
    works = adapter(tmp_path)
    works.start()
    try:
        started = works.sync_client.start("twice", {"x": 4})
        assert works.sync_client.wait(started.run_id, timeout=60).outputs == {"first": 8, "second": 8}
        with pytest.raises(ConfigurationError, match="has been started already"):
            works.start()
    finally:
        works.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "flowcraft-adapter"]
    works.start()  # and again
    works.stop()


def test_what_keeps_the_backend_from_opening_is_raised_by_start(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_text("no database, and long enough to be seen as none" * 10)
    works = adapter(tmp_path)
    with pytest.raises(BackendError, match=r"runs\.db"):
        works.start()
    works.stop()


async def test_it_serves_in_the_callers_loop(tmp_path: Path) -> None:
    here = adapter(tmp_path)
    async with here:
        serving = asyncio.ensure_future(here.serve())
        started = await here.client.start("twice", {"x": 1})
        assert (await here.client.wait(started.run_id, timeout=60)).status == "completed"
        with pytest.raises(ConfigurationError, match="works already"):
            await here.serve()
        here.stop()
        await serving


async def test_a_client_is_refused_by_name_where_the_adapter_is_not_open(tmp_path: Path) -> None:
    here = adapter(tmp_path)
    with pytest.raises(ConfigurationError, match="is not open in this event loop"):
        _ = here.client
    async with here:
        with pytest.raises(ConfigurationError, match="open in another event loop"):
            await asyncio.to_thread(lambda: here.client)
        with pytest.raises(ConfigurationError, match="is open already"):
            await here.__aenter__()


async def test_messages_are_handled_one_at_a_time(tmp_path: Path) -> None:
    async with adapter(tmp_path) as here:
        await here.client.start("twice", {"x": 3}, run_id="run")
        (delivery,) = await _received(here)
        assert await here.handle_job(delivery.body)
        assert (await here.client.result("run")).outputs == {"first": 6, "second": 6}
        assert await here.handle_job("{}")
        assert len(await here.client.dead_letters()) == 1


async def test_a_job_whose_host_has_no_time_left_is_passed_on(tmp_path: Path) -> None:
    async with adapter(tmp_path) as here:
        await here.client.start("twice", {"x": 3}, run_id="run")
        (delivery,) = await _received(here)
        assert await here.handle_job(delivery.body, remaining=lambda: 4.0)
        (again,) = await _received(here)
        assert json.loads(again.body)["hops"] == 1
        assert await here.handle_job(again.body, remaining=lambda: 60.0)
        assert (await here.client.result("run")).status == "completed"


async def test_a_node_whose_timeout_fits_no_host_fails_by_name(tmp_path: Path) -> None:
    async with adapter(tmp_path) as here:
        await here.client.start("timed", run_id="run")
        for _ in range(4):
            (delivery,) = await _received(here)
            assert await here.handle_job(delivery.body, remaining=lambda: 60.0)
        result = await here.client.result("run")
        assert result.status == "failed"
        assert "node 'slow' may take 900 s, and none of 4 invocations had that much time" in (result.reason or "")


async def test_a_wait_and_a_batch_take_no_host_s_time(tmp_path: Path) -> None:
    """A wait's timeout is how long the run waits, with no program there; a batch's is that of each of its items."""
    async with adapter(tmp_path) as here:
        await here.client.start("patient", run_id="run")
        (delivery,) = await _received(here)
        assert await here.handle_job(delivery.body, remaining=lambda: 60.0)
        (wait,) = (await here.client.describe("run")).waits
        assert (wait.key, wait.kind, wait.due is not None) == ("w", "wait", True)
        await here.client.resume("run", "w", output=[])
        for delivery in await _received(here):
            assert await here.handle_job(delivery.body, remaining=lambda: 60.0)
        assert (await here.client.result("run")).outputs["all"] == []


async def test_a_step_that_outlives_its_host_is_cut_off_and_stopped_at_the_delivery_limit(tmp_path: Path) -> None:
    async with adapter(tmp_path) as here:
        await here.client.start("long", run_id="run")
        (delivery,) = await _received(here)
        left = iter([8.0, 3.0] * 10)
        for count in range(1, 6):
            assert not await here.handle_job(delivery.body, count=count, remaining=lambda: next(left))
        assert await here.handle_job(delivery.body, count=6, remaining=lambda: next(left))
        result = await here.client.result("run")
        assert result.status == "failed"
        assert "take longer than its invocation lives" in (result.reason or "")


async def test_one_run_or_all_that_are_due_are_reconciled(tmp_path: Path) -> None:
    async with adapter(tmp_path) as here:
        await here.client.start("twice", {"x": 3}, run_id="run")
        assert len(await _received(here)) == 1  # and lost
        assert (await here.reconcile()).scanned == 0
        assert (await here.reconcile("run")).revived == 1
        (delivery,) = await _received(here)
        assert await here.handle_job(delivery.body)
        assert (await here.client.result("run")).status == "completed"

"""Reads of one pass of the event loop are one request, and nobody is harmed by sharing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client
from flowcraft_core.durable.gathering import GatheringReads
from flowcraft_core.durable.view import RunView
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact
from flowcraft_testkit import CountingBackend

from .flows import fan, one
from .helpers import place, working


class Store:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        self.asked.append((run_id, list(keys)))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {key: Fact(key.encode(), "w") for key in keys if key != "none"}


async def test_what_is_asked_for_in_one_pass_is_one_request_per_run() -> None:
    store = Store()
    store.go.set()
    reads = GatheringReads(store)  # type: ignore[arg-type]
    asked = [("r", ["a", "b"]), ("r", ["b", "none"]), ("q", ["a"])]
    first, second, third = await asyncio.gather(*(reads.get(run, keys) for run, keys in asked))
    assert store.asked == [("r", ["a", "b", "none"]), ("q", ["a"])]
    assert (set(first), set(second), set(third)) == ({"a", "b"}, {"b"}, {"a"})
    await reads.get("r", ["a"])
    assert store.asked[-1] == ("r", ["a"])


async def test_one_who_gives_up_leaves_the_others_their_answer() -> None:
    store = Store()
    reads = GatheringReads(store)  # type: ignore[arg-type]
    first, second = (asyncio.ensure_future(reads.get("r", [key])) for key in "ab")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    store.go.set()
    assert set(await second) == {"b"}
    assert first.cancelled()


async def test_a_request_that_fails_fails_for_all_who_share_it() -> None:
    store = Store()
    store.go.set()
    store.error = TransientError("throttled")
    reads = GatheringReads(store)  # type: ignore[arg-type]
    for error in await asyncio.gather(reads.get("r", ["a"]), reads.get("r", ["b"]), return_exceptions=True):
        assert isinstance(error, TransientError)
    assert len(store.asked) == 1
    store.error = None
    assert set(await reads.get("r", ["a", "none"])) == {"a"}
    assert len(store.asked) == 2


async def test_a_fan_out_is_looked_up_as_it_is_received() -> None:
    flow = fan(50)
    async with place(flow) as here:
        counting = CountingBackend(here.backend)
        async with working(counting, FlowRuntime([flow], clock=here.clock), reconcile=False):
            result = await here.finished(flow)
        assert result.status == "completed"
        assert counting.counts()["context.get"] <= 15


async def test_a_run_that_begins_with_many_nodes_names_none_of_them_in_its_first_job() -> None:
    wide = create_flow("wide")
    for number in range(11):
        wide.node(f"n{number}", one)
    async with place(wide) as here:
        counting = CountingBackend(here.backend)
        async with working(counting, FlowRuntime([wide], clock=here.clock), reconcile=False):
            result = await here.finished(wide)
        assert (result.status, result.steps) == ("completed", 11)
        assert counting.counts()["context.get"] >= 2


@pytest.mark.parametrize(("waits", "looks"), [(0.0, 0), (60.0, 1)])
async def test_who_is_first_at_a_join_looks_for_others_unless_the_run_has_just_begun(
    waits: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, glances = fan(20), list[float]()
    original = RunView.glance

    async def glance(self: RunView, scope: Any, vertex: Any, before: float) -> Any:
        glances.append(before)
        return await original(self, scope, vertex, before)

    monkeypatch.setattr(RunView, "glance", glance)
    async with place(flow) as here:
        started = await Client(here.backend, flows=[flow], clock=here.clock).start(flow)
        await here.clock.sleep(waits)
        async with working(here.backend, FlowRuntime([flow], clock=here.clock), reconcile=False):
            result = await here.client.wait(started.run_id, timeout=60)
    assert (result.status, len(glances)) == ("completed", looks)

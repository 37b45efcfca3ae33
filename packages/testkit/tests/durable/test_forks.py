"""Forks: what they keep, and what becomes of those that are cut short."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowBuilder, FlowRuntime, NodeContext, NodeResult, create_flow
from flowcraft_core.durable import Client, Started
from flowcraft_core.errors import SerializationError, UnknownQueueError
from flowcraft_testkit import Weaknesses

from .helpers import MODES, Crashing, Mode, Place, killed, left_of, place, working

Ctx = NodeContext[Any, Any]
#: More calls than any of the forks here makes.
MANY = 30


def line(calls: Counter[str], **last: Any) -> FlowBuilder:
    async def step(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.key}"] += 1
        await ctx.context.set(ctx.node_id, ctx.run_id)
        return int(ctx.input or 0) + 1

    flow = create_flow("line")
    flow = flow.node("a", step).node("b", step).node("c", step, **last)
    return flow.edge("a", "b").edge("b", "c")


async def _ended(here: Place, flow: FlowBuilder) -> None:
    await here.client.start(flow, run_id="old")
    async with here.working():
        await here.client.wait("old", timeout=600)


async def test_a_fork_keeps_what_came_before_and_does_the_rest_again() -> None:
    calls: Counter[str] = Counter()
    flow = line(calls)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.fork("old", "b", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert result.outputs == {"a": 1, "b": 2, "c": 3}
    assert result.context == {"a": "old", "b": "new", "c": "new"}
    assert calls == {"old a": 1, "old b": 1, "old c": 1, "new b": 1, "new c": 1}


async def test_a_redrive_keeps_the_passes_of_a_loop_beside_what_failed() -> None:
    calls: Counter[str] = Counter()

    async def step(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.node_id}"] += 1
        number: int = await ctx.context.get("number", 0) + 1
        await ctx.context.set("number", number)
        return number

    async def fails_at_first(ctx: Ctx) -> str:
        if ctx.run_id == "old":
            raise ValueError(ctx.run_id)
        return ctx.run_id

    flow = create_flow("beside").node("s", step).loop("L", start="s", end="s", condition="number < 5")
    flow.sleep("z", "20s").node("x", fails_at_first).edge("z", "x")
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.redrive("old", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert (result.status, result.outputs["L"], result.outputs["x"]) == ("completed", 5, "new")
    assert calls == {"old s": 5}


def joining(join: Any, within: str = "") -> FlowBuilder:
    """One of three branches is taken to a join; perhaps inside of something."""
    flow = create_flow("inner" if within else "joining").node("s", lambda ctx: NodeResult(1, action="b"))
    for name in "abc":
        flow.node(name, lambda ctx: ctx.node_id).edge("s", name, action=name).edge(name, "j")
    flow.node("j", lambda ctx: sorted(ctx.input) if isinstance(ctx.input, dict) else ctx.input, join=join)
    if not within:
        return flow.node("after", lambda ctx: f"after {ctx.input}").edge("j", "after")
    around = create_flow("joining")
    if within == "batch":
        around.node("items", lambda ctx: [1, 2]).batch("inside", flow).edge("items", "inside")
    else:
        around.subflow("inside", flow)
    return around.node("after", lambda ctx: f"after {ctx.input}").edge("inside", "after")


@pytest.mark.parametrize(
    ("within", "key", "output"),
    [("", "j", "after b"), ("subflow", "inside/j", "after b"), ("batch", "inside[0]/j", "after ['b', 'b']")],
)
async def test_a_run_whose_join_got_too_few_edges_is_redriven_onto_a_flow_where_they_are_enough(
    within: str, key: str, output: str
) -> None:
    flow, mended = joining(2, within), joining("any", within)
    async with place(flow) as here:
        await _ended(here, flow)
        for changes in ({}, {"flow": flow}, {"context": {"x": 1}}):
            with pytest.raises(ConfigurationError, match=rf"too few edges led to '{re.escape(key)}'.* onto a version"):
                await here.client.redrive("old", **changes)
        assert (await here.client.status("old")).redriven_as is None
        await here.client.redrive("old", flow=mended, new_run_id="new")
        for again in (await here.client.redrive("old", flow=mended), await here.client.redrive("old")):
            assert (again.run_id, again.created) == ("new", False)
        async with working(here.backend, FlowRuntime([mended], clock=here.clock)):
            result = await here.client.wait("new", timeout=600)
    assert (result.status, result.outputs.get("after"), result.errors) == ("completed", output, ())


async def test_a_redrive_that_is_refused_leaves_no_link_behind() -> None:
    def fails(ctx: Any) -> None:
        raise ValueError("on purpose")

    failing, elsewhere, flow = create_flow("failing"), create_flow("failing"), line(Counter())
    failing.node("a", fails)
    elsewhere.node("a", fails, queue="not-there")
    async with place(failing, weaknesses=Weaknesses(single=True)) as here:
        await _ended(here, failing)
        for changes in ({"context": {"x": object()}}, {"context": {"\ud800": 1}}, {"flow": elsewhere}, {"flow": flow}):
            with pytest.raises((ConfigurationError, SerializationError, UnknownQueueError)):
                await here.client.redrive("old", **changes)
            assert (await here.client.status("old")).redriven_as is None


@pytest.mark.parametrize("mended", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_a_fork_that_is_cut_short_anywhere_is_finished_by_making_it_again(mode: Mode, mended: bool) -> None:
    cut = 0
    changes: dict[str, Any] = {"flow": line(Counter(), retries=1), "context": {"more": 1}} if mended else {}
    for at in range(1, MANY):
        flow = line(Counter())
        async with place(flow) as here:
            await _ended(here, flow)
            crashing = Crashing(here.backend, at, mode)
            client = Client(crashing, flows=[flow], clock=here.clock)
            done = asyncio.Event()

            async def fork(client: Client = client, done: asyncio.Event = done) -> None:
                await client.fork("old", "b", new_run_id="new", **changes)
                done.set()

            await killed(fork, crashing.dead.wait())
            if not done.is_set():
                cut += 1
                there = await here.backend.status.get("new") is not None  # only its first job was left to be sent
                again = changes if at % 2 else {}  # what it was to be, is known by what stands
                if await here.client._runs.get("new") is None:
                    again = changes
                assert (await here.client.fork("old", "b", new_run_id="new", **again)).created is not there
            async with here.working():
                result = await here.client.wait("new", timeout=3600)
            assert (result.status, result.outputs) == ("completed", {"a": 1, "b": 2, "c": 3})
            assert result.context == {"a": "old", "b": "new", "c": "new", **changes.get("context", {})}
            record = await here.client._runs.get("new")
            assert record is not None
            assert record.graph.hash == (changes.get("flow") or flow).compile().hash
        if done.is_set() and len(crashing.calls) < at:
            break
    else:
        raise AssertionError("a fork makes more calls than this test cuts it at")
    assert cut > 5 or mode == "lost"


async def test_a_fork_is_not_mixed_with_another_of_the_same_id() -> None:
    flow = line(Counter())
    async with place(flow) as here:
        await _ended(here, flow)
        crashing = Crashing(here.backend, 6, "after")
        client = Client(crashing, flows=[flow], clock=here.clock)
        await killed(lambda: client.fork("old", "c", new_run_id="new"), crashing.dead.wait())
        assert await here.backend.status.get("new") is None
        with pytest.raises(ConfigurationError, match="there is a run 'new' already"):
            await here.client.fork("old", "b", new_run_id="new")
        assert (await here.client.fork("old", "c", new_run_id="new")).created
        assert not (await here.client.fork("old", "c", new_run_id="new")).created
        with pytest.raises(ConfigurationError, match="there is a run 'new' already"):
            await here.client.fork("old", "b", new_run_id="new")


def fetching(failing: set[int], calls: Counter[str], tolerated: int = 0) -> FlowBuilder:
    """A batch, of which some items fail in the run ``old``, in a flow with more before, beside and behind it."""

    async def fetch(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.key}"] += 1
        if ctx.run_id == "old" and ctx.input in failing:
            raise ConnectionError(f"item {ctx.input}")
        return int(ctx.input) * 10

    async def count(ctx: Ctx) -> int:
        calls[f"{ctx.run_id} {ctx.key}"] += 1
        return len(ctx.input)

    flow = create_flow("fetching").node("items", lambda ctx: list(range(8)))
    flow.batch("calls", fetch, tolerated_failure_count=tolerated).edge("items", "calls")
    return flow.node("count", count).edge("calls", "count")


@pytest.mark.parametrize(("failing", "tolerated"), [({3}, 0), ({2, 6}, 0), ({0, 1, 3, 5, 7}, 0), ({1, 2, 3, 6}, 2)])
async def test_a_redrive_begins_again_at_every_failed_item_once(failing: set[int], tolerated: int) -> None:
    calls: Counter[str] = Counter()
    flow = fetching(failing, calls, tolerated)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.clock.sleep(60)  # what was under way when the first one failed has ended by then
        old = await here.client.result("old")
        assert [error.key for error in old.errors] == [f"calls[{item}].calls" for item in sorted(failing)]
        calls.clear()
        await here.client.redrive("old", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert (result.status, result.outputs["calls"]) == ("completed", [10 * item for item in range(8)])
    assert calls == {f"new calls[{item}].calls": 1 for item in failing} | {"new count": 1}


async def test_a_redrive_in_process_is_told_of_every_failure_that_ended_too() -> None:
    async def fail(ctx: Ctx) -> None:
        raise ValueError(ctx.node_id)

    flow = create_flow("f")
    for node in ("z", "a", "m"):
        flow.node(node, fail)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.clock.sleep(60)
        assert [error.key for error in (await here.client.result("old")).errors] == ["a", "m", "z"]


async def test_a_run_is_redriven_once_whoever_asks_and_linked_both_ways() -> None:
    calls: Counter[str] = Counter()
    flow = fetching({2}, calls)
    async with place(flow) as here:
        await here.client.start(flow, run_id="old", tags={"customer": "ada"}, timeout=500)
        async with here.working():
            await here.client.wait("old", timeout=600)
        assert (await here.client.status("old")).redriven_as is None
        started = await asyncio.gather(*(here.client.redrive("old") for _ in range(3)))
        assert len({each.run_id for each in started}) == 1
        assert [each.created for each in started].count(True) == 1
        new = started[0].run_id
        began = here.clock.now()
        async with here.working():
            result = await here.client.wait(new, timeout=600)
        again = await here.client.redrive("old", new_run_id="another")
        assert (again.run_id, again.created) == (new, False)
        status = await here.client.status(new)
        assert (status.tags, status.redrive_of, status.redriven_as) == ({"customer": "ada"}, "old", None)
        assert (result.redrive_of, result.redriven_as) == ("old", None)
        old = await here.client.status("old")
        assert (old.state, old.redrive_of, old.redriven_as) == ("failed", None, new)
        assert (await here.client.result("old")).redriven_as == new
        found = [status async for status in here.client.runs("failed", tags={"customer": "ada"}, links=True)]
        assert [(each.run_id, each.redriven_as) for each in found] == [("old", new)]
        record = await here.client._runs.get(new)
        assert record is not None
        assert record.deadline is not None
        assert record.deadline - record.started == 500
        assert record.started <= began
        for run_id in ("old", new):
            await here.client.purge(run_id)
            assert left_of(here.backend, run_id) == set()


async def test_a_redrive_of_a_run_whose_redrive_was_purged_starts_it_anew() -> None:
    calls: Counter[str] = Counter()
    flow = fetching({2}, calls)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.redrive("old", new_run_id="new")
        async with here.working():
            await here.client.wait("new", timeout=600)
            await here.client.purge("new")
            assert await here.client.redrive("old") == Started("new", created=True)
            assert (await here.client.wait("new", timeout=600)).status == "completed"


async def test_a_redrive_takes_no_other_run_for_its_own() -> None:
    calls: Counter[str] = Counter()
    flow = fetching({2}, calls)
    async with place(flow) as here:
        await _ended(here, flow)
        await here.client.start(flow, run_id="other")
        with pytest.raises(ConfigurationError, match="there is a run 'other' already"):
            await here.client.redrive("old", new_run_id="other")
        assert (await here.client.redrive("old", new_run_id="new")).created
        with pytest.raises(ConfigurationError, match="only a failed run"):
            await here.client.redrive("new")


@pytest.mark.parametrize("fresh", [False, True])
async def test_what_did_not_complete_keeps_its_idempotency_key_in_redrive_after_redrive(fresh: bool) -> None:
    keys: dict[str, list[str]] = {}
    broken = {"old", "second"}

    async def charge(ctx: Ctx) -> str:
        keys.setdefault(ctx.node_id, []).append(ctx.idempotency_key)
        if ctx.run_id in broken:
            raise TimeoutError("charged, and the answer was lost")
        return "charged"

    async def refund(ctx: Ctx) -> str:
        keys.setdefault("refund", []).append(ctx.idempotency_key)
        if ctx.run_id in broken:
            raise TimeoutError("refunded, perhaps")
        return "refunded"

    async def ship(ctx: Ctx) -> str:
        keys.setdefault(ctx.node_id, []).append(ctx.idempotency_key)
        return "shipped"

    flow = create_flow("pay").node("order", ship).node("charge", charge, fallback=refund).node("ship", ship)
    flow.edge("order", "charge").edge("charge", "ship")
    async with place(flow) as here:
        await _ended(here, flow)
        for old, new in (("old", "second"), ("second", "third")):
            await here.client.redrive(old, new_run_id=new, new_idempotency_keys=fresh)
            async with here.working():
                await here.client.wait(new, timeout=600)
        assert (await here.client.result("third")).status == "completed"
        # Done again on purpose, it is another deed.
        await here.client.fork("third", "charge", new_run_id="fourth")
        async with here.working():
            assert (await here.client.wait("fourth", timeout=600)).status == "completed"
    assert keys["order"] == ["old:order"]
    charged = keys["charge"]
    assert charged[:3] == (["old:charge", "second:charge", "third:charge"] if fresh else ["old:charge"] * 3)
    assert charged[3] == "fourth:charge"
    assert len(set(keys["refund"])) == (2 if fresh else 1)
    assert keys["ship"] == ["third:ship", "fourth:ship"]


async def test_what_was_under_way_when_the_run_failed_keeps_its_key_too() -> None:
    keys: list[str] = []

    async def slow(ctx: Ctx) -> str:
        keys.append(ctx.idempotency_key)
        if ctx.run_id == "old":
            await asyncio.Event().wait()
        return "done"

    flow = create_flow("slow").node("a", slow)
    async with place(flow) as here:
        await here.client.start(flow, run_id="old", timeout=50)
        async with here.working():
            assert (await here.client.wait("old", timeout=600)).status == "failed"
            await here.client.redrive("old", new_run_id="new")
            assert (await here.client.wait("new", timeout=600)).status == "completed"
    assert set(keys) == {"old:a"}


async def test_a_fork_from_one_branch_of_a_failed_run_does_not_end_with_the_failure_of_the_other() -> None:
    calls: Counter[str] = Counter()

    async def step(ctx: Ctx) -> str:
        calls[f"{ctx.run_id} {ctx.key}"] += 1
        if ctx.run_id == "old" and ctx.node_id == "bad":
            raise ValueError(ctx.key)
        return ctx.key

    flow = create_flow("two").node("good", step).node("bad", step).node("after", step).edge("good", "after")
    async with place(flow) as here:
        await _ended(here, flow)
        await here.clock.sleep(60)
        calls.clear()
        await here.client.fork("old", "good", new_run_id="new")
        async with here.working():
            result = await here.client.wait("new", timeout=600)
    assert (result.status, result.outputs) == ("completed", {"good": "good", "bad": "bad", "after": "after"})
    assert calls["new good"] == calls["new bad"] == calls["new after"] == 1

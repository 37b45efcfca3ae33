"""Limits in one process: over all runs of a runtime, in whatever thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import Flow, FlowRuntime, Limit, NodeContext, RetryPolicy, create_flow
from flowcraft_core.errors import UnknownLimitError
from flowcraft_testkit import VirtualClock

Ctx = NodeContext[Any, Any]


class Gauge:
    def __init__(self, clock: VirtualClock, seconds: float = 5.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.now = self.most = 0
        self.began: list[float] = []

    async def step(self, ctx: Ctx) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        self.began.append(self.clock.now())
        await self.clock.sleep(self.seconds)
        self.now -= 1
        return 1


def _many(gauge: Gauge, number: int, **options: Any) -> Any:
    async def items(ctx: Ctx) -> list[Any]:
        return [{"tenant": "ab"[each % 2]} for each in range(number)]

    return create_flow("many").node("list", items).batch("work", gauge.step, **options).edge("list", "work")


async def test_a_limit_holds_over_all_runs_of_a_runtime() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock)
    runtime = FlowRuntime([_many(gauge, 10, limit="api")], clock=clock, limits=[Limit("api", concurrency=2)])
    results = await asyncio.gather(*(runtime.run("many") for _ in range(3)))
    assert [result.status for result in results] == ["completed"] * 3
    assert (gauge.most, len(gauge.began)) == (2, 30)
    assert max(gauge.began) - min(gauge.began) <= 75.0  # and a place is taken as soon as it is free


async def test_a_rate_holds_over_any_span() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 0.0)
    runtime = FlowRuntime([_many(gauge, 30, limit="api")], clock=clock, limits=[Limit("api", rate=10, per=1.0)])
    assert (await runtime.run("many")).status == "completed"
    assert max(sum(1 for other in gauge.began if 0 <= other - began < 0.999) for began in gauge.began) == 10
    assert max(gauge.began) - min(gauge.began) < 2.5


async def test_each_key_has_it_for_itself_and_several_are_taken_together() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock)
    limits = [Limit("tenant", concurrency=2), Limit("api", concurrency=3)]
    flow = _many(gauge, 12, limit=["tenant:{input.tenant}", "api"])
    assert (await FlowRuntime([flow], clock=clock, limits=limits).run("many")).status == "completed"
    assert gauge.most == 3
    flow = _many(gauge, 12, limit="tenant:{input.tenant}")
    gauge.most = 0
    assert (await FlowRuntime([flow], clock=clock, limits=limits).run("many")).status == "completed"
    assert gauge.most == 4


async def test_what_waits_for_a_place_holds_up_nothing_else() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 100.0)
    ended: list[float] = []

    async def beside(ctx: Ctx) -> None:
        ended.append(clock.now() - start)

    flow = create_flow("f")
    for name in "abc":
        flow.node(name, gauge.step, limit="api")
    flow.node("beside", beside)
    start = clock.now()
    runtime = FlowRuntime([flow], clock=clock, limits=[Limit("api", concurrency=1)])
    assert (await runtime.run("f", concurrency=2)).status == "completed"
    assert ended == [0.0]


async def test_between_attempts_and_after_the_end_of_a_run_nothing_is_held() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 1.0)

    async def fails(ctx: Ctx) -> None:
        raise ValueError("again")

    failing = create_flow("failing").node("a", fails, limit="api", retries=RetryPolicy(max_attempts=2, delay=50.0))
    hanging = create_flow("hanging").node("a", Gauge(clock, 1e6).step, limit="api").node("b", fails, limit="api")
    flow = create_flow("f").node("a", gauge.step, limit="api")
    runtime = FlowRuntime([failing, hanging, flow], clock=clock, limits=[Limit("api", concurrency=1)])
    first = asyncio.ensure_future(runtime.run("failing"))
    await clock.sleep(10)
    assert (await runtime.run("f", timeout=20)).status == "completed"
    assert (await first).status == "failed"
    handle = runtime.start("hanging")
    await clock.sleep(10)
    handle.cancel()
    assert (await handle.result()).status == "cancelled"
    assert (await runtime.run("f", timeout=20)).status == "completed"


def test_runs_in_other_threads_keep_to_it_too() -> None:
    ran: list[int] = []
    flow = create_flow("f")
    flow.node("a", lambda ctx: ran.append(1), limit="api").node("b", lambda ctx: ran.append(2), limit="api")
    runtime = FlowRuntime([flow], limits=[Limit("api", concurrency=1)])
    assert runtime.run_sync("f").status == "completed"
    assert runtime.run_sync("f").status == "completed"
    assert sorted(ran) == [1, 1, 2, 2]


async def test_a_limit_that_is_not_declared_is_refused_by_name_before_anything_runs() -> None:
    flow = create_flow("f").node("a", Gauge(VirtualClock()).step, limit="api")
    with pytest.raises(UnknownLimitError, match="node 'a' of flow 'f': there is no limit 'api'; there are: none"):
        await FlowRuntime([flow]).run("f")


async def test_decorated_steps_batches_calls_and_loops_name_limits() -> None:
    inner = Flow[int, int]("inner")

    @inner.step(limit="a")
    async def add(value: int = inner.input) -> int:
        return value + 1

    inner.returns(add.output)
    flow = Flow[list[int], int]("outer")

    @flow.batch(over=flow.input, limit=["a", "b"])
    async def each(item: int) -> int:
        return item

    @flow.step
    async def total(values: list[int] = each.output) -> int:
        return sum(values)

    called = flow.call(inner, total.output, limit="b")
    flow.returns(called.output)
    runtime = FlowRuntime([flow], limits=[Limit("a", concurrency=1), Limit("b", concurrency=1)])
    assert (await runtime.run(flow, [1, 2, 3])).output == 7
    configs = {node.id: node.config for node in flow.to_blueprint().nodes}
    assert {id_: config.limit for id_, config in configs.items() if config} == {"each": ("a", "b"), "inner": "b"}

"""Limits on workers: places are taken, renewed and given back; what finds none waits, and that costs little."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, Limit, NodeContext, RetryPolicy, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.durable.limits import FleetLimits
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Measured
from flowcraft_testkit import InMemoryBackend, VirtualClock

from .helpers import Watched, killed, world

Ctx = NodeContext[Any, Any]


class Gauge:
    """A step that tells how many are at it at once, and when each began."""

    def __init__(self, clock: VirtualClock, seconds: float = 5.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.began: list[float] = []
        self.calls: Counter[str] = Counter()

    async def step(self, ctx: Ctx) -> Any:
        name = str(ctx.input.get("tenant", "")) if isinstance(ctx.input, dict) else ""
        self.now[name] += 1
        self.most[name] = max(self.most[name], self.now[name])
        self.began.append(self.clock.now())
        self.calls[ctx.key] += 1
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.now[name] -= 1
        return ctx.attempt

    def most_within(self, seconds: float) -> int:
        return max(sum(1 for other in self.began if 0 <= other - began < seconds) for began in self.began)


class Fleet:
    """Workers and a client on one backend in memory."""

    def __init__(self, clock: VirtualClock, *limits: Limit) -> None:
        self.clock, self.limits = clock, limits
        self.backend: InMemoryBackend = world(clock)
        self.client = Client(self.backend, clock=clock)
        self.calls: Counter[str] = Counter()
        self.tasks: list[asyncio.Task[None]] = []
        self.workers: list[Worker] = []

    async def count(self, operation: str) -> None:
        self.calls[operation] += 1

    def worker(self, flow: FlowBuilder, *limits: Limit, clock: Any = None, **options: Any) -> Worker:
        runtime = FlowRuntime([flow], clock=clock or self.clock, limits=limits or self.limits)
        watched = Watched(self.backend, before=self.count)
        return Worker(watched, runtime, **{"heartbeat": None, "told_after": None, "reconcile": False, **options})

    def hire(self, flow: FlowBuilder, *limits: Limit, number: int = 1, **options: Any) -> None:
        for _ in range(number):
            worker = self.worker(flow, *limits, **options)
            self.workers.append(worker)
            self.tasks.append(asyncio.ensure_future(worker.run()))

    async def die(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def leave(self) -> None:
        for worker in self.workers:
            worker.stop()
        await asyncio.gather(*self.tasks)


async def _fleet(clock: VirtualClock, *limits: Limit) -> Fleet:
    fleet = Fleet(clock, *limits)
    await fleet.backend.open()
    return fleet


def _many(gauge: Gauge, number: int, **options: Any) -> FlowBuilder:
    async def items(ctx: Ctx) -> list[Any]:
        return [{"number": each, "tenant": "ab"[each % 2]} for each in range(number)]

    return create_flow("many").node("list", items).batch("work", gauge.step, **options).edge("list", "work")


async def test_a_message_that_comes_again_while_its_job_waits_here_is_not_lost() -> None:
    """Its time ran out, as nothing could be extended: the one that has come is the only one that there is."""
    clock = VirtualClock()
    gauge, is_away = Gauge(clock, 200.0), True
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    flow = create_flow("one").node("s", gauge.step, limit="api")

    async def refuse(operation: str) -> None:
        if operation == "queue.extend" and is_away:
            raise BackendError("refused")

    fleet.hire(flow, concurrency=1, prefetch=0)
    await fleet.client.start(flow, run_id="first")
    await clock.sleep(1)
    runtime = FlowRuntime([flow], clock=clock, limits=fleet.limits)
    worker = Worker(Watched(fleet.backend, before=refuse), runtime, heartbeat=None, reconcile=False)
    working = asyncio.ensure_future(worker.run())
    await fleet.client.start(flow, run_id="second")
    await clock.sleep(100)
    is_away = False
    await clock.sleep(20)
    assert (await cast("Measured", fleet.backend.queue).depth()).in_flight == 2
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    fleet.hire(flow)
    assert (await fleet.client.wait("second", timeout=600)).status == "completed"
    await fleet.leave()
    assert gauge.calls["s"] == 2


async def test_never_more_are_under_way_than_a_limit_says_whatever_the_number_of_workers() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock)
    fleet = await _fleet(clock, Limit("api", concurrency=2))
    flow = _many(gauge, 50, limit="api")
    fleet.hire(flow, number=4)
    await fleet.client.start(flow, run_id="run")
    result = await fleet.client.wait("run", timeout=3_600)
    await fleet.leave()
    assert result.status == "completed"
    assert sum(gauge.most.values()) >= 2
    assert max(gauge.now.values()) == 0
    assert _at_once(gauge) == 2
    assert set(gauge.calls.values()) == {1}  # no attempt was lost by waiting


def _at_once(gauge: Gauge) -> int:
    return max(sum(1 for began in gauge.began if began <= at < began + gauge.seconds) for at in gauge.began)


async def test_no_more_begin_within_a_time_than_a_rate_says() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 0.0)
    fleet = await _fleet(clock, Limit("api", rate=10, per=1.0))
    flow = _many(gauge, 60, limit="api")
    fleet.hire(flow, number=4)
    await fleet.client.start(flow, run_id="run")
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert len(gauge.began) == 60
    assert gauge.most_within(0.999) <= 10


async def test_each_key_has_a_limit_for_itself() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock)
    fleet = await _fleet(clock, Limit("tenant", concurrency=3))
    flow = _many(gauge, 20, limit="tenant:{input.tenant}")
    fleet.hire(flow, number=3)
    await fleet.client.start(flow, run_id="run")
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert dict(gauge.most) == {"a": 3, "b": 3}


async def test_a_key_may_be_a_context_value_and_one_that_is_missing_fails_the_node_by_name() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 1.0)
    fleet = await _fleet(clock, Limit("tenant", concurrency=1))
    flow = create_flow("keyed").node("a", gauge.step, limit="tenant:{context.who.id}")
    fleet.hire(flow)
    await fleet.client.start(flow, {"who": {"id": 7}}, run_id="good")
    assert (await fleet.client.wait("good", timeout=600)).status == "completed"
    await fleet.client.start(flow, {"who": {}}, run_id="bad")
    result = await fleet.client.wait("bad", timeout=600)
    await fleet.leave()
    assert [error.node_id for error in result.errors] == ["a"]
    assert "{context.who.id}" in result.errors[0].message


async def test_what_waits_is_seen_and_left_alone() -> None:
    clock = VirtualClock()
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    jobs = 20
    flow = _many(Gauge(clock, 4_000.0), jobs, limit="api")
    fleet.hire(flow, number=2)
    reconciler = Reconciler(fleet.backend, clock=clock)
    await fleet.client.start(flow, run_id="run")
    await clock.sleep(120)
    standing = Counter[str]()
    for item in range(jobs):
        found = await fleet.client.describe("run", inside=f"work[{item}]")
        standing.update(each.standing for each in found.instances)
    assert standing["waits for limit api"] == jobs - 1, standing
    for _ in range(50):
        done = await reconciler.reconcile("run")
        assert (done.revived, done.failed) == (0, 0)
        await clock.sleep(60)
    await fleet.die()


async def _spent(jobs: int, limit: Limit, seconds: float = 900.0) -> int:
    """How many requests workers make in a time in which steps are at work, and all others wait for their places."""
    clock = VirtualClock()
    fleet = await _fleet(clock, limit)
    flow = _many(Gauge(clock, 3 * seconds), jobs, limit="api")
    fleet.hire(flow, number=2)
    await fleet.client.start(flow, run_id="run")
    await clock.sleep(120)
    fleet.calls.clear()
    await clock.sleep(seconds)
    await fleet.die()
    return sum(fleet.calls.values())


@pytest.mark.parametrize(
    ("limit", "places"),
    [
        (Limit("api", concurrency=1), 1),
        (Limit("api", concurrency=5), 5),
        (Limit("api", rate=1, per=10_000.0), 1),
    ],
    ids=["one", "five", "starts"],
)
@pytest.mark.parametrize("waiting", [1, 2, 40])
async def test_what_waits_costs_at_most_a_request_in_five_seconds(limit: Limit, places: int, waiting: int) -> None:
    seconds = 900.0
    apart = await _spent(places + waiting, limit, seconds) - await _spent(places, limit, seconds)
    assert apart / waiting / seconds <= 0.2


async def test_a_place_that_is_given_back_is_taken_at_once_in_the_same_program() -> None:
    clock = VirtualClock()
    fleet = await _fleet(clock, Limit("api", concurrency=2))
    flow = _many(Gauge(clock, 0.2), 60, limit="api")
    fleet.hire(flow)
    began = clock.now()
    await fleet.client.start(flow, run_id="run")
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert clock.now() - began <= 30.0  # of 6 s of work


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_what_waits_at_a_worker_goes_on_elsewhere_when_that_ends(how: str) -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 300.0)
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    flow = create_flow("one").node("a", gauge.step, limit="api")
    fleet.hire(flow, concurrency=1, prefetch=0)  # it takes nothing else while it is at it
    await fleet.client.start(flow, run_id="first")
    await clock.sleep(5)
    ends = fleet.worker(flow)

    async def waits() -> None:
        await fleet.client.start(flow, run_id="second")
        await clock.sleep(30)
        if how == "stopped":
            ends.stop()
            await asyncio.Event().wait()

    await killed(ends.run, waits())
    (second,) = (await fleet.client.describe("second")).instances
    assert second.standing == "waits for limit api"
    assert len(gauge.began) == 1  # a worker that is stopped waits for no place
    fleet.hire(flow)
    assert (await fleet.client.wait("second", timeout=300 + 10 + 300)).status == "completed"
    await fleet.leave()
    assert len(gauge.began) == 2


async def test_a_freed_place_is_taken_within_ten_seconds() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 100.0)
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    flow = _many(gauge, 4, limit="api")
    fleet.hire(flow, number=2)
    await fleet.client.start(flow, run_id="run")
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    gaps = [later - began - 100.0 for began, later in zip(gauge.began, gauge.began[1:], strict=False)]
    assert all(0 <= gap <= 10 for gap in gaps), gaps


async def test_a_killed_workers_place_is_free_after_its_time() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 300.0)
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    flow = create_flow("one").node("a", gauge.step, limit="api")
    await fleet.client.start(flow, run_id="first")

    async def has_begun() -> None:
        while not gauge.began:
            await clock.sleep(0.1)
        await clock.sleep(100)  # it is renewed meanwhile

    await killed(fleet.worker(flow, visibility=60.0).run, has_begun())
    died = clock.now()
    gauge.seconds = 1.0
    fleet.hire(flow, visibility=60.0)
    await fleet.client.start(flow, run_id="second")
    assert (await fleet.client.wait("second", timeout=600)).status == "completed"
    assert clock.now() - died <= 60 + 20 + 10
    assert (await fleet.client.wait("first", timeout=600)).status == "completed"
    await fleet.leave()


async def test_a_limit_that_is_lowered_holds_once_what_has_begun_under_the_old_one_has_ended() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 60.0)
    fleet = await _fleet(clock)
    flow = _many(gauge, 24, limit="api")
    fleet.hire(flow, Limit("api", concurrency=6))
    await fleet.client.start(flow, run_id="run")
    await clock.sleep(30)
    fleet.workers[0].stop()
    fleet.hire(flow, Limit("api", concurrency=2))
    await clock.sleep(100)
    lowered = clock.now()
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert _at_once(gauge) <= 6
    late = [began for began in gauge.began if began > lowered]
    assert late
    assert max(sum(1 for other in late if other <= at < other + 60.0) for at in late) == 2


async def test_a_wiped_store_lets_a_limit_be_exceeded_for_a_moment_and_no_more() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 50.0)
    fleet = await _fleet(clock, Limit("api", concurrency=2))
    flow = _many(gauge, 30, limit="api")
    fleet.hire(flow, number=3, visibility=60.0, reconcile=True)
    await fleet.client.start(flow, run_id="run")
    await clock.sleep(120)
    fleet.backend.lose_coordination()
    wiped = clock.now()
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert _at_once(gauge) <= 4
    late = [began for began in gauge.began if began > wiped + 60]
    assert max(sum(1 for other in late if other <= at < other + 50.0) for at in late) == 2
    # Jobs of which the store has forgotten that they wait may be sent again, and two copies begin at once.
    assert len(gauge.calls) == 30
    assert max(gauge.calls.values()) <= 2


async def test_between_two_attempts_no_place_is_held() -> None:
    clock = VirtualClock()
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    ended: list[tuple[str, float]] = []

    async def fails(ctx: Ctx) -> None:
        ended.append((ctx.run_id, clock.now()))
        if ctx.attempt == 1 and ctx.run_id == "retried":
            raise ValueError("again")

    flow = create_flow("f").node("a", fails, limit="api", retries=RetryPolicy(max_attempts=2, delay=100.0))
    fleet.hire(flow)
    await fleet.client.start(flow, run_id="retried")
    await clock.sleep(10)
    await fleet.client.start(flow, run_id="beside")
    assert (await fleet.client.wait("beside", timeout=50)).status == "completed"
    assert (await fleet.client.wait("retried", timeout=600)).status == "completed"
    await fleet.leave()
    assert [run for run, _ in ended] == ["retried", "beside", "retried"]


async def test_several_limits_are_taken_all_or_none() -> None:
    clock = VirtualClock()
    backend = world(clock)
    await backend.open()
    limits = {"a": Limit("a", concurrency=1), "b": Limit("b", concurrency=1), "c": Limit("c", rate=1, per=60.0)}
    fleet = FleetLimits(backend.coordination, limits, 60.0, clock)
    held = await fleet.take(["b"])
    assert held is not None
    assert await fleet.take(["a", "b", "c"]) is None
    both = await fleet.take(["a", "c"])  # neither was kept
    assert both is not None
    await fleet.give_back(held)
    await fleet.give_back(both)
    assert await fleet.take(["a", "b"]) is not None
    assert await fleet.take(["c"]) is None
    await clock.sleep(61)
    assert await fleet.take(["c"]) is not None


async def test_of_a_worker_that_does_not_declare_a_limit_jobs_are_passed_on() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 1.0)
    fleet = await _fleet(clock)
    flow = create_flow("one").node("a", gauge.step, limit="api")
    fleet.hire(flow, Limit("other", concurrency=1))
    await fleet.client.start(flow, run_id="bad")
    result = await fleet.client.wait("bad", timeout=3_600)
    assert result.status == "failed"
    assert not gauge.began
    reason = (await fleet.client.status("bad")).reason
    assert "no limit 'api'" in str(reason)
    assert "'a'" in str(reason)
    await fleet.client.start(flow, run_id="good")
    await clock.sleep(5)
    fleet.hire(flow, Limit("api", concurrency=1))
    assert (await fleet.client.wait("good", timeout=3_600)).status == "completed"
    await fleet.leave()


async def test_a_run_that_was_cancelled_while_it_waited_begins_nothing() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 200.0)
    fleet = await _fleet(clock, Limit("api", concurrency=1))
    flow = create_flow("one").node("a", gauge.step, limit="api")
    fleet.hire(flow)
    await fleet.client.start(flow, run_id="first")
    await clock.sleep(5)
    await fleet.client.start(flow, run_id="second")
    await clock.sleep(20)
    await fleet.client.cancel("second")
    assert (await fleet.client.wait("first", timeout=600)).status == "completed"
    await clock.sleep(30)
    await fleet.leave()
    assert len(gauge.began) == 1


async def test_clocks_that_differ_by_minutes_change_nothing_where_the_store_has_its_own() -> None:
    clock = VirtualClock()
    gauge = Gauge(clock, 5.0)
    fleet = await _fleet(clock, Limit("api", concurrency=2))
    flow = _many(gauge, 20, limit="api")
    fleet.hire(flow)
    fleet.hire(flow, clock=_Ahead(clock, 180.0))
    fleet.hire(flow, clock=_Ahead(clock, -180.0))
    await fleet.client.start(flow, run_id="run")
    assert (await fleet.client.wait("run", timeout=3_600)).status == "completed"
    await fleet.leave()
    assert _at_once(gauge) == 2


class _Ahead:
    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def now(self) -> float:
        return self._clock.now() + self._seconds

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

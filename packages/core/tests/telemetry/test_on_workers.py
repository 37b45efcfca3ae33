"""Which trace a stored run belongs to, whoever starts it, works on it and steers it; and what is measured there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Reconciler, SyncClient, Worker
from flowcraft_core.durable.loop_watch import LoopWatch
from flowcraft_core.metrics import RequestMetrics
from flowcraft_core.ports import Message
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.counting import CountingBackend
from opentelemetry.sdk.trace import ReadableSpan

from .helpers import Collected, assert_connected, seconds, span_id, trace_id

Ctx = NodeContext[Any, Any]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def one(ctx: Ctx) -> int:
    return 1


def line() -> FlowBuilder:
    return create_flow("line").node("a", one).node("b", one).edge("a", "b")


@attrs.define
class World:
    """A backend in memory on a virtual clock, and programs on it with or without telemetry."""

    clock: VirtualClock
    backend: InMemoryBackend
    flow: FlowBuilder
    seen: Collected

    def client(self, *, traces: bool = True) -> Client:
        telemetry = self.seen.telemetry if traces else None
        return Client(self.backend, flows=[self.flow], clock=self.clock, telemetry=telemetry)

    @asynccontextmanager
    async def working(self, *, traces: bool = True, number: int = 1, **options: Any) -> AsyncIterator[None]:
        telemetry = self.seen.telemetry if traces else None
        workers = []
        for _ in range(number):
            backend = self.backend.connect()
            await backend.open()
            runtime = FlowRuntime([self.flow], clock=self.clock, telemetry=telemetry)
            workers.append(Worker(backend, runtime, **({"poll": 5.0} | options)))
        tasks = [asyncio.ensure_future(worker.run()) for worker in workers]
        try:
            yield
        finally:
            for worker in workers:
                worker.stop()
            await asyncio.gather(*tasks)

    def of_run(self, run_id: str) -> tuple[ReadableSpan, ...]:
        return tuple(span for span in self.seen.spans if (span.attributes or {}).get("flowcraft.run.id") == run_id)

    def keys(self, run_id: str) -> set[str]:
        facts = self.backend._world.facts._records
        return {key for (run, key), record in facts.items() if run == run_id and record.newest is not None}


@asynccontextmanager
async def world(flow: FlowBuilder) -> AsyncIterator[World]:
    clock = VirtualClock()
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        yield World(clock, backend, flow, Collected())


async def test_under_one_job_each_node_is_linked_to_the_one_before_and_the_first_has_waited_in_the_queue() -> None:
    async with world(line()) as here:
        await here.client().start("line", run_id="r")
        await here.clock.sleep(7.0)
        async with here.working():
            await here.client().wait("r", timeout=600)
    assert [span.name for span in here.seen.spans] == [
        "start line",
        "node a",
        "queue a",
        "attempt a",
        "commit a",
        "node b",
        "attempt b",
        "commit b",
        "run line",
    ]
    assert_connected(here.seen.spans)
    (a,), (b,), (queue,) = (here.seen.named(name) for name in ("node a", "node b", "queue a"))
    assert a.kind.name == b.kind.name == "CONSUMER"
    assert [link.context.span_id for link in b.links] == [span_id(a)]
    assert seconds(queue) == pytest.approx(7.0, abs=0.1)
    assert (queue.attributes or {})["flowcraft.job.deliveries"] == 1
    assert [value for _, value in here.seen.points("flowcraft.queue.lag")] == [1]


async def test_a_run_that_was_started_without_telemetry_gets_one_trace_from_its_first_worker() -> None:
    async with world(line()) as here:
        await here.client(traces=False).start("line", run_id="r")
        async with here.working(number=3):
            await here.client(traces=False).wait("r", timeout=600)
        assert ":trace" in here.keys("r")
        assert_connected(here.of_run("r"))
        assert len(here.seen.named("start line")) == 1
        await here.client(traces=False).purge("r")
        assert here.keys("r") == set()


async def test_a_run_that_was_begun_by_hand_goes_on_in_the_trace_of_its_message() -> None:
    async with world(line()) as here:
        await here.client(traces=False).start("line", run_id="r", delay=3600)
        body = {"runId": "r", "blueprintId": "line", "nodeId": "a", "trace": PARENT}
        await here.backend.queue.send([Message(json.dumps(body))])
        async with here.working():
            await here.client().wait("r", timeout=600)
    (start,) = here.seen.named("start line")
    assert start.parent is not None
    assert start.parent.span_id == 0xB7AD6B7169203331
    assert {trace_id(span) for span in here.of_run("r")} == {0x0AF7651916CD43DD8448EB211C80319C}


async def test_workers_without_telemetry_hand_the_trace_on() -> None:
    flow = create_flow("line").node("a", one).wait("w").node("b", one).edge("a", "w").edge("w", "b")
    async with world(flow) as here:
        await here.client().start("line", run_id="r")
        async with here.working(traces=False):
            await here.clock.sleep(5.0)
        await here.client(traces=False).resume("r", "w")
        async with here.working():
            await here.client().wait("r", timeout=600)
    assert_connected(here.of_run("r"))
    assert len(here.seen.named("run line")) == 1


async def test_a_wait_is_a_span_of_the_runs_trace_that_is_linked_to_whoever_resumed_it() -> None:
    flow = create_flow("line").wait("w").node("b", one).edge("w", "b")
    async with world(flow) as here:
        await here.client().start("line", run_id="r")
        async with here.working():
            await here.clock.sleep(3600.0)
            with here.seen.provider.get_tracer("web").start_as_current_span("answer") as answer:
                await here.client().resume("r", "w", output=1)
            await here.client().wait("r", timeout=600)
    assert_connected(here.of_run("r"))
    (waited,), (b,) = here.seen.named("wait w"), here.seen.named("node b")
    assert seconds(waited) == pytest.approx(3600.0, abs=1.0)
    assert [link.context.span_id for link in waited.links] == [answer.get_span_context().span_id]
    assert [link.context.span_id for link in b.links] == [span_id(waited)]


async def test_a_sleep_is_a_span_when_it_is_over() -> None:
    flow = create_flow("line").sleep("s", "10m").node("b", one).edge("s", "b")
    async with world(flow) as here:
        await here.client().start("line", run_id="r")
        async with here.working():
            await here.client().wait("r", timeout=3600)
    assert_connected(here.of_run("r"))
    (slept,) = here.seen.named("sleep s")
    assert seconds(slept) == pytest.approx(600.0, abs=5.0)


async def test_a_run_that_a_reconciler_revives_goes_on_in_its_trace() -> None:
    async with world(line()) as here:
        await here.client().start("line", run_id="r")
        messages = await here.backend.queue.receive(max_messages=10, wait=0, visibility=60)
        await here.backend.queue.acknowledge(messages)  # lost
        await here.clock.sleep(120.0)
        done = await Reconciler(here.backend, clock=here.clock, telemetry=here.seen.telemetry).run_once()
        assert done.revived == 1
        async with here.working(reconcile=False):
            await here.client().wait("r", timeout=600)
    assert_connected(here.of_run("r"))
    assert [value for _, value in here.seen.points("flowcraft.run.revivals")] == [1]


@pytest.mark.parametrize("traces", [True, False])
async def test_a_run_that_is_cancelled_has_ended_in_its_trace(traces: bool) -> None:
    flow = create_flow("line").wait("w")
    async with world(flow) as here:
        await here.client(traces=traces).start("line", run_id="r")
        async with here.working():
            await here.clock.sleep(5.0)
        await here.client().cancel("r")
    assert_connected(here.of_run("r"))
    (run,) = here.seen.named("run line")
    assert (run.attributes or {})["flowcraft.state"] == "cancelled"


async def test_a_redrive_is_a_trace_of_its_own_that_is_linked_to_the_run_that_failed(
    quiet: None,
) -> None:
    mended = False

    async def fails(ctx: Ctx) -> int:
        if not mended:
            raise ValueError("not yet")
        return 1

    flow = create_flow("line").node("a", one).node("b", fails).edge("a", "b")
    async with world(flow) as here:
        client = here.client()
        await client.start("line", run_id="old")
        async with here.working():
            await client.wait("old", timeout=600)
            mended = True
            await client.redrive("old", new_run_id="new")
            await client.wait("new", timeout=600)
    old, new = here.of_run("old"), here.of_run("new")
    assert_connected(old)
    assert_connected(new)
    assert [link.context.span_id for link in new[0].links] == [span_id(old[0])]
    assert trace_id(old[0]) != trace_id(new[0])


async def test_two_starts_of_one_run_make_one_trace() -> None:
    async with world(line()) as here:
        client = here.client()
        await asyncio.gather(*(client.start("line", run_id="r") for _ in range(3)))
        async with here.working():
            await client.wait("r", timeout=600)
    assert_connected(here.of_run("r"))


async def test_a_dead_letter_and_a_redelivery_are_counted(quiet: None) -> None:
    async with world(line()) as here:
        await here.client().start("line", run_id="r")
        await here.backend.queue.receive(max_messages=1, wait=0, visibility=1)  # by one who dies
        await here.clock.sleep(2.0)
        await here.backend.queue.send([Message("no job")])
        async with here.working():
            await here.client().wait("r", timeout=600)
            await here.clock.sleep(5.0)
    assert [value for _, value in here.seen.points("flowcraft.job.redeliveries")] == [1]
    assert [value for _, value in here.seen.points("flowcraft.job.dead_letters")] == [1]
    (queue,) = here.seen.named("queue a")
    assert (queue.attributes or {})["flowcraft.job.deliveries"] == 2


async def test_telemetry_costs_a_run_no_request_if_all_have_it() -> None:
    requests = []
    for traces in (False, True):
        async with world(line()) as here:
            counting = CountingBackend(here.backend)
            telemetry = here.seen.telemetry if traces else None
            client = Client(counting, flows=[here.flow], clock=here.clock, telemetry=telemetry)
            runtime = FlowRuntime([here.flow], clock=here.clock, telemetry=telemetry)
            worker = Worker(counting, runtime, reconcile=False, poll=5.0)
            working = asyncio.ensure_future(worker.run())
            await client.start("line", run_id="r")
            await client.wait("r", timeout=600)
            worker.stop()
            await working
            requests.append({key: n for key, n in counting.counts().items() if key != "queue.receive"})
    assert requests[0] == requests[1]


async def test_a_queue_is_asked_how_long_it_is_if_it_can_tell() -> None:
    @attrs.frozen
    class Depth:
        visible: int | None = 7
        in_flight: int | None = 2
        delayed: int | None = None

    class Queue:
        name = "jobs"

        async def depth(self) -> Depth:
            return Depth()

    class Backend:
        queue = Queue()
        metrics = RequestMetrics()

    seen, backend = Collected(), Backend()
    seen.telemetry.uses(backend)
    seen.telemetry.uses(object())
    backend.metrics.note("sqs.SendMessage")
    backend.metrics.note("sqs.SendMessage", again=True)
    await seen.telemetry.look(backend)
    await seen.telemetry.look(object())
    queue = {"messaging.destination.name": "jobs"}
    assert seen.points("flowcraft.queue.depth") == [
        (queue | {"flowcraft.queue.messages": "visible"}, 7),
        (queue | {"flowcraft.queue.messages": "in_flight"}, 2),
    ]
    operation = {"flowcraft.operation": "sqs.SendMessage"}
    assert seen.points("flowcraft.backend.requests") == [(operation, 2)]
    assert seen.points("flowcraft.backend.retries") == [(operation, 1)]


async def test_how_long_an_event_loop_takes_to_answer_is_measured() -> None:
    answers: list[float] = []
    watch = LoopWatch(0.02, lambda *told: None, answers.append)
    watch.start()
    async with asyncio.timeout(30):
        while len(answers) < 3:  # noqa: ASYNC110 - it depends on another thread
            await asyncio.sleep(0.01)
    watch.stop()
    assert all(answer >= 0 for answer in answers)


async def test_a_client_that_is_not_async_starts_a_run_in_its_callers_trace() -> None:
    async with world(line()) as here:
        telemetry, caller = here.seen.telemetry, here.seen.provider.get_tracer("caller")

        def start() -> None:
            with (
                SyncClient(InMemoryBackend, flows=[here.flow], telemetry=telemetry) as client,
                caller.start_as_current_span("request"),
            ):
                client.start("line", run_id="r")

        await asyncio.to_thread(start)
    (start_span,), (request,) = here.seen.named("start line"), here.seen.named("request")
    assert start_span.parent is not None
    assert start_span.parent.span_id == span_id(request)


async def test_an_attempt_that_the_engine_ends_is_left_and_no_failure(quiet: None) -> None:
    began = asyncio.Event()

    async def takes_for_ever(ctx: Ctx) -> None:
        began.set()
        await asyncio.Event().wait()

    async with world(create_flow("line").node("a", takes_for_ever)) as here:
        await here.client().start("line", run_id="r")
        async with here.working(grace=1.0):
            await began.wait()
    assert_connected(here.of_run("r"))
    (attempt,), (node,) = here.seen.named("attempt a"), here.seen.named("node a")
    for span in (attempt, node):
        assert (span.attributes or {})["flowcraft.state"] == "left"
        assert span.status.is_unset

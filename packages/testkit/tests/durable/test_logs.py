"""What programs log: each event of the catalogue is caused by something here, and told once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from flowcraft_core import (
    BaseNode,
    FlowBuilder,
    FlowRuntime,
    NodeContext,
    RetryAfter,
    RetryPolicy,
    RunCancelledError,
    create_flow,
)
from flowcraft_core.durable import Adapter, Client, Reconciler, Settings, Worker
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.looks import LookLog
from flowcraft_core.durable.scheduling.revisions import place_of
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.jobs import Job, encode_job
from flowcraft_core.logging import EVENTS, FIELDS
from flowcraft_core.logging.journal import Rarely
from flowcraft_core.payloads import CompressingCodec
from flowcraft_core.ports import Fact, Message, RunStatus
from flowcraft_core.runtime.run import Run
from flowcraft_core.telemetry import OpenTelemetry, guarding
from flowcraft_testkit import InMemoryBackend, VirtualClock

from .helpers import STRONG, Place, Watched, place, working

Ctx = NodeContext[Any, Any]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET = "the secret of a payload"
_HOUR = 3_600.0


class Lines(logging.Handler):
    """Keeps the engine's records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, event: str) -> list[logging.LogRecord]:
        return [record for record in self.records if vars(record).get("event") == event]

    def names(self, *, level: int = logging.INFO) -> list[str]:
        return [vars(record)["event"] for record in self.records if record.levelno >= level]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All that is logged under ``flowcraft``, at every level."""
    handler, logger = Lines(), logging.getLogger("flowcraft")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before[0])
    logger.propagate = before[1]


# --- flows --------------------------------------------------------------------------------------------------------


async def echo(ctx: Ctx) -> Any:
    return ctx.input


async def secretive(ctx: Ctx) -> str:
    await ctx.context.set("kept", _SECRET)
    return _SECRET


async def broken(ctx: Ctx) -> None:
    raise ValueError("a bug in my step")


async def stands_in(ctx: Ctx) -> str:
    return "instead"


def plain() -> FlowBuilder:
    return create_flow("plain").node("a", secretive).node("b", echo).edge("a", "b")


def fails() -> FlowBuilder:
    return create_flow("fails").node("bad", broken)


def fails_twice() -> FlowBuilder:
    return create_flow("fails").node("bad", broken, retries=RetryPolicy(max_attempts=2, delay=3.0))


def falls_back() -> FlowBuilder:
    return create_flow("falls").node("bad", broken, fallback="good").node("good", stands_in)


def caught(**edge: Any) -> FlowBuilder:
    return create_flow("caught").node("bad", broken).node("good", echo).edge("bad", "good", on="failure", **edge)


def waits() -> FlowBuilder:
    return create_flow("waits").wait("approval")


def missing() -> FlowBuilder:
    """Has the node ``c``, whose step the other flow of that id does not bring."""

    async def c(ctx: Ctx) -> None: ...

    return create_flow("missing").node("c", c)


def renamed() -> FlowBuilder:
    async def d(ctx: Ctx) -> None: ...

    return create_flow("missing").node("d", d)


# --- what causes each event ---------------------------------------------------------------------------------------

Scenario = Callable[[Lines, pytest.MonkeyPatch], Awaitable[object]]
SCENARIOS: dict[str, Scenario] = {}


def causes(*events: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS.update(dict.fromkeys(events, scenario))
        return scenario

    return note


@causes("run_started", "run_completed", "worker_started", "worker_stopped")
async def _on_a_worker(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here, here.working():
        await here.finished(plain(), run_id="r", context={"given": _SECRET})


@causes("attempt_failed", "node_failed", "run_failed")
async def _that_fails(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(fails_twice()) as here, here.working():
        await here.finished(fails_twice(), run_id="r")


@causes("fallback_taken")
async def _with_a_fallback(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(falls_back()) as here, here.working():
        await here.finished(falls_back(), run_id="r")


@causes("reminder_failed")
async def _whose_reminder_fails(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = create_flow("reminding").wait("w", timeout=30, remind=broken, remind_after=20)
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("failure_handled")
async def _that_is_handled(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(caught()) as here, here.working():
        await here.finished(caught(), run_id="r")


@causes("construct_handled")
async def _that_is_handled_around(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = create_flow("around").subflow("call", fails()).node("good", echo).edge("call", "good", on="failure")
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("edge_untaken")
async def _that_is_not_handled_for_a_mistake(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = caught(condition="error.type > 1")
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("undo_failed")
async def _that_cannot_be_undone(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(ctx: NodeContext) -> None:
        raise ConnectionError("gone")

    flow = create_flow("stays").node("a", echo, undo=gone).node("b", gone).edge("a", "b")
    await FlowRuntime([flow]).run(flow, run_id="r")


@causes("run_stopped", "call_stopped", "undone")
async def _that_is_undone(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(ctx: NodeContext) -> None:
        raise ConnectionError("gone")

    called = create_flow("called").node("a", echo, undo=echo).node("b", fails).edge("a", "b")
    flow = create_flow("undone").subflow("call", called).node("c", fails).edge("call", "c", on="failure")
    async with place(flow, called) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("attempt_deferred")
async def _that_asks_for_later(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(ctx: NodeContext) -> None:
        if not ctx.deferrals:
            raise RetryAfter(1, "too many requests", counts=False)

    flow = create_flow("busy").node("a", busy)
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("run_cancelled")
async def _that_is_cancelled(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(waits()) as here, here.working():
        await here.client.start(waits(), run_id="r")
        await here.clock.sleep(1.0)
        assert await here.client.cancel("r", reason="nobody needs it")
        assert not await here.client.cancel("r", reason="nobody needs it")


@causes("run_awaiting", "run_resumed")
async def _in_process_that_waits(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FlowRuntime([waits()])
    result = await runtime.run("waits", run_id="r")
    assert (await runtime.resume(result.state, "approval")).status == "completed"


@causes("run_left")
async def _in_process_that_is_interrupted(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def endless(ctx: Ctx) -> None:
        begun.set()
        await asyncio.Event().wait()

    flow = create_flow("endless").node("a", endless)
    running = asyncio.ensure_future(FlowRuntime([flow]).run(flow, run_id="r"))
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])


@causes("steps_left")
async def _in_process_with_a_stubborn_step(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowcraft_core.runtime.run._GRACE", 0.01)
    free = asyncio.Event()

    async def stubborn(ctx: Ctx) -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    async def ends(ctx: Ctx) -> None:
        raise ValueError("a bug")

    flow = create_flow("stubborn").node("a", stubborn).node("b", ends)
    assert (await FlowRuntime([flow]).run(flow, run_id="r")).status == "failed"
    free.set()


@causes("steps_wait")
async def _in_process_with_one_thread(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    both_called = threading.Event()

    def first(ctx: Any) -> None:
        assert both_called.wait(20.0)

    flow = create_flow("threads").node("a", first).node("b", first)
    runtime = FlowRuntime([flow], max_threads=1)
    running = asyncio.ensure_future(runtime.run(flow))
    while not lines.of("steps_wait"):  # noqa: ASYNC110 - a thread is waited for
        await asyncio.sleep(0.01)
    both_called.set()
    assert (await running).status == "completed"


@causes("timeout_missed")
async def _in_process_with_a_blocked_timeout(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def computes(ctx: Ctx) -> None:
        ends = time.monotonic() + 0.2
        while time.monotonic() < ends:
            pass

    flow = create_flow("heavy").node("sum", computes, timeout=0.05)
    await FlowRuntime([flow]).run(flow, run_id="r")


@causes("node_left")
async def _in_process_with_a_race(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()

    async def fast(ctx: Ctx) -> None:
        await clock.sleep(1.5)

    async def slow(ctx: Ctx) -> None:
        while True:
            await clock.sleep(1.0)
            await ctx.heartbeat()

    async def takes_long(ctx: Ctx) -> None:
        await clock.sleep(10.0)

    flow = create_flow("race").node("fast", fast).node("slow", slow).node("first", takes_long, join="any")
    flow = flow.edge("fast", "first").edge("slow", "first")
    assert (await FlowRuntime([flow], clock=clock).run(flow, run_id="r")).status == "completed"


@causes("recover_failed")
async def _that_recovers_badly(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(BaseNode[Any, Any]):
        async def exec(self, prepared: Any, ctx: Any) -> None:
            raise ValueError("a bug")

        async def recover(self, error: Exception, ctx: Any) -> None:
            raise KeyError("another bug")

    flow = create_flow("careless").node("a", Careless)
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")


@causes("sink_failed")
async def _with_a_bad_sink(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def sink(event: Any) -> None:
        if event.kind == "ended":
            raise RuntimeError("a bug of the sink's")

    await FlowRuntime([plain()], events=sink).run("plain", run_id="r")


@causes("telemetry_failed")
async def _with_a_bad_collector(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, seconds: float) -> None:
        raise RuntimeError("a bug of the collector's")

    telemetry = OpenTelemetry()
    monkeypatch.setattr(guarding, "_rarely", Rarely())
    monkeypatch.setattr(telemetry._meters, "took", fails)
    telemetry.loop_lagged(1.0)


@causes("worker_failed")
async def _whose_queue_is_broken(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def before(operation: str) -> None:
        if operation == "queue.receive":
            raise RuntimeError("this adapter has a bug")

    async with place(plain()) as here:
        with pytest.raises(RuntimeError, match="has a bug"):
            await Worker(Watched(here.backend, before=before), here.runtime).run()


@causes("loop_blocked")
async def _with_a_step_that_blocks(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def computes(ctx: Ctx) -> None:
        ends = time.monotonic() + 20.0
        while not lines.of("loop_blocked") and time.monotonic() < ends:
            time.sleep(0.01)  # noqa: ASYNC251 - that is what it is about

    flow = create_flow("heavy").node("sum", computes)
    async with InMemoryBackend(weaknesses=STRONG) as backend:
        client = Client(backend)
        async with working(backend, FlowRuntime([flow]), poll=0.05, blocked_after=0.05):
            await client.start(flow, run_id="r")
            await client.wait("r", timeout=30.0)


@causes("redelivered")
async def _that_comes_twice(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        await here.client.start(plain(), run_id="r")
        assert await here.backend.queue.receive(max_messages=1, wait=0, visibility=5)  # by one who dies
        async with here.working():
            await here.client.wait("r", timeout=60.0)


@causes("passed_on")
async def _without_a_step(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(missing()) as here, working(here.backend, FlowRuntime([renamed()], clock=here.clock)):
        await here.client.start(missing(), run_id="r")
        await here.clock.sleep(3.0)


@causes("given_up")
async def _without_a_step_for_long(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(missing()) as here, working(here.backend, FlowRuntime([renamed()], clock=here.clock)):
        assert (await here.finished(missing(), run_id="r")).status == "failed"


@causes("dead_letter")
async def _of_nonsense(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here, here.working():
        await here.backend.queue.send([Message("nonsense")])
        await here.clock.sleep(1.0)


@causes("job_dropped")
async def _of_an_earlier_run(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(waits()) as here, here.working():
        await here.client.start(waits(), run_id="r")
        await here.backend.queue.send([Message(encode_job(Job(id="old", run_id="r", nonce="old", first_seen=1.0)))])
        await here.clock.sleep(1.0)


@causes("host_ends")
async def _in_a_host_that_ends(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def long(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    flow = create_flow("long").node("a", long)
    async with place(flow) as here:
        await here.client.start(flow, run_id="r")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0, visibility=60)
        left = iter([60.0])
        await _handler(here).handle(delivery.body, 1, remaining=lambda: next(left, 3.0))


@causes("host_too_short")
async def _in_a_host_that_has_too_little_time(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        await here.client.start(plain(), run_id="r")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0, visibility=60)
        await _handler(here).handle(delivery.body, 1, remaining=lambda: 4.0)


@causes("status_left_out")
async def _in_which_a_status_cannot_be_read(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LookLog(lambda: 0.0)
    for _ in range(3):
        log.left_out(BackendError("the status of run 'r' cannot be read"))


async def test_what_cannot_be_looked_at_is_said_ever_more_rarely(lines: Lines) -> None:
    times = iter([0.0, 1.0, 6.0, 7.0, 7.0])
    log = LookLog(lambda: next(times))
    for _ in range(4):
        log.failed("r", TransientError("no answer"))
    log.failed("s", BackendError("no item"))
    told = [(vars(record)["run_id"], record.levelname) for record in lines.of("look_failed")]
    assert told == [("r", "WARNING"), ("r", "WARNING"), ("s", "ERROR")]


@causes("job_failed")
async def _in_which_the_engine_fails(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([RuntimeError("a bug of the engine's")])

    async def before(operation: str) -> None:
        if operation == "context.put":
            for failure in failures:
                raise failure

    async with place(plain()) as here, working(Watched(here.backend, before=before), here.runtime):
        await here.client.start(plain(), run_id="r")
        await here.clock.sleep(1.0)


@causes("engine_failed")
async def _in_process_in_which_the_engine_fails(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a bug of the engine's")

    monkeypatch.setattr(Run, "_record", fail)
    assert (await FlowRuntime([plain()]).run("plain", run_id="r")).status == "failed"


@causes("throttled", "unavailable")
async def _that_is_throttled(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = iter(range(6))  # as often as a call is made

    async def before(operation: str) -> None:
        if operation == "queue.receive":
            for _ in refusals:
                raise TransientError("slow down")

    async with place(plain()) as here, working(Watched(here.backend, before=before), here.runtime):
        await here.finished(plain(), run_id="r")


@causes("revived")
async def _whose_messages_are_lost(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        await here.client.start(plain(), run_id="r")
        here.backend.lose_messages()
        await Reconciler(here.backend, clock=here.clock).reconcile("r")


@causes("look_failed")
async def _that_cannot_be_looked_at(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([RuntimeError("this adapter has a bug")])

    async def before(operation: str) -> None:
        if operation == "context.get":
            for failure in failures:
                raise failure

    async with place(plain()) as here:
        await here.client.start(plain(), run_id="r")
        await here.clock.sleep(100.0)
        await Reconciler(Watched(here.backend, before=before), clock=here.clock).run_once()


@causes("schedule_fired")
async def _of_a_schedule(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here, here.working():
        await here.client.schedules.make("hourly", plain(), every="1h")
        await here.clock.sleep(1.2 * _HOUR)


@causes("schedule_skipped")
async def _of_a_schedule_whose_run_takes_long(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(waits()) as here, here.working():
        await here.client.schedules.make("hourly", waits(), every="1h", overlap="skip")
        await here.clock.sleep(2.2 * _HOUR)


@causes("schedule_missed")
async def _of_a_schedule_that_nobody_looked_at(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        await here.client.schedules.make("hourly", plain(), every="1h", missed="none")
        await here.clock.sleep(3.5 * _HOUR)
        for _ in range(2):
            await Reconciler(here.backend, clock=here.clock).run_once()


@causes("schedule_failed")
async def _of_a_schedule_that_cannot_be_read(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        await here.client.schedules.make("hourly", plain(), every="1h")
        await here.backend.context.put(place_of("hourly"), ":revision:1", Fact(b"w\x00{}", "somebody"))
        await here.clock.sleep(1.2 * _HOUR)
        assert (await Reconciler(here.backend, clock=here.clock).run_once()).errors == 1


@causes("not_started")
async def _begun_by_hand_without_a_message(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(plain()) as here:
        here.backend.begin_by_hand("r", {})
        now = here.clock.now()
        status = RunStatus(run_id="r", state="running", blueprint_id="plain", created=now, updated=now, next_check=now)
        await here.backend.status.create(status)
        reconciler = Reconciler(here.backend, clock=here.clock)
        for _ in range(3):
            await reconciler.reconcile("r")


@causes("worker_replaced")
async def _of_an_adapter_whose_worker_ends(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    await _adapt(lines, monkeypatch, RuntimeError("this adapter has a bug"), "worker_replaced")


@causes("adapter_ended")
async def _of_an_adapter_that_ends(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    await _adapt(lines, monkeypatch, ConfigurationError("there is no such queue"), "adapter_ended")


async def _adapt(lines: Lines, monkeypatch: pytest.MonkeyPatch, error: Exception, event: str) -> None:
    monkeypatch.setattr("flowcraft_core.durable.adapter._FIRST_PAUSE", 0.01)
    errors = [error]

    async def before(operation: str) -> None:
        if operation == "queue.receive" and errors:
            raise errors.pop()

    adapter = Adapter(
        lambda: Watched(InMemoryBackend(weaknesses=STRONG), before=before), FlowRuntime([plain()]), poll=0.05
    )
    adapter.start()
    async with asyncio.timeout(20.0):
        while not lines.of(event):  # noqa: ASYNC110 - a thread is waited for
            await asyncio.sleep(0.01)
    with contextlib.suppress(ConfigurationError):
        await asyncio.to_thread(adapter.stop)


@causes("round_failed")
async def _whose_reconciler_fails(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_once(monkeypatch, Reconciler, "run_once")
    async with place(plain()) as here, here.working(reconcile_interval=8.0):
        await here.clock.sleep(3.0)


@causes("task_ended")
async def _whose_reconciler_ends(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_once(monkeypatch, Reconciler, "run")
    async with place(plain()) as here, here.working():
        await here.clock.sleep(3.0)


@causes("message_failed")
async def _of_what_cannot_be_put_aside(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ValueError("the store takes nothing"), ValueError("the store does not take this")]

    async def before(operation: str) -> None:
        if operation == "status.create" and failures:
            raise failures.pop()

    async with place(plain()) as here, working(Watched(here.backend, before=before), here.runtime):
        await here.backend.queue.send([Message("nonsense")])
        await here.clock.sleep(1.0)


@causes("letter_cut")
async def _of_what_is_not_taken(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ValueError("the store does not take this")]

    async def before(operation: str) -> None:
        if operation == "status.create" and failures:
            raise failures.pop()

    async with place(plain()) as here, working(Watched(here.backend, before=before), here.runtime):
        await here.backend.queue.send([Message("nonsense")])
        await here.clock.sleep(1.0)
        assert [letter.body for letter in await here.client.dead_letters()] == [None]


def _fails_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    original, failures = getattr(owner, name), [RuntimeError("a bug of the engine's")]

    async def failing(self: Any, *args: Any) -> Any:
        if failures:
            raise failures.pop()
        return await original(self, *args)

    monkeypatch.setattr(owner, name, failing)


def _handler(here: Place) -> JobHandler:
    return JobHandler(
        here.backend,
        here.runtime,
        codec=CompressingCodec(),
        settings=Settings(),
        control_interval=2.0,
        visibility=60.0,
        stopped=lambda: False,
    )


# --- the catalogue ------------------------------------------------------------------------------------------------


def test_every_event_has_a_scenario_that_causes_it() -> None:
    assert SCENARIOS.keys() == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_is_told_once_as_the_catalogue_says(
    name: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    await SCENARIOS[name](lines, monkeypatch)
    event, told = EVENTS[name], lines.of(name)
    assert len(told) == 1, [record.getMessage() for record in lines.records]
    (record,) = told
    given = {field for field in vars(record) if field not in _STANDARD}
    assert given - {"worker"} == {"event", *event.fields}
    assert (record.name, record.levelno) == (event.logger, event.level)
    assert (record.exc_info is not None) is event.has_traceback
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize("name", EVENTS)
def test_an_events_fields_are_explained_and_shown(name: str) -> None:
    event = EVENTS[name]
    assert set(event.fields) <= FIELDS.keys()
    message = event.message % {**dict.fromkeys(event.fields, 0), "worker": "w"}
    assert "%" not in message


async def test_no_payload_is_logged(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    await _on_a_worker(lines, monkeypatch)
    assert lines.records
    assert not [record for record in lines.records if _SECRET in repr(vars(record)) + record.getMessage()]


# --- a story at a time ----------------------------------------------------------------------------------------------


async def test_a_worker_tells_the_story_of_a_run_that_fails(lines: Lines) -> None:
    flow = fails_twice()
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")
    assert lines.names() == [
        "worker_started",
        "run_started",
        "attempt_failed",
        "node_failed",
        "run_failed",
        "worker_stopped",
    ]
    attempt, last, end = (vars(lines.of(name)[0]) for name in ("attempt_failed", "node_failed", "run_failed"))
    assert (attempt["attempt"], last["attempt"]) == (1, 2)
    assert attempt["retry_in"] == pytest.approx(3.0, rel=0.2)
    assert (attempt["node_id"], attempt["instance"], attempt["error"]) == ("bad", "bad", "ValueError")
    assert end["reason"] == "bad: ValueError: a bug in my step after 2 attempts"
    assert end["seconds"] == pytest.approx(3.0, abs=1.0)
    assert len({vars(record)["worker"] for record in lines.records}) == 1


async def test_the_same_story_is_told_in_process(lines: Lines) -> None:
    flow = fails_twice()
    await FlowRuntime([flow], clock=VirtualClock()).run(flow, run_id="r")
    assert lines.names() == ["run_started", "attempt_failed", "node_failed", "run_failed"]
    assert [vars(record)["run_id"] for record in lines.records] == ["r"] * 4
    assert vars(lines.of("run_failed")[0])["seconds"] == pytest.approx(3.0, abs=0.1)


async def test_a_traceback_begins_at_the_step(lines: Lines) -> None:
    def by_thread(ctx: Any) -> None:
        raise ValueError("a bug in my step")

    await FlowRuntime([fails()]).run("fails")
    threaded = create_flow("threaded").node("bad", by_thread)
    await FlowRuntime([threaded]).run(threaded)
    for record in lines.of("node_failed"):
        assert record.exc_info is not None
        trace = record.exc_info[2]
        assert trace is not None
        assert trace.tb_frame.f_code.co_name in ("broken", "by_thread")
    assert len(lines.of("node_failed")) == 2


async def test_a_fallback_is_told_with_the_error_that_led_to_it(lines: Lines) -> None:
    async with place(falls_back()) as here, here.working():
        assert (await here.finished(falls_back(), run_id="r")).status == "completed"
    (record,) = lines.of("fallback_taken")
    assert vars(record)["fallback"] == "good"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert not lines.of("node_failed")


async def test_a_handled_failure_is_told_with_who_handles_it(lines: Lines) -> None:
    async with place(caught()) as here, here.working():
        assert (await here.finished(caught(), run_id="r")).status == "completed"
    (record,) = lines.of("failure_handled")
    assert vars(record)["handlers"] == ["good"]
    assert record.exc_info is not None
    assert not lines.names(level=logging.ERROR)


async def test_a_contained_failure_is_a_warning(lines: Lines) -> None:
    flow = create_flow("race").node("bad", broken).node("good", echo).node("first", echo, join="any")
    flow = flow.edge("bad", "first").edge("good", "first")
    async with place(flow) as here, here.working():
        assert (await here.finished(flow)).status == "completed"
    assert [record.levelname for record in lines.of("node_failed")] == ["WARNING"]


async def test_a_missing_step_is_told_at_once_and_then_ever_more_rarely(lines: Lines) -> None:
    async with place(missing()) as here, working(here.backend, FlowRuntime([renamed()], clock=here.clock)):
        await here.client.start(missing(), run_id="r")
        began = here.clock.now()
        await here.clock.sleep(0.1)
        (first,) = lines.of("passed_on")
        assert (vars(first)["instance"], vars(first)["error"]) == ("c", "ImplementationMissingError")
        assert "no step is registered" in first.getMessage()
        assert (await here.client.wait("r", timeout=3600.0)).status == "failed"
        assert here.clock.now() - began > 600
    passed_on = lines.of("passed_on")
    assert 3 <= len(passed_on) <= 10
    waited = [vars(record)["seconds"] for record in passed_on]
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(waited[1:]))
    assert not lines.of("run_started")  # nobody could begin it
    assert lines.names(level=logging.ERROR) == ["given_up", "run_failed"]


async def test_the_items_of_a_batch_that_lack_one_step_are_told_of_together(lines: Lines) -> None:
    async def numbers(ctx: Ctx) -> list[int]:
        return list(range(50))

    def flow(name: str) -> FlowBuilder:
        return create_flow("batch").node("src", numbers).batch(name, echo).edge("src", name)

    async with place(flow("items")) as here, working(here.backend, FlowRuntime([flow("pages")], clock=here.clock)):
        await here.client.start(flow("items"), run_id="r")
        await here.clock.sleep(2.0)
    assert len(lines.of("passed_on")) == 1


async def test_a_run_is_started_and_ended_once_however_often_its_messages_come(lines: Lines) -> None:
    async with place(plain()) as here:
        await here.client.start(plain(), run_id="r")
        (delivery,) = await here.backend.queue.receive(max_messages=1, wait=0, visibility=5)
        await here.backend.queue.send([Message(delivery.body)] * 3)
        async with here.working(visibility=5.0):
            await here.client.wait("r", timeout=600.0)
            await here.clock.sleep(30.0)
    assert len(lines.of("run_completed")) == 1
    assert len(lines.of("run_started")) == 1


async def test_a_redrive_is_a_run_that_starts(lines: Lines) -> None:
    mended = [broken]

    async def mendable(ctx: Ctx) -> Any:
        return await mended[0](ctx)

    flow = create_flow("f").node("a", echo).node("bad", mendable).edge("a", "bad")
    async with place(flow) as here, here.working():
        await here.finished(flow, run_id="r")
        mended[0] = stands_in  # type: ignore[assignment]
        again = await here.client.redrive("r")
        assert (await here.client.wait(again.run_id, timeout=600.0)).status == "completed"
    assert [vars(record)["run_id"] for record in lines.of("run_started")] == ["r", again.run_id]


async def test_a_run_begun_by_hand_is_told_of(lines: Lines) -> None:
    async with place(plain()) as here, here.working():
        here.backend.begin_by_hand("by-hand", {})
        body = json.dumps({"runId": "by-hand", "blueprintId": "plain", "nodeId": "a"})
        await here.backend.queue.send([Message(body)])
        await here.clock.sleep(5.0)
    assert lines.names() == ["worker_started", "run_started", "run_completed", "worker_stopped"]


async def test_throttling_is_told_rarely_and_counted(lines: Lines) -> None:
    refused = 0

    async def before(operation: str) -> None:
        nonlocal refused
        if operation == "queue.receive" and refused < 500:
            refused += 1
            raise TransientError("slow down")

    async with place(plain()) as here, working(Watched(here.backend, before=before), here.runtime, reconcile=False):
        await here.client.start(plain(), run_id="r")
        await here.client.wait("r", timeout=7200.0)
    told = [vars(record)["times"] for record in lines.of("throttled")]
    assert told[0] == 1
    assert len(told) < 12
    assert sum(told) > 200


async def test_an_idle_worker_says_nothing(lines: Lines) -> None:
    async with place(plain()) as here, here.working():
        await here.clock.sleep(86_400.0)
    assert lines.names(level=logging.DEBUG) == ["worker_started", "worker_stopped"]


async def test_a_worker_says_who_it_is(lines: Lines) -> None:
    flow = plain()
    async with place(flow) as here, here.working(concurrency=3):
        await here.clock.sleep(1.0)
    fields = vars(lines.of("worker_started")[0])
    assert (fields["backend"], fields["queues"], fields["concurrency"]) == ("memory", "default", 3)
    assert fields["flows"] == f"plain {here.runtime.catalogue.find('plain').hash[:8]}"


async def test_a_stale_read_is_no_warning(lines: Lines) -> None:
    flow = plain()
    async with place(flow, weaknesses=None) as here, here.working(number=2):
        for _ in range(20):
            await here.finished(flow)
    assert set(lines.names()) <= {"worker_started", "run_started", "run_completed", "worker_stopped", "redelivered"}


async def test_a_wrapped_backend_is_known_by_its_class(lines: Lines) -> None:
    async with place(plain()) as here, working(Watched(here.backend), here.runtime):
        await here.clock.sleep(1.0)
    assert vars(lines.of("worker_started")[0])["backend"] == "Watched"


async def test_leaving_by_itself_is_no_failure_to_worry_about(lines: Lines) -> None:
    async def leaves(ctx: Ctx) -> None:
        raise RunCancelledError("of no use any more")

    flow = create_flow("f").node("a", leaves)
    async with place(flow) as here, here.working():
        await here.finished(flow)
    assert lines.names(level=logging.WARNING) == ["run_failed"]

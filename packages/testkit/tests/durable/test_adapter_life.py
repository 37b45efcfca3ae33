"""What becomes of an adapter's thread when what it works with refuses, and of run ids that can be none."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime, create_flow
from flowcraft_core.durable import Adapter, Client
from flowcraft_core.durable.shared_context import SharedContext
from flowcraft_core.durable.storage import Records
from flowcraft_core.errors import BackendError
from flowcraft_core.payloads import CompressingCodec
from flowcraft_core.serialization import Serializer
from flowcraft_testkit.memory import InMemoryBackend


async def hello(ctx: Any) -> str:
    return "hello"


FLOW = create_flow("hello").node("hello", hello)


class Refusing:
    """A queue whose polls are refused as often as it is told."""

    def __init__(self, queue: Any, refusals: list[BaseException]) -> None:
        self._queue, self._refusals = queue, refusals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def receive(self, **options: Any) -> Any:
        if self._refusals:
            raise self._refusals.pop(0)
        return await self._queue.receive(**options)


def adapter_of(*refusals: BaseException) -> Adapter:
    store, left = InMemoryBackend(), list(refusals)

    def make() -> Any:
        backend = store.connect()
        backend.queue = Refusing(backend.queue, left)
        return backend

    return Adapter(make, FlowRuntime([FLOW]), poll=0.1, reconcile=False)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowcraft_core.durable.adapter._FIRST_PAUSE", 0.01)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.01)


@pytest.mark.parametrize("error", [BackendError("status 403"), KeyError("no"), BackendError("expired token")])
def test_a_thread_that_an_error_ends_is_told_and_begun_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = adapter_of(error, error, error)
    with caplog.at_level(logging.ERROR):
        adapter.start()
        run = adapter.sync_client.start(FLOW)
        assert adapter.sync_client.wait(run.run_id, timeout=30).status == "completed"
    assert adapter.is_running
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert told
    assert all(record.exc_info for record in told), "with the traceback"
    adapter.stop()
    assert not adapter.is_running


def test_what_the_program_has_to_mend_ends_the_thread_visibly(caplog: pytest.LogCaptureFixture) -> None:
    adapter = adapter_of(ConfigurationError("a clock with a beard"))
    with caplog.at_level(logging.ERROR):
        adapter.start()
        until(lambda: not adapter.is_running)
    assert "a clock with a beard" in caplog.text
    with pytest.raises(ConfigurationError, match="beard"):
        adapter.stop()


def test_what_ends_the_thread_at_once_is_raised_by_stop_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = threading.Event.wait

    def wait_for_the_thread(event: threading.Event, timeout: float | None = None) -> bool:
        there = waits(event, timeout)
        if threading.current_thread() is threading.main_thread():
            for thread in threading.enumerate():
                if thread.name == "flowcraft-adapter" and thread.is_alive():
                    thread.join()  # so ``start`` goes on only when all is over
        return there

    adapter = adapter_of(ConfigurationError("there is no such queue"))
    monkeypatch.setattr(threading.Event, "wait", wait_for_the_thread)
    adapter.start()
    assert not adapter.is_running
    with pytest.raises(ConfigurationError, match="no such queue"):
        adapter.stop()


def test_a_thread_that_pauses_after_an_error_is_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowcraft_core.durable.adapter._FIRST_PAUSE", 3_600.0)
    adapter = adapter_of(BackendError("status 403"))
    adapter.start()
    adapter.stop(timeout=30)
    assert not adapter.is_running


def test_what_fails_before_the_backend_is_open_is_raised_by_start() -> None:
    def make() -> Any:
        raise BackendError("no such queue")

    adapter = Adapter(make, FlowRuntime([FLOW]))
    with pytest.raises(BackendError, match="no such queue"):
        adapter.start()
    assert not adapter.is_running


NO_IDS = ["", ":dead:1", "r" * 301, "\ud800", 7, None]


@pytest.mark.parametrize("run_id", NO_IDS)
async def test_what_can_be_no_runs_id_is_refused_by_every_call(run_id: Any) -> None:
    async with InMemoryBackend() as backend:
        client = Client(backend, flows=[FLOW])
        if run_id != ":dead:1":  # a letter is looked at by the same call
            with pytest.raises(ConfigurationError, match="run id"):
                await client.status(run_id)
        calls = [
            client.result(run_id),
            client.wait(run_id, timeout=1),
            client.resume(run_id, "w"),
            client.cancel(run_id),
            client.fork(run_id, "hello"),
            client.redrive(run_id),
            client.purge(run_id),
        ]
        if run_id is not None:
            calls.append(client.start(FLOW, run_id=run_id))
        for call in calls:
            with pytest.raises(ConfigurationError, match="run id"):
                await call
        with pytest.raises(ConfigurationError, match="run id"):
            SharedContext(run_id, Records(backend.context, Serializer(), CompressingCodec()))


@pytest.mark.parametrize("run_id", [each for each in NO_IDS if each])
async def test_what_can_be_no_runs_id_is_refused_for_a_new_run_of_a_fork(run_id: Any) -> None:
    async with InMemoryBackend() as backend:
        client = Client(backend, flows=[FLOW])
        await client.start(FLOW, run_id="run")
        for call in (client.fork("run", "hello", new_run_id=run_id), client.redrive("run", new_run_id=run_id)):
            with pytest.raises(ConfigurationError, match="run id"):
                await call


async def test_a_runs_context_is_used_inside_of_async_with_on_every_backend() -> None:
    async with InMemoryBackend() as backend:
        await Client(backend, flows=[FLOW]).start(FLOW, {"x": 1}, run_id="run")
        context = SharedContext("run", Records(backend.context, Serializer(), CompressingCodec()))
        with pytest.raises(ConfigurationError, match=r"async with adapter\.context"):
            await context.get("x")
        async with context as opened:
            assert await opened.get("x") == 1
        with pytest.raises(ConfigurationError, match=r"async with adapter\.context"):
            await context.get("x")

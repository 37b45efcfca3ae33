"""Settings that cannot mean anything are refused by name, where they are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    BlueprintError,
    ConfigurationError,
    FlowRuntime,
    RetryPolicy,
    SerializationError,
    create_flow,
)
from flowcraft_core.durable import Client, Reconciler, Settings, SyncClient, Worker
from flowcraft_core.durable.adapter import Adapter
from flowcraft_core.durations import parse_seconds
from flowcraft_core.sizes import parse_bytes
from flowcraft_testkit import InMemoryBackend

NAN, INF = float("nan"), float("inf")
NO_NUMBERS: tuple[Any, ...] = (NAN, INF, -INF, "x", "", True, None, [], ..., 1e300, 1j)
NO_COUNTS: tuple[Any, ...] = (2.5, "2", NAN, True, -1)
NO_DURATIONS: tuple[Any, ...] = (
    *(NAN, INF, -INF, -1, -0.5, 1e11, "x", "", "5", "5 s", "-5s", "5S", "s", "1h30m", "\N{ARABIC-INDIC DIGIT FIVE}s"),
    *(True, [], ..., b"5s", timedelta(-1), timedelta.max),
)


def nothing(ctx: Any) -> None: ...


def test_durations_are_seconds_text_or_a_timedelta() -> None:
    given = (5, 0.25, "5s", "250ms", "20m", "1h", "40d", "1.5s", timedelta(minutes=2))
    seconds = [parse_seconds("x", each) for each in given]
    assert seconds == [5, 0.25, 5, 0.25, 1200, 3600, 40 * 86400, 1.5, 120]


@pytest.mark.parametrize("timeout", ["5s", 5, 5.0, timedelta(seconds=5)])
def test_a_timeout_is_taken_wherever_a_sleep_is(timeout: Any) -> None:
    flow = create_flow("f").node("a", nothing, timeout=timeout).wait("w", timeout=timeout)
    flow.batch("b", nothing, timeout=timeout)
    stored = [node["config"]["timeout"] for node in flow.to_blueprint().to_dict()["nodes"]]
    assert stored == [5000] * 3


@pytest.mark.parametrize("timeout", [*NO_DURATIONS, 0, "0s", timedelta(0)], ids=repr)
def test_a_timeout_that_means_nothing_is_refused(timeout: Any) -> None:
    flow = create_flow("f").node("a", nothing)
    runtime = FlowRuntime([flow])
    makers: dict[str, Callable[[], object]] = {
        "node 'a': timeout": lambda: create_flow("f").node("a", nothing, timeout=timeout),
        "wait 'a': timeout": lambda: create_flow("f").wait("a", timeout=timeout),
        "batch 'a': timeout": lambda: create_flow("f").batch("a", nothing, timeout=timeout),
        "timeout": lambda: runtime.run_sync(flow, timeout=timeout),
    }
    for named, make in makers.items():
        with pytest.raises(ConfigurationError, match=rf"^{named} must be a number of seconds above 0") as raised:
            make()
        assert len(str(raised.value)) < 300


@pytest.mark.parametrize("duration", [*NO_DURATIONS, None], ids=repr)
def test_a_sleep_that_means_nothing_is_refused(duration: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^sleep 'a': duration must be a number of seconds of at least 0"):
        create_flow("f").sleep("a", duration)


def test_no_time_at_all_may_be_slept() -> None:
    flow = create_flow("f").sleep("a", 0).sleep("b", "0s").edge("a", "b")
    assert FlowRuntime([flow]).run_sync(flow).status == "completed"


@pytest.mark.parametrize("retries", NO_COUNTS, ids=repr)
def test_retries_that_mean_nothing_are_refused(retries: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^node 'a': retries must be a whole number of at least 0"):
        create_flow("f").node("a", nothing, retries=retries)
    with pytest.raises(ConfigurationError, match=r"^batch 'a': retries must be a whole number"):
        create_flow("f").batch("a", nothing, retries=retries)


@pytest.mark.parametrize("count", NO_COUNTS, ids=repr)
def test_a_tolerance_that_means_nothing_is_refused(count: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^batch 'a': tolerated_failure_count must be"):
        create_flow("f").batch("a", nothing, tolerated_failure_count=count)


@pytest.mark.parametrize("count", [*NO_COUNTS, 0], ids=repr)
def test_a_concurrency_that_means_nothing_is_refused(count: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^batch 'a': concurrency must be"):
        create_flow("f").batch("a", nothing, concurrency=count)


@pytest.mark.parametrize("share", [*NO_NUMBERS, -1, 101], ids=repr)
def test_a_share_that_means_nothing_is_refused(share: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^batch 'a': tolerated_failure_percentage must be"):
        create_flow("f").batch("a", nothing, tolerated_failure_percentage=share)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("max_attempts", (*NO_COUNTS, 0)),
        ("delay", (*NO_NUMBERS, -1)),
        ("max_delay", (*NO_NUMBERS, -1)),
        ("backoff", (*NO_NUMBERS, 0, -1)),
        ("jitter", (*NO_NUMBERS, -0.1, 1.1)),
        ("non_retryable", ("KeyError", (5,), (int,), 5, None, KeyError)),
    ],
)
def test_a_retry_policy_that_means_nothing_is_refused(setting: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError, match=rf"^RetryPolicy: {setting}"):
            RetryPolicy(**{setting: value})


def test_a_blueprint_with_delays_beyond_all_bounds_waits_for_the_longest() -> None:
    data = {"id": "a", "uses": "x", "config": {"maxRetries": 2, "retryDelay": 1e308, "retryBackoff": 1e308}}
    blueprint = Blueprint.from_json({"id": "b", "nodes": [data], "edges": []})
    assert FlowRuntime(blueprints=[blueprint], registry={"x": nothing}).run_sync("b").status == "completed"


@pytest.mark.parametrize("count", [*NO_COUNTS, 0], ids=repr)
def test_a_runtime_without_threads_or_concurrency_is_refused(count: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_threads must be a whole number of at least 1"):
        FlowRuntime(max_threads=count)
    flow = create_flow("f").node("a", nothing)
    with pytest.raises(ConfigurationError, match=r"^concurrency must be a whole number of at least 1"):
        FlowRuntime([flow]).run_sync(flow, concurrency=count)


WORKER: dict[str, tuple[Any, ...]] = {
    "concurrency": (*NO_COUNTS, 0),
    "prefetch": (2.5, "2", NAN, -1),
    "visibility": (*NO_NUMBERS, 0, -1),
    "poll": (*NO_NUMBERS, -1),
    "grace": (*NO_NUMBERS, -1),
    "control_interval": (*NO_NUMBERS, 0, -1),
    "reconcile_interval": (*NO_NUMBERS, 0, -1),
    "memory": (*NO_COUNTS, -1, "much", "64 mib", "-1MiB", "1e3MiB", 2**60),
}


@pytest.mark.parametrize("setting", WORKER)
def test_a_worker_with_a_setting_that_means_nothing_is_refused(setting: str) -> None:
    for value in WORKER[setting]:
        with pytest.raises(ConfigurationError, match=rf"^Worker: {setting} must be"):
            Worker(InMemoryBackend(), FlowRuntime(), **{setting: value})
        with pytest.raises(ConfigurationError, match=rf"^Worker: {setting} must be"):
            Adapter(InMemoryBackend, FlowRuntime(), **{setting: value})


def test_a_worker_with_next_to_no_memory_is_refused_since_another_unit_was_meant() -> None:
    for value in (1, 256, "1023KiB"):
        with pytest.raises(
            ConfigurationError, match=r"^Worker: memory is \d+ bytes, which is next to nothing: .* 1MiB"
        ):
            Worker(InMemoryBackend(), FlowRuntime(), memory=value)
    for value in (0, 2**20, "1MiB", "1.5 GB", "256MiB", "0B"):
        Worker(InMemoryBackend(), FlowRuntime(), memory=value)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (0, 0),
        (7, 7),
        ("7B", 7),
        ("1kB", 1_000),
        ("1.5MB", 1_500_000),
        ("2 GB", 2 * 10**9),
        ("1KiB", 1_024),
        ("0.5GiB", 2**29),
    ],
)
def test_sizes_are_read_with_their_units(size: int | str, found: int) -> None:
    assert parse_bytes("size", size) == found


def test_bounds_that_mean_nothing_are_refused() -> None:
    for setting, values in {
        "max_hold": (*NO_NUMBERS, -1),
        "max_steps": (*NO_COUNTS, 0),
        "delivery_limit": (*NO_COUNTS, 0),
    }.items():
        for value in values:
            with pytest.raises(ConfigurationError, match=rf"^Settings: {setting} must be"):
                Settings(**{setting: value})
    for value in (*NO_NUMBERS, 0, -1):
        with pytest.raises(ConfigurationError, match=r"^Reconciler: interval must be"):
            Reconciler(InMemoryBackend(), interval=value)
    for value in NO_COUNTS:
        with pytest.raises(ConfigurationError, match=r"^Reconciler: revivals must be"):
            Reconciler(InMemoryBackend(), revivals=value)


async def test_a_client_refuses_what_means_nothing_before_it_stores_anything() -> None:
    flow = create_flow("f").node("a", nothing)
    surrogate = "\ud83d"
    async with InMemoryBackend() as backend:
        client = Client(backend, flows=[flow])
        for value in NO_DURATIONS:
            with pytest.raises(ConfigurationError, match=r"^Client\.start: delay"):
                await client.start(flow, delay=value)
            with pytest.raises(ConfigurationError, match=r"^Client\.start: timeout"):
                await client.start(flow, timeout=value)
            with pytest.raises(ConfigurationError, match=r"^Client\.purge_older: age"):
                await client.purge_older(value)
        for run_id in (":x", "x" * 301, surrogate, 5, b"x"):
            with pytest.raises(ConfigurationError, match=r"^run id"):
                await client.start(flow, run_id=run_id)  # type: ignore[arg-type]
        for tags in ({surrogate: "a"}, {"a": surrogate}, {"a": 5}):
            with pytest.raises(SerializationError, match="a tag"):
                await client.start(flow, tags=tags)  # type: ignore[arg-type]
        with pytest.raises(SerializationError, match="the name of a context value"):
            await client.start(flow, {surrogate: 1})
        assert [status async for status in client.runs("running")] == []
        run = await client.start(flow, delay="1h", timeout=timedelta(hours=2))
        for value in NO_DURATIONS:
            with pytest.raises(ConfigurationError, match=r"^Client\.wait: timeout"):
                await client.wait(run.run_id, timeout=value)
        with pytest.raises(TimeoutError):
            await client.wait(run.run_id, timeout="0s")
        assert await client.cancel(run.run_id, reason=f"no {surrogate}")
        assert (await client.status(run.run_id)).reason == "no \\ud83d"


def test_a_client_that_is_not_async_takes_the_same_durations() -> None:
    flow = create_flow("f").node("a", nothing)
    with SyncClient(InMemoryBackend, flows=[flow]) as client:
        assert client.start(flow, delay="1h", timeout="2h").created
        with pytest.raises(ConfigurationError, match=r"^Client\.start: delay"):
            client.start(flow, delay="soon")


def test_a_blueprint_with_text_that_cannot_be_stored_is_refused() -> None:
    surrogate = "\ud83d"
    for node in ({"id": f"a{surrogate}", "uses": "x"}, {"id": "a", "uses": "x", "params": {"p": surrogate}}):
        blueprint = Blueprint.from_json({"id": "b", "nodes": [node], "edges": []})
        with pytest.raises(BlueprintError, match="lone surrogate"):
            FlowRuntime(blueprints=[blueprint], registry={"x": nothing})

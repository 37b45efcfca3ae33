"""Retry policies: spacing and what is worth another attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    ConfigurationError,
    FlowRuntime,
    ImplementationMissingError,
    NodeConfig,
    NodeContext,
    RetryAfter,
    RetryPolicy,
    create_flow,
)
from hypothesis import given
from hypothesis import strategies as st


def test_delays_grow_by_the_backoff_up_to_the_longest() -> None:
    policy = RetryPolicy(delay=1, backoff=2, max_delay=10, jitter=0)
    assert [policy.delay_after(attempt, "seed") for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(1, 10**9), st.text(), st.floats(0, 1))
def test_jitter_only_shortens_and_is_the_same_for_the_same_seed(attempt: int, seed: str, jitter: float) -> None:
    policy = RetryPolicy(delay=1, backoff=2, max_delay=60, jitter=jitter)
    full = RetryPolicy(delay=1, backoff=2, max_delay=60, jitter=0).delay_after(attempt, seed)
    delay = policy.delay_after(attempt, seed)
    assert full * (1 - jitter) <= delay <= full
    assert policy.delay_after(attempt, seed) == delay


def test_jitter_spreads_over_instances() -> None:
    policy = RetryPolicy(delay=100, jitter=1)
    delays = sorted(policy.delay_after(1, f"run:{number}") for number in range(200))
    assert delays[0] < 10
    assert delays[-1] > 90


def test_a_blueprint_without_delays_retries_at_once() -> None:
    assert RetryPolicy.from_config(NodeConfig(max_retries=3)).delay_after(2, "seed") == 0
    assert RetryPolicy.from_config(None).max_attempts == 1
    assert RetryPolicy.from_config(NodeConfig(max_retries=0)).max_attempts == 1


@pytest.mark.parametrize(
    ("entry", "expected"), [(KeyError, False), ("KeyError", False), (LookupError, False), ("Other", True)]
)
def test_errors_are_told_apart_by_class_or_name(entry: type[Exception] | str, expected: bool) -> None:
    assert RetryPolicy(non_retryable=(entry,)).retries(KeyError("k")) is expected


def test_a_table_of_delays_is_gone_through_and_its_last_is_kept() -> None:
    policy = RetryPolicy(delays=(1, "2m", timedelta(hours=1)), jitter=0)
    assert policy.max_attempts == 4
    assert [policy.delay_after(attempt, "seed") for attempt in range(1, 6)] == [1, 120, 3600, 3600, 3600]
    assert RetryPolicy(delays=(1,), max_attempts=9).max_attempts == 9
    assert RetryPolicy().max_attempts == 3


def test_a_policy_reads_as_it_was_written() -> None:
    policy = RetryPolicy(delays=("1s", 2), jitter=0.5, retry_if="is_busy", max_deferrals=7)
    written = create_flow("f").node("a", "step", retries=policy).to_blueprint().to_json()
    assert RetryPolicy.from_config(Blueprint.from_json(written).nodes[0].config) == policy
    asked = create_flow("f").node("a", "step", retries=RetryPolicy(retry_if=lambda error: True))
    assert asked.to_blueprint().to_dict()["nodes"][0]["config"]["retryIf"] == "f/a/retry_if"
    assert "f/a/retry_if" in asked.implementations


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delays": "1s"}, "delays takes a sequence of durations"),
        ({"delays": ("soon",)}, "delays must be a number of seconds"),
        ({"delays": (-1,)}, "delays must be a number of seconds"),
        ({"retry_if": 3}, "retry_if takes a plain function"),
        ({"max_deferrals": -1}, "max_deferrals must be a whole number"),
    ],
)
def test_what_means_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RetryPolicy(**settings)


def test_an_async_predicate_is_refused() -> None:
    async def later(error: BaseException) -> bool:
        return True

    with pytest.raises(ConfigurationError, match="plain function"):
        RetryPolicy(retry_if=later)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", ["soon", -1, None, datetime(2026, 1, 1)])  # noqa: DTZ001 - it has no zone
def test_later_is_a_duration_or_a_time_with_a_zone(after: Any) -> None:
    with pytest.raises(ConfigurationError, match="RetryAfter"):
        RetryAfter(after)


def test_later_is_counted_from_now_and_never_negative() -> None:
    assert RetryAfter("2m").delay(now=50.0) == 120
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert RetryAfter(at).delay(now=at.timestamp() - 5) == 5
    assert RetryAfter(at).delay(now=at.timestamp() + 5) == 0
    assert "2m" in str(RetryAfter("2m"))
    assert str(RetryAfter(1, "429")) == "429"


async def test_in_process_a_step_that_asks_for_later_uses_up_no_attempt() -> None:
    seen: list[tuple[int, int]] = []

    async def limited(ctx: NodeContext) -> str:
        seen.append((ctx.attempt, ctx.deferrals))
        if ctx.deferrals < 2:
            raise RetryAfter(0, counts=False)
        if ctx.attempt == 1:
            raise ValueError("once")
        return "sent"

    flow = create_flow("f").node("a", limited, retries=1)
    result = await FlowRuntime([flow]).run(flow)
    assert (result.status, result.outputs) == ("completed", {"a": "sent"})
    assert seen == [(1, 0), (1, 1), (1, 2), (2, 2)]


async def test_a_predicate_that_fails_is_noted_at_the_error_and_means_no() -> None:
    def broken(error: BaseException) -> bool:
        raise LookupError("no idea")

    async def fails(ctx: NodeContext) -> None:
        raise ValueError("first")

    flow = create_flow("f").node("a", fails, retries=RetryPolicy(retry_if=broken, delay=0))
    result = await FlowRuntime([flow]).run(flow)
    (error,) = result.errors
    assert (error.type, error.message, error.attempts) == ("ValueError", "first", 1)
    assert "retry_if of node 'a' has failed on it: LookupError: no idea" in str(error.traceback)


def test_a_predicate_that_is_missing_is_named_before_the_run() -> None:
    flow = create_flow("f").node("a", "step", retries=RetryPolicy(retry_if="is_busy"))
    with pytest.raises(ImplementationMissingError, match="is_busy"):
        FlowRuntime([flow], registry={"step": lambda ctx: 1})

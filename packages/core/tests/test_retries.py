"""Retry policies: spacing and what is worth another attempt."""

from __future__ import annotations

import pytest
from flowcraft_core import NodeConfig, RetryPolicy
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

"""What a limit is, and what its name says."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import Blueprint, BlueprintError, ConfigurationError, Limit, create_flow
from flowcraft_core.errors import UnknownLimitError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.limits import (
    filled,
    free_in,
    holes_in,
    in_turn,
    limit_named,
    limits_by_name,
    look_again_at,
    problem_with,
)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "a"},
        {"name": "", "rate": 1},
        {"name": "a:b", "rate": 1},
        {"name": "a", "rate": 0},
        {"name": "a", "concurrency": 0},
        {"name": "a", "concurrency": 1.5},
        {"name": "a", "concurrency": True},
        {"name": "a", "rate": 1, "per": 0},
        {"name": "a", "rate": 1, "per": float("nan")},
    ],
)
def test_a_limit_that_cannot_mean_anything_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Limit"):
        Limit(given.pop("name"), **given)


def test_two_limits_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two limits 'a'"):
        limits_by_name([Limit("a", rate=1), Limit("a", rate=2)])


def test_a_name_that_is_not_declared_is_told_by_name() -> None:
    with pytest.raises(UnknownLimitError, match="no limit 'openai'; there are: 'a'"):
        limit_named({"a": Limit("a", rate=1)}, "openai:x")


@pytest.mark.parametrize("named", ["", ":x", "a:", "a b", "t:{x}", "t:{context}", "t:{context.a", "t:{output.a}"])
def test_what_can_be_no_limit_says_so(named: str) -> None:
    assert problem_with(named) is not None


@pytest.mark.parametrize("named", ["a", "a:b c", "t:{context.a}", "t:{input}", "t:{input.a.b}-{context.c.d}"])
def test_names_and_keys_are_taken(named: str) -> None:
    assert problem_with(named) is None


def test_a_key_is_filled_in_order() -> None:
    named = "t:{input.a.b}-{context.c}"
    assert holes_in(named) == [("input", ("a", "b")), ("context", ("c",))]
    assert filled(named, ["x", 7]) == "t:x-7"
    assert filled("t:{input}", ["y" * 300]).startswith("t:#")
    with pytest.raises(ConfigurationError, match="is nothing"):
        filled(named, ["x", None])


def test_starts_lapse_so_that_no_more_than_the_rate_begin() -> None:
    assert Limit("a", rate=3, per=1.0).start_places() == (3, 1.0)
    assert Limit("a", rate=100, per=1.0).start_places() == (10, 0.1)
    assert Limit("a", concurrency=3).start_places() == (0, 0.0)


def test_in_one_process_the_oldest_start_says_when_the_next_may_be() -> None:
    limit = Limit("a", rate=2, per=10.0)
    assert free_in([1.0], limit, 2.0) == 0.0
    assert free_in([1.0, 2.0], limit, 3.0) == 8.0
    assert free_in([1.0, 2.0], limit, 11.0) == 0.0


def test_all_places_are_asked_and_not_by_all_in_one_order() -> None:
    assert all(sorted(in_turn(5, text)) == [0, 1, 2, 3, 4] for text in "abcdef")
    assert len({tuple(in_turn(5, str(number))) for number in range(100)}) == 5


def test_what_waits_looks_within_ten_seconds_and_not_all_too_often() -> None:
    for spread in (0.0, 0.5, 0.999):
        now, delays = 1_234.5, list[float]()
        for waited in range(50):
            at = look_again_at(waited, spread, now)
            delays.append(at - now)
            now = at + 0.01  # it was received a moment later
        assert min(delays) > 0.4
        assert max(delays) <= 9.5
        assert sum(delays[3:]) / len(delays[3:]) > 8.5


def test_limits_are_read_and_written_in_json_as_they_stand() -> None:
    for limit in ("openai", ["openai", "tenant:{context.tenant}"]):
        source = {"id": "f", "nodes": [{"id": "a", "uses": "a", "config": {"limit": limit}}], "edges": []}
        assert (
            Blueprint.from_json(source).to_json()
            == Blueprint.from_json(Blueprint.from_json(source).to_json()).to_json()
        )
        assert '"limit"' in Blueprint.from_json(source).to_json()


def test_a_node_that_cannot_keep_to_a_limit_is_refused_by_name() -> None:
    def flow(**config: Any) -> Blueprint:
        return Blueprint.from_json({"id": "f", "nodes": [config], "edges": []})

    with pytest.raises(BlueprintError, match="node 'a': a wait or a sleep"):
        compile_blueprint(flow(id="a", uses="wait", config={"limit": "x"}))
    with pytest.raises(BlueprintError, match="node 'a': limit 'x:'"):
        compile_blueprint(flow(id="a", uses="a", config={"limit": ["x:"]}))
    with pytest.raises(ConfigurationError, match="node 'a': limit must be"):
        create_flow("f").node("a", "a", limit=7)  # type: ignore[arg-type]

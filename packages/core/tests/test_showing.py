"""Whatever a step may return can be looked at, as JSON that every program reads."""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import attrs
import pytest
from flowcraft_core.showing import DEEPEST, as_json, name_of, printable
from hypothesis import given
from hypothesis import strategies as st


class Untold:
    def __repr__(self) -> str:
        raise ValueError("not today")


@attrs.frozen
class Card:
    owner: Any
    token: int = 1


def _refused(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def read(text: str) -> Any:
    text.encode()
    return json.loads(text, parse_constant=_refused)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({("Oslo", 2026): 3}, {"('Oslo', 2026)": 3}),
        (10**5000, hex(10**5000)),
        (-(10**5000), hex(-(10**5000))),
        (10**4299, 10**4299),
        ("caf\udce9 \ud800", "caf\\udce9 \\ud800"),
        ({"\ud800": 1}, {"\\ud800": 1}),
        ([float("nan"), float("inf"), -float("inf"), 1.5], ["NaN", "Infinity", "-Infinity", 1.5]),
        ({2: "a", None: "b", True: "c"}, {"2": "a", "null": "b", "true": "c"}),
        ({1: "a", "1": "b"}, [["1", "a"], ["1", "b"]]),
        ({float("nan"): 1, 10**5000: 2}, {"NaN": 1, hex(10**5000): 2}),
        ({"b", "a"}, ["a", "b"]),
        ((1, (2,)), [1, [2]]),
        (datetime(2026, 5, 1, tzinfo=UTC), "2026-05-01T00:00:00+00:00"),
        (Card({(1, 2): b"x"}), {"owner": {"(1, 2)": "b'x'"}, "token": 1}),
        ([Untold()], ["<Untold that cannot be shown>"]),
        ({(10**5000,): 1}, {"<tuple that cannot be shown>": 1}),
    ],
    ids=itertools.count(),  # by what they are, they could not be told
)
def test_each_value_has_a_form(value: Any, expected: Any) -> None:
    assert read(as_json(value)) == expected
    assert read(as_json({"outputs": {"n": value}}, indent=2)) == {"outputs": {"n": expected}}


def test_what_is_in_itself_or_too_deep_is_cut() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for value in (circle, Card(circle)):
        assert "…" in as_json(value)
    deep: Any = "in"
    for _ in range(DEEPEST):
        deep = (deep,)
    assert '"in"' in as_json(deep)
    assert '"in"' in as_json(deep, indent=2)


_KEYS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.tuples(st.integers())
_VALUES = st.recursive(
    _KEYS | st.binary() | st.datetimes() | st.sets(st.integers()),
    lambda inside: st.lists(inside) | st.dictionaries(_KEYS, inside) | st.builds(Card, inside),
    max_leaves=10,
)


@given(_VALUES)
def test_any_value_is_json(value: Any) -> None:
    assert read(as_json(value)) == printable(value)


@given(st.dictionaries(_KEYS, st.integers()))
def test_no_entry_is_lost(value: Mapping[Any, int]) -> None:
    shown = printable(value)
    entries = list(shown.items()) if isinstance(shown, dict) else [tuple(pair) for pair in shown]
    assert entries == [(name_of(key), each) for key, each in value.items()]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inside: st.lists(inside) | st.dictionaries(st.text("abc"), inside),
    )
)
def test_what_is_json_already_stays_as_it_is(value: Any) -> None:
    assert printable(value) == value

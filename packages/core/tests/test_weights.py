"""What a record weighs: an upper bound of the memory that it takes, and what is kept up to a bound of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from flowcraft_core.durable.weights import MAX_WEIGHT, Weighed, weight_of
from hypothesis import given
from hypothesis import strategies as st

NUMBER = 20_000
RECORDS: dict[str, bytes] = {
    "empty lists": b"[" + b"[]," * NUMBER + b"0]",
    "empty objects": b"[" + b"{}," * NUMBER + b"0]",
    "small objects": b"[" + b'{"":0},' * NUMBER + b"0]",
    "one large object": json.dumps({f"key {number}": number * 1000 for number in range(NUMBER)}).encode(),
    "short texts": json.dumps([f"{number}" for number in range(NUMBER)]).encode(),
    "floats": json.dumps([number / 7 for number in range(NUMBER)]).encode(),
    "whole numbers": json.dumps([number * 10**12 for number in range(NUMBER)]).encode(),
    "rows": json.dumps([{"id": n, "name": f"user{n}", "ok": True, "tags": ["a", "b"]} for n in range(NUMBER)]).encode(),
    "ASCII": json.dumps("x" * 10**6).encode(),
    "Latin": json.dumps("é" * 10**6, ensure_ascii=False).encode(),
    "wide by one character": json.dumps("x" * 10**6 + "😀", ensure_ascii=False).encode(),
    "wide by one escape": json.dumps("x" * 10**6 + "😀").encode(),
}


def _taken(text: bytes) -> int:
    json.loads(text)  # whatever is made once only
    tracemalloc.start()
    try:
        value = json.loads(text)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del value
    return size


@pytest.mark.parametrize("text", RECORDS.values(), ids=RECORDS)
def test_a_weight_is_never_much_less_than_what_is_taken_and_not_far_above(text: bytes) -> None:
    taken, weight = _taken(text), weight_of(text)
    assert taken <= 1.1 * weight
    assert weight <= 5 * taken


def test_commas_and_brackets_within_texts_do_not_count_against_the_limit() -> None:
    table = json.dumps("1,2,[3],{4:5}\n" * 1_000_000).encode()
    assert weight_of(table) < 2 * len(table) < MAX_WEIGHT
    assert weight_of(b"[" + b"[]," * 5_000_000 + b"0]") > MAX_WEIGHT


def test_a_text_without_an_end_is_looked_through_once() -> None:
    """Each of its quotes could begin one: that would take minutes."""
    assert weight_of(b'["' + rb"\"," * 2_000_000, limit=1) > 1


@given(st.binary(max_size=50), st.integers(0, 100))
def test_any_bytes_have_a_weight(text: bytes, limit: int) -> None:
    assert weight_of(text, limit) >= len(text)


def test_what_was_not_asked_for_longest_makes_room() -> None:
    dropped: list[str] = []
    kept: Weighed[str, int] = Weighed(10, dropped.append)
    for name in "abc":
        kept.put(name, 1, 3)
    assert (kept.get("a"), kept.weight, len(kept)) == (1, 9, 3)
    kept.put("d", 1, 4)
    assert (list(kept), dropped, kept.weight) == (["c", "a", "d"], ["b"], 10)
    kept.put("huge", 1, 11)
    assert (list(kept), dropped[-1]) == (["c", "a", "d"], "huge")
    kept.put("a", 2, 1)
    assert (kept.get("a"), kept.weight, kept.weight_of("a"), kept.weight_of("b")) == (2, 8, 1, 0)
    kept.pop("nothing")
    kept.pop("d")
    assert kept.weight == 4


def test_measuring_finds_what_is_taken() -> None:
    """Else the tests above could not fail."""
    value: Any = [[] for _ in range(1000)]
    assert _taken(json.dumps(value).encode()) > 50_000

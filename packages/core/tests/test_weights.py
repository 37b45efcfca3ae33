"""What a record weighs: an upper bound of the memory that it takes; and what values take that are kept."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import numpy as np
import pytest
from flowcraft_core import Serializer
from flowcraft_core.durable.weights import MAX_WEIGHT, looked_at, taken_by, weight_of
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


def _taken(text: bytes, read: Callable[[Any], Any] = lambda data: data) -> int:
    return _made(text, read)[1]


def _made(text: bytes, read: Callable[[Any], Any]) -> tuple[Any, int]:
    """What is read of a text, and the memory that it takes, as Python counts it."""
    read(json.loads(text))  # whatever is made once only
    tracemalloc.start()
    try:
        value = read(json.loads(text))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return value, size


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


@attrs.define
class Point:
    """A class of a user's, with slots."""

    x: int
    name: str


class Plain:
    """A class of a user's, without."""

    def __init__(self, x: int, name: str) -> None:
        """Be so."""
        self.x, self.name = x, name


VALUES: dict[str, Any] = {
    "a text": "x" * 4_800_000,
    "a text of commas": "1,2,[3],{4:5}\n" * 100_000,
    "prose": 'Lorem, ipsum: dolor, sit amet. "Quoted"\n' * 50_000,
    "a wide text": "x" * 10**6 + "😀",
    "texts": ["Lorem, ipsum: dolor, sit amet, " * 3 + str(n) for n in range(NUMBER)],
    "short texts": [f"{number}" for number in range(NUMBER)],
    "rows": [{"id": n, "name": f"user{n}", "ok": True, "tags": ["a", "b"]} for n in range(NUMBER)],
    "wide rows": [{f"column {at}": f"{n}-{at}" for at in range(40)} for n in range(NUMBER // 20)],
    "orders": [{"id": n * 1_000, "lines": [{"sku": f"A-{n}", "price": n / 7}], "of": None} for n in range(NUMBER)],
    "one large object": {f"key {number}": number * 1_000 for number in range(NUMBER)},
    "nested lists": [[[i * 1_000 + j for j in range(10)] for i in range(10)] for _ in range(NUMBER // 50)],
    "deep lists": [[[[[[n * 1_000]]]]] for n in range(NUMBER)],
    "empty lists": [[] for _ in range(NUMBER)],
    "whole numbers": [number * 10**12 for number in range(NUMBER)],
    "small numbers": [number % 100 for number in range(NUMBER)],
    "floats": [number / 7 for number in range(NUMBER)],
    "names and numbers in turn": [each for n in range(NUMBER) for each in (f"name {n}", n * 1_000)],
    "bytes": bytes(2 * 10**6),
    "many bytes": [bytes([number % 256]) * 50 for number in range(NUMBER)],
    "times": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(NUMBER)],
    "decimals": [Decimal(number) / 7 for number in range(NUMBER)],
    "pairs": [(number * 1_000, f"n{number}") for number in range(NUMBER)],
    "sets": [{number, number * 1_000} for number in range(NUMBER)],
    "points": [Point(number * 1_000, f"n{number}") for number in range(NUMBER)],
    "an array": np.arange(500_000, dtype=float),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_is_kept_counts_as_what_it_takes_within_a_factor_of_two(value: Any) -> None:
    serializer = Serializer([Point])
    text = json.dumps(serializer.to_data(value), ensure_ascii=False, separators=(",", ":")).encode()
    made, taken = _made(text, serializer.from_data)
    assert taken / 2 <= taken_by([made], weight_of(text)) <= 2 * taken


def test_few_members_that_are_unlike_the_others_are_off_by_no_more_than_the_text_says() -> None:
    value = [[0] for _ in range(NUMBER)]
    value[NUMBER // 2 + 1] = [number * 1_000 for number in range(50 * NUMBER)]
    text = json.dumps(value, separators=(",", ":")).encode()
    made, taken = _made(text, Serializer().from_data)
    assert looked_at([made]) < taken / 8
    assert taken / 5 <= taken_by([made], weight_of(text))


def test_what_is_shared_counts_once_and_what_leads_back_to_itself_ends() -> None:
    shared = ["x" * 1_000]
    assert looked_at([[shared, shared], shared]) < 1_500
    ring: list[Any] = []
    ring.append(ring)
    assert looked_at([ring]) < 200
    assert looked_at([None, True, 7, print, int]) < 200


def test_an_object_that_cannot_say_what_it_takes_is_no_trouble() -> None:
    class Odd:
        __slots__ = ("never_set",)

        def __sizeof__(self) -> int:
            raise ValueError("no")

        @property
        def nbytes(self) -> int:
            raise ValueError("no")

    assert looked_at([Odd()]) >= 0
    assert 1_000 < looked_at([Plain(1, "x" * 1_000)]) < 2_000


def test_to_weigh_costs_the_same_however_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def count(thing: Any, *default: int) -> int:
        nonlocal looked
        looked += 1
        return 100

    monkeypatch.setattr("flowcraft_core.durable.weights.getsizeof", count)
    looked_at([[[[n] * 100 for n in range(100)] for _ in range(100)]])
    assert 500 < looked < 3_000


@given(st.binary(max_size=50), st.integers(0, 100))
def test_any_bytes_have_a_weight(text: bytes, limit: int) -> None:
    assert weight_of(text, limit) >= len(text)


def test_measuring_finds_what_is_taken() -> None:
    """Else the tests above could not fail."""
    value: Any = [[] for _ in range(1000)]
    assert _taken(json.dumps(value).encode()) > 50_000

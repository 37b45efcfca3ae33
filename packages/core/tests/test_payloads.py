"""The default codec: small records stay readable, large ones shrink, damaged ones are refused within bounds."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from flowcraft_core.errors import SerializationError
from flowcraft_core.payloads import CompressingCodec, old_place_of, place_of
from hypothesis import example, given
from hypothesis import strategies as st


@given(st.binary(max_size=200), st.integers(0, 200))
def test_what_is_encoded_is_decoded(data: bytes, threshold: int) -> None:
    codec = CompressingCodec(threshold=threshold)
    assert codec.decode(codec.encode(data, place="p"), place="p") == data


def test_small_records_stay_readable_and_large_ones_shrink() -> None:
    codec = CompressingCodec(threshold=100)
    assert codec.encode(b'{"a":1}', place="p").endswith(b'{"a":1}')
    assert len(codec.encode(b"a" * 10_000, place="p")) < 100


@given(st.binary(max_size=60))
def test_what_was_not_encoded_is_refused_or_harmless(data: bytes) -> None:
    codec = CompressingCodec(max_bytes=1000)
    try:
        assert len(codec.decode(data, place="run key")) <= 1000
    except SerializationError as error:
        assert "run key" in str(error)  # noqa: PT017 - either answer is right, and one must name the record


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = b"\x01" + zlib.compress(b"\x00" * 50_000_000)
    with pytest.raises(SerializationError, match="more than 1000 bytes"):
        CompressingCodec(max_bytes=1000).decode(bomb, place="p")


# --- places -----------------------------------------------------------------------------------------------------------

NAMES = st.text(alphabet="ab /%:\x00\ud800é", max_size=4)
PARTS = st.tuples(NAMES, NAMES, st.sampled_from(["fact", "value"]))


@given(PARTS, PARTS)
@example(("x", "y z", "fact"), ("x y", "z", "fact"))
@example(("a/b", "c", "fact"), ("a", "b/c", "fact"))
@example(("a%2F", "b", "fact"), ("a/", "b", "fact"))
@example(("a", "b", "fact"), ("a", "b", "value"))
def test_each_place_has_a_name_of_its_own(one: Any, other: Any) -> None:
    assert (place_of(*one) == place_of(*other)) is (one == other)


@given(PARTS, NAMES, NAMES)
def test_no_place_is_called_as_one_was_before(place: Any, run_id: str, key: str) -> None:
    assert place_of(*place) != old_place_of(run_id, key)


def test_a_record_that_was_left_empty_is_not_taken_for_another_codecs() -> None:
    with pytest.raises(SerializationError, match="'run key' is empty: its store has written a half of it"):
        CompressingCodec().decode(b"", place="run key")

import pytest
from flowcraft_azure._names import (
    MAX_ID,
    MAX_PARTITION_BYTES,
    document_id,
    is_hashed,
    key_of,
    may_be_id,
    partition_key,
)
from flowcraft_testkit.contracts.hostile import LONG_KEYS, LONG_RUN_IDS, TEXTS
from hypothesis import given
from hypothesis import strategies as st

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)


def test_ids_are_what_cosmos_db_takes() -> None:
    for key in (*TEXTS, *LONG_KEYS, *LONG_RUN_IDS):
        id_ = document_id("fact", key)
        assert may_be_id(id_)
        assert id_.isascii()
        assert len(id_) <= MAX_ID


@given(names, names)
def test_no_two_keys_have_one_id(one: str, other: str) -> None:
    assert (document_id("fact", one) == document_id("fact", other)) is (one == other)
    assert document_id("fact", one) != document_id("value", one)


@given(names)
def test_the_key_can_be_read_from_an_id_that_is_no_hash(key: str) -> None:
    id_ = document_id("fact", key)
    assert is_hashed(id_) or key_of(id_) == key


@given(names, names)
def test_no_two_runs_have_one_partition(one: str, other: str) -> None:
    assert (partition_key(one) == partition_key(other)) is (one == other)
    assert len(partition_key(one).encode()) <= MAX_PARTITION_BYTES


def test_a_run_cannot_pass_for_the_hash_of_another() -> None:
    long = "r" * 200
    assert partition_key(partition_key(long)) != partition_key(long)
    assert document_id("fact", key_of(document_id("fact", "~~0"))) == document_id("fact", "~~0")


def test_ids_that_differ_only_where_they_are_cut_stay_apart() -> None:
    ends = [document_id("fact", "😀" * 400 + end) for end in "ab"]
    assert ends[0] != ends[1]
    assert all(is_hashed(id_) and len(id_) <= MAX_ID for id_ in ends)


@pytest.mark.parametrize(
    ("text", "may"), [("run-1", True), ("a/b", False), ("a#", False), ("a ", False), ("", False), ("é" * 512, False)]
)
def test_what_people_can_have_written(text: str, may: bool) -> None:
    assert may_be_id(text) is may

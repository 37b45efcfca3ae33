import pytest
from flowcraft_postgres._texts import escaped, in_full, indexed, unescaped
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.one_of(st.sampled_from("\0\x100h\\a"), st.characters(exclude_categories=["Cs"])))


@given(texts)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    stored = escaped(text)
    assert "\0" not in stored
    assert unescaped(stored) == text


@given(st.lists(texts, unique=True))
def test_no_two_texts_are_stored_as_one(given_texts: list[str]) -> None:
    assert len({indexed(text) for text in given_texts}) == len(given_texts)


def test_what_people_write_is_stored_as_they_wrote_it() -> None:
    for text in ("order-17", '{"runId": "a\\u0000b"}', "日本語", "a\\0", ""):
        assert escaped(text) == text == unescaped(text)


@pytest.mark.parametrize("stored", ["\x10", "a\x10", "\x10x", "\x10habc"])
def test_what_nobody_of_ours_has_written_stays_as_it_is(stored: str) -> None:
    assert unescaped(stored) == stored


def test_a_long_name_fits_into_an_index_and_is_kept_in_full_beside_it() -> None:
    names = ["k" * 1_999 + end for end in "12"] + ["😀" * 2_000, "\0" * 2_000, "k" * 1_001]
    assert all(len(indexed(name).encode()) <= 1_000 for name in names)
    assert len({indexed(name) for name in names}) == len(names)
    assert [unescaped(in_full(name) or "") for name in names] == names
    assert in_full("short") is None
    assert indexed("k" * 1_000) == "k" * 1_000


def test_a_digest_is_no_names_own() -> None:
    digest = indexed("k" * 2_000)
    assert indexed(digest) != digest


@pytest.mark.parametrize("text", ["\ud800", "a\udcff", "k" * 3_000 + "\ud800"])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    for store in (escaped, indexed, in_full):
        with pytest.raises(ValueError, match="surrogate"):
            store(text)

from __future__ import annotations

import asyncio
import pickle

import pytest
from flowcraft_core import create_flow
from flowcraft_core.errors import BackendError, BlueprintError, ConfigurationError, TransientError, raise_together


def test_nothing_is_raised_if_nothing_was_found() -> None:
    raise_together([])


def test_one_is_raised_as_it_is() -> None:
    error = ConfigurationError("a")
    with pytest.raises(ConfigurationError) as caught:
        raise_together([error])
    assert caught.value is error


@pytest.mark.parametrize("kind", [BackendError, ConfigurationError, TransientError])
def test_several_of_a_kind_are_one_of_it_with_a_line_each(kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^a\nb$") as caught:
        raise_together([kind("a"), kind("b")])
    assert type(caught.value) is kind


def test_what_is_met_twice_is_told_once() -> None:
    with pytest.raises(BackendError, match=r"^a$"):
        raise_together([BackendError("a"), BackendError("a")])


def test_of_several_kinds_what_must_be_mended_comes_first() -> None:
    with pytest.raises(BackendError, match=r"^b\nc$") as caught:
        raise_together([TransientError("a"), BackendError("b"), ConfigurationError("c")])
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize("other", [ZeroDivisionError("x"), asyncio.CancelledError()])
def test_what_nobody_raised_on_purpose_comes_before_all(other: BaseException) -> None:
    with pytest.raises(type(other)) as caught:
        raise_together([BackendError("a"), other])
    assert caught.value is other


def test_a_refused_blueprint_is_told_of_by_another_process_as_well() -> None:
    with pytest.raises(BlueprintError) as caught:
        create_flow("f").node("a", lambda ctx: 1).edge("a", "nowhere").to_blueprint()
    told = pickle.loads(pickle.dumps(caught.value))
    assert (str(told), told.blueprint_id, told.problems) == (str(caught.value), "f", caught.value.problems)

"""What the model of drawn clauses takes for possible when a connection was cut."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core.ports import Fact
from flowcraft_testkit.contracts.model import Knowledge, Part
from flowcraft_testkit.contracts.model.records import ContextModel

OLD, NEW = Fact(b"old", "writer 1"), Fact(b"new", "writer 2")
KEY = ("fact", "run", "a")


def _part(name: str, client: int, given: Any = None, answer: Any = None) -> Part:
    return Part(KEY, name, given, client, answer, 0.0, 0.0)


def _knowing_old() -> Knowledge:
    knowledge = Knowledge(ContextModel(0.0))
    assert knowledge.take_in([_part("put", 1, OLD)]) is None
    return knowledge


@pytest.mark.parametrize("stands", [NEW, None])
def test_whoever_asks_again_has_been_there_before_and_after_another(stands: Fact | None) -> None:
    """Delete, put, and the delete again: the put was answered that nothing stood, and nothing stands."""
    knowledge = _knowing_old()
    parts = [_part("put", 1, NEW).asked_again(), _part("delete", 2).asked_again()]
    assert knowledge.take_in(parts) is None
    assert knowledge.take_in([_part("read", 1, answer=stands)]) is None


def test_whoever_does_not_ask_again_has_been_there_once() -> None:
    knowledge = _knowing_old()
    assert knowledge.take_in([_part("put", 1, NEW), _part("delete", 2)]) is None
    assert "cannot be" in (knowledge.take_in([_part("read", 1)]) or "")


def test_nothing_of_an_answered_call_is_carried_out_later() -> None:
    knowledge = _knowing_old()
    assert knowledge.take_in([_part("delete", 2).asked_again()]) is None
    assert knowledge.take_in([_part("put", 1, NEW)]) is None
    assert "cannot be" in (knowledge.take_in([_part("read", 1)]) or "")


def test_what_was_carried_out_twice_was_answered_after_the_second_time() -> None:
    """A put that was refused, by what a delete then took away, is not carried out after it."""
    knowledge = _knowing_old()
    assert knowledge.take_in([_part("put", 1, NEW, OLD).asked_again(), _part("delete", 2)]) is None
    assert "cannot be" in (knowledge.take_in([_part("read", 1, answer=NEW)]) or "")

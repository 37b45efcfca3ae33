"""How often a worker's program looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from flowcraft_core.durable import collect_seldom


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(("before", "after"), [(700, 5_000), (2_000, 5_000), (50_000, 50_000), (0, 0)])
def test_garbage_is_looked_for_less_often_where_nobody_has_said_so_or_more(before: int, after: int) -> None:
    gc.set_threshold(before, 7, 9)
    older = gc.get_threshold()[1:]
    collect_seldom()
    assert gc.get_threshold() == (after, *older)

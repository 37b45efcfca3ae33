"""A mistake is found wherever it lies: in a loop, a batch, a called flow, behind a failure, one inside another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from flowcraft_core.linting import lint
from hypothesis import given, settings
from hypothesis import strategies as st

from . import planting
from .mistakes import BEFORE, MISTAKES
from .planting import AROUND, Around, Place


def check(name: str, around: Sequence[Around]) -> None:
    mistake = MISTAKES[name]
    places: list[Place] = []

    def make(place: Place) -> None:
        places.append(place)
        mistake.make(place)

    told = lint(lambda: planting.host(around, make))
    kinds = {problem.code for problem in told} - mistake.also
    node = places[-1].at if mistake.node is BEFORE else mistake.node
    where = " in ".join([name, *(each.__name__ for each in reversed(around))])
    assert kinds <= mistake.codes, f"{where}: {[str(problem) for problem in told]}"
    if len(mistake.codes) > 1 and planting.in_a_loop in around:
        assert told, where  # all of the outer loop is taken for the inner one's body, and told to leave or enter it
        return
    found = [(problem.flow, problem.node) for problem in told if problem.code in mistake.codes]
    flow = planting.flow_of(around)
    assert (flow, node) in found or (None, node) in found, f"{where}: it is not told at {node!r} of {flow!r}: {found}"


@pytest.mark.parametrize("around", [(), *((each,) for each in AROUND)])
def test_nothing_is_found_where_nothing_is_planted(around: Sequence[Around]) -> None:
    assert lint(planting.host(around, lambda place: None)) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_found_at_the_top_and_in_all_that_flows_are_made_of(name: str) -> None:
    for around in [(), *((each,) for each in AROUND)]:
        check(name, around)


@settings(max_examples=60)
@given(name=st.sampled_from(sorted(MISTAKES)), around=st.lists(st.sampled_from(AROUND), min_size=2, max_size=4))
def test_it_is_found_however_deep_it_lies(name: str, around: list[Around]) -> None:
    check(name, around)


@settings(max_examples=30)
@given(around=st.lists(st.sampled_from(AROUND), min_size=2, max_size=4))
def test_nothing_is_found_in_deep_flows_where_nothing_is_planted(around: list[Around]) -> None:
    assert lint(planting.host(around, lambda place: None)) == []

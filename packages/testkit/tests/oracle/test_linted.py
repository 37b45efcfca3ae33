"""What the linter says of drawn flows is true of their runs: nobody is told of a mistake that is none."""

from __future__ import annotations

import logging

import pytest
from flowcraft_core.linting import lint
from flowcraft_testkit.oracle.described import Described, in_process
from flowcraft_testkit.oracle.drawing import draw

SEEDS = range(60)


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "flowcraft")


@pytest.mark.usefixtures("_quiet")
def test_what_never_runs_never_does_and_actions_that_are_never_given_are_not() -> None:
    told = 0
    for seed in SEEDS:
        described = Described.of(draw(seed).flow)
        problems = lint(described.runtime)
        assert [problem for problem in problems if problem.rule.severity == "error"] == [], seed
        trace = in_process(described).trace
        ran, given = {entry.node_id for entry in trace}, {(entry.node_id, entry.action) for entry in trace}
        actions = {
            (edge.source, edge.target): edge.action for each in described.blueprints.values() for edge in each.edges
        }
        for problem in problems:
            if problem.code in ("FC122", "FC123"):  # unreachable, join-never-fires
                assert problem.node not in ran, (seed, str(problem))
                told += 1
            if problem.code == "FC126":  # unknown-action
                assert problem.edge is not None
                assert (problem.edge[0], actions[problem.edge]) not in given, (seed, str(problem))
                told += 1
    assert told > 50

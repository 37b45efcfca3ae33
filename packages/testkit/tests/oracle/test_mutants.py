"""The oracle sees the defects that were once in the engine, though each shows in a few graphs and schedules only."""

from __future__ import annotations

import pytest
from flowcraft_testkit.mutants import MUTANTS
from flowcraft_testkit.oracle import find_with_oracle

# Of each defect a seed that shows it, found by going through some thousands.
SEEN = {
    "reconciler.LeavesJoinsUnclaimed": 23,
    "engine.LoserCountedTwice": 16,
    "engine.PassTakenForGranted": 15,
    "engine.LoopWithoutItsEntry": 1,
    "engine.LoopThatLedNowhere": 503,
    "engine.WaitsSeeNoContext": 7,
}


@pytest.mark.parametrize("name", SEEN)
def test_a_defect_that_was_once_there_is_seen(name: str) -> None:
    (mutant,) = (each for each in MUTANTS if each.name == name)
    assert find_with_oracle(mutant, [SEEN[name]]) is not None

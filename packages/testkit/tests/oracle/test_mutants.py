"""The oracle sees the defects that were once in the engine, though each shows in a few graphs and schedules only."""

from __future__ import annotations

import pytest
from flowcraft_testkit.mutants import MUTANTS
from flowcraft_testkit.oracle import find_with_oracle

# Of each defect seeds that have shown it, found by going through some thousands. What is drawn of a schedule follows
# from the requests that are made: a change of the engine may take the defect out of one of them, and hardly out of all.
SEEN = {
    "reconciler.LeavesJoinsUnclaimed": (529, 777, 987),
    "engine.LoserCountedTwice": (16, 45, 47),
    "engine.PassTakenForGranted": (15, 19, 113, 192),
    "engine.LoopWithoutItsEntry": (1, 7, 12),
    "engine.LoopThatLedNowhere": (503,),
    "engine.WaitsSeeNoContext": (69, 116, 138),
    "engine.AnswerOverlooked": (12, 17, 18),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_defect_that_was_once_there_is_seen(name: str) -> None:
    (mutant,) = (each for each in MUTANTS if each.name == name)
    assert find_with_oracle(mutant, SEEN[name]) is not None

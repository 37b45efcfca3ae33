"""The oracle sees what is wrong, says how to see it again, and sees nothing where nothing is wrong."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
import pytest
from flowcraft_core.graph import decisions
from flowcraft_core.graph.facts import Outcome
from flowcraft_testkit.oracle import CONSTRUCTS, Hunt, draw, find_with_oracle, try_seed
from flowcraft_testkit.oracle import __main__ as program
from flowcraft_testkit.oracle.described import Described, in_process
from flowcraft_testkit.oracle.flows import Edge, Flow, Loop, Step, Turn
from flowcraft_testkit.oracle.judging import judge
from flowcraft_testkit.oracle.stage import Performed, perform
from flowcraft_testkit.oracle.trying import Tried, dice_of, show
from flowcraft_testkit.oracle.weather import MAX_STEPS

#: Seeds with which nothing is wrong.
SOUND = tuple(range(24))


def performed(seed: int) -> tuple[Described, Performed]:
    described = Described.of(draw(seed).flow)
    return described, perform(described, dice_of(seed))


@pytest.mark.parametrize("seed", SOUND)
def test_sees_nothing_where_nothing_is_wrong(seed: int) -> None:
    assert try_seed(seed).problems == []


def test_the_same_seed_gives_the_same_run() -> None:
    (_, one), (_, other) = performed(SOUND[0]), performed(SOUND[0])
    assert one.lines == other.lines


class TestTheModel:
    def test_agrees_with_a_run_on_which_nothing_goes_wrong(self) -> None:
        for seed in SOUND:
            described, run = performed(seed)
            assert judge(described, None, run) == []

    def test_knows_a_wrong_output(self) -> None:
        described, run = completed()
        key = next(key for key, outcome in run.facts.outcomes.items() if isinstance(outcome.output, dict))
        run.facts.outcomes[key] = attrs.evolve(run.facts.outcomes[key], output={"v": "wrong"})
        assert any("output" in problem.kind for problem in judge(described, None, run))

    def test_knows_an_edge_that_should_not_have_been_taken(self) -> None:
        described, run = completed()
        key = next(key for key, outcome in run.facts.outcomes.items() if outcome.taken)
        run.facts.outcomes[key] = attrs.evolve(run.facts.outcomes[key], taken={})
        assert any("taken" in problem.kind for problem in judge(described, None, run))

    def test_knows_an_instance_that_cannot_be(self) -> None:
        described, run = completed()
        run.facts.outcomes["stranger"] = Outcome(output=1)
        assert any("does not know" in problem.kind for problem in judge(described, None, run))

    def test_knows_a_wrong_status(self) -> None:
        described, run = completed()
        assert run.status is not None
        wrong = attrs.evolve(run, status=attrs.evolve(run.status, state="failed", reason="for no reason"))
        kinds = {problem.kind for problem in judge(described, None, wrong)}
        assert "failed without a scripted failure" in kinds
        assert "status is failed, by the model completed" in kinds

    def test_knows_a_run_that_does_not_end(self) -> None:
        described, run = completed()
        assert run.status is not None
        wrong = attrs.evolve(run, status=attrs.evolve(run.status, state="running"))
        assert any(problem.kind.startswith("no end") for problem in judge(described, None, wrong))

    def test_ends_a_loop_at_a_pass_whose_end_a_contained_failure_blocks(self) -> None:
        nodes = (Step("a"), Step("f", (Turn(fails=True),)), Step("k", join="any"), Step("e"))
        edges = (
            Edge("a", "f"),
            Edge("a", "k"),
            Edge("f", "k"),
            Edge("k", "e"),
            Edge("f", "e", None, "false", None, "failure"),
        )
        loop = Loop("l", Flow("body", nodes, edges), end="e", condition="true")
        described = Described.of(Flow("oracle", (Step("s"), loop), (Edge("s", "l"),)))
        run = perform(described, dice_of(SOUND[0]))
        assert run.status is not None
        assert (run.status.state, in_process(described).status) == ("completed", "completed")
        assert judge(described, None, run) == []

    def test_holds_a_plain_flow_to_the_in_process_run(self) -> None:
        seed = next(seed for seed in SOUND if draw(seed).plain)
        described, run = performed(seed)
        expected = in_process(described)
        assert judge(described, expected, run) == []
        expected.outputs["another"] = 1
        assert [p.kind for p in judge(described, expected, run)] == ["outputs differ from in process"]


def completed() -> tuple[Described, Performed]:
    """A run that completed and took an edge."""
    for seed in SOUND:
        described, run = performed(seed)
        outcomes = run.facts.outcomes.values()
        if run.status is not None and run.status.state == "completed" and any(outcome.taken for outcome in outcomes):
            return described, run
    raise AssertionError("none of the sound seeds completes")


# --- mutants ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Broken:
    """A defect of a program, as ``Mutant`` describes one."""

    patches: tuple[tuple[Any, str, Any], ...]
    spoil: None = None


def _takes_every_edge(scope: Any, vertex: Any, output: Any, *rest: Any, **options: Any) -> Any:
    return {link.place: output for link in vertex.out}


class TestMutants:
    def test_one_that_takes_edges_whose_condition_does_not_hold_is_found(self) -> None:
        mutant = Broken(((decisions, "take_edges", _takes_every_edge),))
        found = find_with_oracle(mutant, SOUND)
        assert found is not None
        assert "taken" in " ".join(problem.kind for problem in found.problems)
        assert f"--seed {found.seed}" in found.report

    def test_what_is_sound_is_not(self) -> None:
        assert find_with_oracle(Broken(()), SOUND[:4]) is None


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_one_line_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    code = program.main(["--seeds", "2", "--from", str(SOUND[0]), "--jobs", "1", "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    numbers = json.loads(line)
    assert code == (0 if numbers["ok"] else 1)
    assert numbers["runs"] == 2
    assert numbers["seeds"] == [SOUND[0], SOUND[0] + 2]
    assert sum(numbers["max_steps"].values()) == 2
    assert numbers.keys() >= {"ok", "runs", "differences", "constructs", "weaknesses", "seconds"}


def test_a_hunt_that_has_tried_too_little_is_not_ok() -> None:
    """Each construct is in half of the flows, and each number of steps is drawn, where there are runs enough to say."""
    found = Hunt()
    for seed in range(1000):
        found.add(Tried(seed=seed, problems=[], constructs=set(CONSTRUCTS), max_steps=MAX_STEPS[seed % 3]))
    assert found.summary()["ok"]
    rare = next(iter(CONSTRUCTS))
    for seed in range(1001):
        found.add(Tried(seed=seed, problems=[], constructs=set(CONSTRUCTS) - {rare}, max_steps=MAX_STEPS[0]))
    assert (found.summary()["ok"], found.rare, found.undrawn) == (False, [rare], [])
    found = Hunt(runs=1000, constructs=Counter(dict.fromkeys(CONSTRUCTS, 1000)), max_steps=Counter({1: 600, 3: 400}))
    assert (found.summary()["ok"], found.rare, found.undrawn) == (False, [], [500])


def test_one_seed_is_shown_with_its_trace() -> None:
    text, is_right = show(SOUND[0])
    assert is_right
    assert "worker-1" in text
    assert f"--seed {SOUND[0]}" in text

"""Edges on failure and always, rule by rule: what is taken, handled, contained, unneeded, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import Blueprint, Edge, FlowBuilder, Node, create_flow
from flowcraft_core.errors import BlueprintError, ConfigurationError
from flowcraft_core.graph import decisions
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import OUTPUT, NodeError, Outcome
from flowcraft_core.graph.failures import errors_of
from flowcraft_core.graph.instances import Phase
from flowcraft_core.graph.records import outcome_from_record, outcome_to_record
from flowcraft_core.graph.scopes import Graph
from flowcraft_core.graph.state import RunState

from .by_hand import ByHand


def step(_: Any) -> Any:
    """Never runs: the tests end the steps themselves."""


def flow(*nodes: str, join: str = "") -> FlowBuilder:
    """Steps; that of the name ``join`` joins any of its edges."""
    built = create_flow("f")
    for node in nodes:
        built.node(node, step, join="any" if node == join else None)
    return built


def error_of(key: str) -> dict[str, Any]:
    return {"node": key, "type": "ValueError", "message": "no", "attempts": 1}


class TestAFailure:
    def test_takes_its_edges_on_failure_and_skips_the_others(self) -> None:
        run = ByHand(flow("a", "b", "c", "d").edge("a", "b").edge("a", "c", on="failure").edge("b", "d").edge("c", "d"))
        run.fail("a")
        assert (run.ready, run.dead, run.blocked, run.errors) == ({"c"}, {"b"}, set(), [])
        assert run.input_of("c") == error_of("a")
        assert run.end_all("c", "d").status == "completed"
        assert run.outputs == {"c": "c", "d": "d"}

    def test_is_as_without_such_edges_where_no_condition_holds(self) -> None:
        run = ByHand(flow("a", "b", "c").edge("a", "b").edge("a", "c", on="failure", condition="error.type == 'E'"))
        assert run.fail("a").status == "failed"
        assert run.errors == ["a"]

    def test_that_is_contained_and_not_handled_blocks_its_edges_on_failure_too(self) -> None:
        built = (
            flow("a", "b", "c", "j", join="j")
            .edge("a", "j")
            .edge("b", "j")
            .edge("a", "c", on="failure", condition="false")
        )
        run = ByHand(built).fail("a")
        assert (run.blocked, run.status) == ({"a", "c"}, "running")
        assert run.end_all("b", "j").status == "completed"

    def test_is_not_contained_by_where_its_edges_on_failure_lead(self) -> None:
        run = ByHand(flow("a", "b", "j", join="j").edge("a", "j", on="failure", condition="false").edge("b", "j"))
        assert run.fail("a").status == "failed"

    def test_chooses_among_several_edges_by_its_error(self) -> None:
        built = flow("a", "b", "c").edge(
            "a", "b", on="failure", condition="error.message == 'no' && error.attempts == 1"
        )
        run = ByHand(built.edge("a", "c", on="failure", condition="error.type == 'KeyError'")).fail("a")
        assert (run.ready, run.dead) == ({"b"}, {"c"})

    def test_leaves_an_edge_untaken_whose_expression_fails_and_says_so(self) -> None:
        built = flow("a", "b", "c").edge("a", "b", on="failure", condition="error.type > 1")
        run = ByHand(built.edge("a", "c", on="failure", transform="error.type * 2"))
        instance = run.state.root.at(run.state.root.scope.by_id["a"])
        outcome = decisions.fail(*instance, NodeError("a", "a", "ValueError", "no"))
        assert (outcome.taken, sorted(outcome.untaken or {})) == ({}, [0, 1])
        assert "edge 'a' -> 'b': condition" in (outcome.untaken or {})[0]
        assert outcome_from_record(outcome_to_record(outcome, lambda value: value), lambda value: value) == outcome

    def test_of_another_node_skips_the_edges_on_failure_of_what_it_blocks(self) -> None:
        built = flow("r", "a", "b", "c", "j", "x", join="j").edge("r", "a").edge("a", "j").edge("x", "j")
        run = ByHand(built.edge("a", "c", on="failure").edge("a", "b", on="always")).fail("r")
        assert run.status == "failed"  # by way of b, which is no way that only a failure opens
        other = flow("r", "a", "c", "j", "x", join="j").edge("r", "a").edge("a", "j").edge("x", "j")
        run = ByHand(other.edge("a", "c", on="failure")).fail("r")
        assert (run.dead, run.blocked) == ({"c"}, {"r", "a"})


class TestAPassWhoseEndIsBlocked:
    """By a failure that is contained inside: the way on from it that a failure opens was not taken."""

    @staticmethod
    def run() -> ByHand:
        built = flow("s", "o", "a", "f", "k", "e", "y", "x", join="k").loop("l", start="a", end="e", condition="true")
        built.edge("s", "a").edge("a", "f").edge("a", "k").edge("f", "k").edge("k", "e")
        built.edge("f", "e", on="failure", condition="false").edge("l", "y").edge("l", "x").edge("s", "o").edge(
            "o", "x"
        )
        return ByHand(built).end_all("s", "l[0].a")

    @pytest.mark.parametrize("fails_first", [True, False])
    def test_ends_its_loop_which_is_dead(self, fails_first: bool) -> None:
        run = self.run()
        if fails_first:
            run.fail("l[0].f").end("l[0].k")
        else:
            run.end("l[0].k").fail("l[0].f")
        assert run.blocked == {"l[0].f", "l[0].e", "l[0]"}
        assert (run.dead, run.ready, run.status) == ({"l", "y"}, {"o"}, "running")

    def test_holds_up_no_join_behind_its_loop(self) -> None:
        run = self.run().fail("l[0].f").end_all("l[0].k", "o")
        assert run.ready == {"x"}
        assert run.input_of("x") == {"o": "o"}
        assert (run.end("x").status, run.errors) == ("completed", [])


class TestAPassInWhichAFailureIsNeitherHandledNorContained:
    """It is its loop's last, also where its verdict is to go on."""

    @staticmethod
    def beside() -> FlowBuilder:
        """A loop that goes on; a failure in its body blocks what has edges on failure alone, and no more."""
        built = flow("a", "x", "y", "e").loop("l", start="a", end="e", condition="true")
        return built.edge("a", "x").edge("a", "e").edge("x", "y").edge("y", "e", on="failure")

    @pytest.mark.parametrize("fails_first", [True, False])
    def test_whenever_the_verdict_is_given(self, fails_first: bool) -> None:
        built = flow("a", "x", "e", "h", "o", join="e").loop("l", start="a", end="e", condition="true").edge("a", "x")
        built.edge("a", "e").edge("x", "e", on="failure", condition="error.type == 'E'")
        run = ByHand(built.edge("l", "h", on="always").edge("l", "o")).end("l[0].a")
        if fails_first:
            run.fail("l[0].x").end("l[0].e")
        else:
            assert run.end("l[0].e").ready == {"l[0].x"}
            run.fail("l[0].x")
        assert (run.ready, run.dead, run.input_of("h")) == ({"h"}, {"o"}, error_of("l[0].x"))
        assert (run.end("h").status, run.errors) == ("completed", [])
        assert [key for key in run.started if key.startswith("l[1]")] == []

    def test_also_if_it_is_not_the_first(self) -> None:
        run = ByHand(self.beside().node("h", step).edge("l", "h", on="failure"))
        run.end_all("l[0].a", "l[0].x", "l[0].y", "l[0].e")
        assert run.end("l[1].a").fail("l[1].x").end("l[1].e").ready == {"h"}
        assert run.input_of("h") == error_of("l[1].x")

    def test_and_blocks_what_is_behind_the_loop(self) -> None:
        run = ByHand(self.beside().node("o", step).node("j", step, join="any").edge("l", "j").edge("o", "j"))
        run.end("l[0].a").fail("l[0].x").end("l[0].e")
        assert (run.ready, run.blocked) == ({"o"}, {"l", "l[0].x", "l[0].y"})
        assert run.end_all("o", "j").status == "completed"

    def test_and_fails_the_item_of_a_batch_that_tolerates_it(self) -> None:
        inner = self.beside()
        inner.id = "inner"
        built = flow("s", "z").batch("b", inner, tolerated_failure_count=1).edge("s", "b").edge("b", "z")
        run = ByHand(built, inner).end("s", [1])
        run.end("b[0]/l[0].a").fail("b[0]/l[0].x").end("b[0]/l[0].e")
        assert run.input_of("z") == [{"error": error_of("b[0]/l[0].x")}]


class TestAnEdgeThatIsAlwaysTaken:
    def test_stands_outside_the_choice_by_action(self) -> None:
        built = flow("a", "b", "c", "d").edge("a", "b", action="go").edge("a", "c").edge("a", "d", on="always")
        run = ByHand(built).end("a", 7, action="go")
        assert (run.ready, run.dead, run.input_of("d")) == ({"b", "d"}, {"c"}, 7)

    def test_carries_the_error_after_a_failure_which_is_then_handled(self) -> None:
        run = ByHand(flow("a", "b", "c").edge("a", "b").edge("a", "c", on="always")).fail("a")
        assert (run.ready, run.dead, run.input_of("c"), run.errors) == ({"c"}, {"b"}, error_of("a"), [])

    def test_sees_the_result_or_the_error_and_the_other_is_null(self) -> None:
        both = "{'r': result, 'e': error}"
        built = flow("a", "b", "c").edge("a", "b", on="always", transform=both)
        assert ByHand(built).end("a", 7).input_of("b") == {"r": {"output": 7, "action": None}, "e": None}
        assert ByHand(built).fail("a").input_of("b") == {"r": None, "e": error_of("a")}

    def test_is_taken_only_where_its_condition_holds(self) -> None:
        built = flow("a", "b").edge("a", "b", on="always", condition="result.output > 5")
        assert ByHand(built).end("a", 7).ready == {"b"}
        assert ByHand(built).end("a", 3).dead == {"b"}
        assert ByHand(built).fail("a").status == "failed"


class TestWhatIsUnneeded:
    def test_is_not_what_only_failures_lead_on_from(self) -> None:
        """The end of its scope is a way on of it."""
        run = ByHand(flow("a", "b", "j", join="j").edge("a", "j", on="failure").edge("b", "j"))
        run.end("b")
        assert (run.ready, run.unneeded) == ({"a", "j"}, {"b"})

    def test_is_what_leads_into_fired_joins_by_whatever_edges(self) -> None:
        built = flow("a", "b", "j", join="j").node("k", step, join="any")
        built.edge("a", "j").edge("a", "k", on="failure").edge("b", "j").edge("b", "k")
        assert ByHand(built).end("b").unneeded >= {"a", "b"}


class TestWhatFailsWithoutBeingRun:
    def test_a_join_of_any_has_an_outcome_of_its_own_where_it_is_caught(self) -> None:
        built = flow("a", "b", "j", "h", "k", join="j").edge("a", "j").edge("b", "j").edge("j", "k")
        run = ByHand(built.edge("j", "h", on="failure")).fail("a")
        assert run.ready == {"b"}
        run.fail("b")
        assert (run.ready, run.dead, run.input_of("h")) == ({"h"}, {"k"}, error_of("a"))
        assert run.started == ["a", "b", "h"]

    def test_a_batch_waits_for_all_its_items(self) -> None:
        built = flow("s", "h").batch("b", "w", items=None).edge("s", "b").edge("b", "h", on="failure")
        run = ByHand(built).end("s", [1, 2]).fail("b[0].w")
        assert run.ready == {"b[1].w"}
        run.end("b[1].w")
        assert (run.ready, run.input_of("h"), run.status) == ({"h"}, error_of("b[0].w"), "running")

    def test_a_loop_is_left_by_its_failure(self) -> None:
        built = flow("s", "x", "h", "y").loop("l", start="x", end="x", condition="true").edge("s", "x").edge("l", "y")
        run = ByHand(built.edge("l", "h", on="failure")).end_all("s", "l[0].x").fail("l[1].x")
        assert (run.ready, run.dead) == ({"h"}, {"y"})
        exit_ = run.state.root.scope.by_id["l"]
        assert run.state.root.outcomes[exit_].passes == 2  # so that what its last pass gave is found by name

    def test_a_call_fails_as_without_such_edges_where_none_is_taken(self) -> None:
        inner = flow("x", "y")
        inner.id = "inner"
        built = flow("s", "h").subflow("c", "inner").edge("s", "c").edge("c", "h", on="failure", condition="false")
        run = ByHand(built, inner).end("s").fail("c/x")
        assert run.ready == {"c/y"}
        run.end("c/y")
        assert (run.status, run.errors) == ("failed", ["c/x"])

    def test_an_entry_that_fails_fails_its_construct(self) -> None:
        built = flow("s", "h").batch("b", "w").edge("s", "b").edge("b", "h", on="failure")
        run = ByHand(built).end("s", "no list")
        assert run.ready == {"h"}
        assert run.input_of("h")["type"] == "InputError"

    def test_a_race_into_a_construct_that_nobody_wins_is_caught_behind_it(self) -> None:
        built = flow("a", "b", "h").subflow("c", "inner", join="any").edge("a", "c").edge("b", "c")
        inner = flow("x")
        inner.id = "inner"
        run = ByHand(built.edge("c", "h", on="failure"), inner).fail("a", "b")
        assert (run.ready, run.input_of("h")) == ({"h"}, error_of("a"))


class TestAStateThatKnowsLittle:
    """It has read the failed outcome of a batch that catches and took no edge; not what is inside, or not all of it."""

    @staticmethod
    def state(*known: int) -> RunState:
        built = flow("h").batch("b", "w").edge("b", "h", on="failure", condition="false")
        state = RunState(compile_blueprint(built.to_blueprint()), dict[str, Graph]().__getitem__, {}, whole=False)
        root, exit_ = state.root, state.root.scope.vertices[state.root.scope.by_id["b"]]
        construct = exit_.construct
        assert construct is not None
        state.learn(root, root.scope.vertices[construct.entry], Outcome(items=(0, 1, 2)))
        for index in known:
            item = state.child(root, construct, index)
            state.learn(item, item.scope.vertices[0], Outcome(error=NodeError(f"b[{index}].w", "w", "E", "no")))
            state.has_ended(item)
        state.learn(root, exit_, Outcome(error=NodeError("b[0].w", "w", "E", "no")))
        return state

    @pytest.mark.parametrize(("known", "errors"), [((), ["b[0].w"]), ((2,), ["b[0].w", "b[2].w"])])
    def test_tells_why_the_run_failed(self, known: tuple[int, ...], errors: list[str]) -> None:
        state = self.state(*known)
        assert state.phase is Phase.FAILED
        assert sorted(error.key for error in errors_of(state.root)) == errors

    def test_takes_the_outcome_s_word_for_which_failure_is_the_first(self) -> None:
        assert [error.key for error in self.state(2).root.errors] == ["b[0].w", "b[2].w"]


class TestOutputs:
    @pytest.mark.parametrize(("fails", "output"), [(False, "x"), (True, "h")])
    def test_what_handles_a_failure_stands_in_for_the_last_node(self, fails: bool, output: str) -> None:
        inner = flow("x", "h").edge("x", "h", on="failure")
        inner.id = "inner"
        run = ByHand(flow("e").subflow("c", "inner").edge("c", "e"), inner)
        if fails:
            run.fail("c/x").end("c/h", "h")
        else:
            run.end("c/x", "x")
        assert run.input_of("e") == output

    def test_a_call_that_handles_its_own_failure_has_not_failed(self) -> None:
        inner = flow("x", "h").edge("x", "h", on="failure")
        inner.id = "inner"
        built = flow("h", "y").subflow("c", "inner").edge("c", "h", on="failure").edge("c", "y")
        assert ByHand(built, inner).fail("c/x").end("c/h").ready == {"y"}


class TestRefused:
    @staticmethod
    def problems(built: FlowBuilder) -> str:
        with pytest.raises(BlueprintError) as caught:
            built.to_blueprint()
        return str(caught.value)

    def test_an_action_on_such_an_edge(self) -> None:
        told = self.problems(flow("a", "b").edge("a", "b", on="always", action="x"))
        assert "edge 'a' -> 'b': an edge on 'always' has no action" in told

    @pytest.mark.parametrize("on", ["failure", "always"])
    def test_one_that_leaves_a_body(self, on: Any) -> None:
        built = flow("s", "x", "y", "h").loop("l", start="x", end="y", condition="true").edge("s", "x").edge("x", "y")
        told = self.problems(built.edge("x", "h", on=on))
        assert f"an edge on '{on}' cannot leave the body of loop 'l': draw it from 'l'" in told

    @pytest.mark.parametrize("on", ["failure", "always"])
    def test_one_that_ends_a_pass_or_begins_the_next(self, on: Any) -> None:
        built = flow("s", "x", "y").loop("l", start="x", end="y", condition="true").edge("s", "x").edge("x", "y")
        assert "cannot end a pass of loop 'l'" in self.problems(built.edge("x", "l", on=on))
        nodes = (Node("x", "u"), Node("l", "loop-controller", {"condition": "true"}))
        edges = (Edge("x", "l"), Edge("l", "x", "continue", on=on))
        with pytest.raises(BlueprintError, match="has no action"):
            ByHand(Blueprint("f", nodes, edges))

    def test_one_from_scatter_to_gather(self) -> None:
        nodes = (
            Node("s", "u"),
            Node("b", "batch-scatter", {"workerUsesKey": "w", "gatherNodeId": "g"}),
            Node("g", "batch-gather"),
        )
        with pytest.raises(BlueprintError, match="draw it from the gather node"):
            ByHand(Blueprint("f", nodes, (Edge("s", "b"), Edge("b", "g", on="failure"))))

    def test_another_word_in_python_and_in_json(self) -> None:
        with pytest.raises(ConfigurationError, match="edge 'a' -> 'b': on must be"):
            flow("a", "b").edge("a", "b", on="error")  # type: ignore[arg-type]  # what it is about
        with pytest.raises(BlueprintError, match=r"edges\[0\].on must be 'success', 'failure' or 'always'"):
            Blueprint.from_json({"id": "f", "nodes": [], "edges": [{"source": "a", "target": "b", "on": "error"}]})


def test_the_json_of_an_edge_says_on_what_it_is_taken() -> None:
    built = flow("a", "b", "c").edge("a", "b", on="failure").edge("a", "c").to_blueprint()
    assert [edge.get("on") for edge in built.to_dict()["edges"]] == ["failure", None]
    assert Blueprint.from_json(built.to_json()) == built
    explicit = {
        "id": "f",
        "nodes": [{"id": "a", "uses": "u"}],
        "edges": [{"source": "a", "target": "a", "on": "success"}],
    }
    assert Blueprint.from_json(explicit).to_dict() == explicit


def test_a_handled_failure_is_read_back_with_its_edges() -> None:
    outcome = Outcome(error=NodeError("a", "a", "E", "no"), taken={1: OUTPUT, 2: {"w": 1}})
    record = outcome_to_record(outcome, lambda value: value)
    assert outcome_from_record(record, lambda value: value) == outcome
    assert (outcome.handled, outcome.failed) == (True, False)

"""Joins that go on with so many of their edges: each rule with the sentence as its name."""

from __future__ import annotations

import json

import pytest
from flowcraft_core import Blueprint, BlueprintError, FlowBuilder, FlowRuntime, NodeContext, create_flow
from flowcraft_core.graph.failures import errors_of, failed
from flowcraft_core.graph.fold import claims
from flowcraft_core.graph.forks import dropped, kept_claims
from flowcraft_core.graph.instances import Claim
from flowcraft_core.runtime.replay import Replay

from .by_hand import ByHand
from .test_rules import connect


def graph(*nodes: str, join: int = 2, edges: str = "a>j b>j c>j j>k") -> FlowBuilder:
    """Plain steps of which ``j`` goes on with so many of its edges."""
    flow = create_flow("f")
    for node in nodes or ("a", "b", "c", "j", "k"):
        flow.node(node, "x", join=join if node == "j" else None)
    return connect(flow, edges)


class TestAJoinOfTwo:
    def test_goes_on_once_two_edges_are_taken_and_leaves_the_others_behind(self) -> None:
        run = ByHand(graph()).end_all("c")
        assert (run.ready, run.unneeded) == ({"a", "b"}, set())
        run.end_all("a")
        assert (run.ready, run.unneeded) == ({"j"}, {"a", "b", "c"})
        assert run.end_all("j", "k").status == "completed"

    def test_gets_what_the_two_carry_by_node_in_the_flows_order(self) -> None:
        run = ByHand(graph(), claims=False).end_all("a", "b", "c").claim("j", "c").claim("j", "a")
        assert list(run.input_of("j").items()) == [("a", "a"), ("c", "c")]
        assert run.idempotency_key_of("j") == "j<a:0<c:2"
        assert run.started.count("j") == 1

    def test_counts_an_edge_once_however_often_it_comes(self) -> None:
        run = ByHand(graph(), claims=False).end_all("a")
        scope, join = run.state.root, run.state.root.scope.vertices[run.state.root.scope.by_id["j"]]
        run.claim("j", "a")
        again = Claim(scope, join, join.incoming[0])
        assert (again.slot, run.ready) == (None, {"b", "c"})
        assert Claim(scope, join, join.incoming[1]).slot == 1

    def test_tries_a_slot_of_which_nothing_is_known_before_its_own(self) -> None:
        # Who reads facts may see its own claim before another's; the one that it does not see stands all the same.
        run = ByHand(graph(), claims=False).end_all("a")
        scope, join = run.state.root, run.state.root.scope.vertices[run.state.root.scope.by_id["j"]]
        run.state.learn_claim(scope, join, 1, 0)
        assert Claim(scope, join, join.incoming[0]).slot == 0
        run.state.learn_claim(scope, join, 0, 2)
        assert (Claim(scope, join, join.incoming[0]).slot, run.ready) == (None, {"b", "c"})  # c has not ended

    def test_counts_two_edges_of_one_node_once(self) -> None:
        run = ByHand(graph("a", "b", "j", edges="a>j a>j b>j")).end_all("a")
        assert (run.ready, run.wanted) == ({"b"}, set())
        run.end_all("b")
        assert run.input_of("j") == {"a": "a", "b": "b"}

    def test_fails_with_the_errors_of_those_that_failed_if_fewer_are_left(self) -> None:
        run = ByHand(graph()).end_all("a").fail("b")
        assert run.status == "running"
        run.fail("c")
        assert (run.status, run.errors) == ("failed", ["b", "c"])

    def test_fails_with_an_error_of_its_own_if_nothing_before_it_did(self) -> None:
        flow = graph(edges="a>j j>k").edge("b", "j", action="no").edge("c", "j", action="no")
        run = ByHand(flow).end_all("a", "b")
        assert run.status == "running"
        run.end_all("c")
        (error,) = errors_of(run.state.root)
        assert (run.status, error.key, error.type) == ("failed", "j", "JoinError")
        assert "goes on with 2 of its edges, and only 'a' led to it" in error.message
        assert failed(run.state.root) == []  # it was never run: there is nothing to run again

    def test_is_dead_if_every_edge_is_skipped(self) -> None:
        flow = graph(edges="j>k")
        for source in "abc":
            flow.edge(source, "j", action="no")
        run = ByHand(flow).end_all("a", "b", "c")
        assert (run.dead, run.status) == ({"j", "k"}, "completed")

    def test_that_fails_takes_its_edges_on_failure(self) -> None:
        flow = graph(edges="a>j j>k").edge("b", "j", action="no").node("h", "x").edge("j", "h", on="failure")
        run = ByHand(flow).end_all("a", "c", "b")
        assert run.ready == {"h"}
        assert run.input_of("h")["type"] == "JoinError"
        assert run.end_all("h").status == "completed"

    def test_contains_the_failures_before_it_and_is_contained_itself(self) -> None:
        flow = graph("a", "b", "j", "d", "m", edges="a>j b>j j>m").edge("d", "m")
        run = ByHand(_with_join(flow, "m", 1)).fail("a").end_all("b")
        assert (run.blocked, run.status) == ({"a", "j"}, "running")
        assert run.end_all("d", "m").status == "completed"

    def test_of_a_loop_or_a_batch_joins_the_edges_that_enter_it(self) -> None:
        flow = create_flow("f").node("a", "x").node("b", "x").node("c", "x").node("start", "x", join=2)
        flow.loop("l", start="start", end="start", condition="false")
        run = ByHand(connect(flow, "a>start b>start c>start")).end_all("b", "c")
        assert run.input_of("l[0].start") == {"b": "b", "c": "c"}

    def test_of_a_loop_inside_a_loop_joins_the_edges_that_enter_the_outer_one(self) -> None:
        flow = create_flow("f").node("a", "x").node("b", "x").node("start", "x", join=2).node("end", "x")
        flow.loop("inner", start="start", end="start", condition="false").edge("inner", "end")
        flow.loop("outer", start="start", end="end", condition="false")
        run = ByHand(connect(flow, "a>start b>start")).end_all("a", "b")
        assert run.input_of("outer[0].inner[0].start") == {"a": "a", "b": "b"}


def _with_join(flow: FlowBuilder, node_id: str, join: int) -> Blueprint:
    data = flow.to_blueprint().to_dict()
    for node in data["nodes"]:
        if node["id"] == node_id:
            node.setdefault("config", {})["joinStrategy"] = join
    return Blueprint.from_json(data)


class TestClaims:
    def test_of_a_join_that_has_not_fired_are_no_part_of_the_result(self) -> None:
        run = ByHand(graph()).end_all("c")
        assert list(claims(run.state)) == []
        assert list(claims(run.end_all("a").state)) == [("j", (0, 2))]

    def test_are_kept_in_the_first_slots_if_their_sources_are(self) -> None:
        run = ByHand(graph(), claims=False).end_all("a", "b", "c").claim("j", "c").claim("j", "a")
        root = run.state.root
        without = dropped([root.at(root.scope.by_id["c"])])
        assert [(join.key, places) for join, places in kept_claims(run.state, without)] == [("j", (0,))]


class TestBuilding:
    @pytest.mark.parametrize("edges", ["a>j b>j", "a>j a>j a>j b>j"])
    def test_a_join_of_more_than_there_are_is_refused(self, edges: str) -> None:
        with pytest.raises(BlueprintError, match="'j': it joins 3 of its edges, and they come from 2 nodes"):
            graph("a", "b", "j", join=3, edges=edges).to_blueprint()

    @pytest.mark.parametrize("join", [0, -1, True, 1.5, "some"])
    def test_a_join_of_what_is_no_number_is_refused(self, join: object) -> None:
        flow = create_flow("f").node("a", "x").node("j", "x", join=join).edge("a", "j")  # type: ignore[arg-type]
        with pytest.raises(BlueprintError, match="must be 'all', 'any' or a whole number from 1"):
            flow.to_blueprint()

    def test_it_is_a_number_in_json_and_one_is_any(self) -> None:
        blueprint = graph().to_blueprint()
        assert Blueprint.from_json(blueprint.to_json()) == blueprint
        assert json.loads(blueprint.to_json())["nodes"][3]["config"] == {"joinStrategy": 2}
        run = ByHand(graph(join=1)).end_all("b")
        assert run.input_of("j") == "b"

    def test_inputs_may_name_what_one_of_the_edges_makes_sure_of(self) -> None:
        # Of s>a, s>b and c two are enough: s has ended in any case, a has not.
        edges = "s>a s>b a>j b>j c>j"
        flow = graph("s", "a", "b", "c", edges=edges).node("j", "x", join=2, inputs="s")
        flow.to_blueprint()
        with pytest.raises(BlueprintError, match="inputs name 'a', which may not have ended"):
            graph("s", "a", "b", "c", edges=edges).node("j", "x", join=2, inputs="a").to_blueprint()


async def name(ctx: NodeContext[object, object]) -> str:
    return ctx.node_id


async def given(ctx: NodeContext[object, object]) -> object:
    return ctx.input


class TestInOneProcess:
    def flow(self) -> FlowBuilder:
        flow = create_flow("f").node("s", name).node("a", name).wait("w").wait("never").node("j", given, join=2)
        return connect(flow, "s>a s>w s>never a>j w>j never>j")

    async def test_a_run_is_put_away_and_taken_up_with_one_of_its_edges_taken(self) -> None:
        runtime = FlowRuntime([self.flow()])
        result = await runtime.run("f")
        assert (result.status, json.loads(result.state)["claims"]) == ("awaiting", {})
        again = await FlowRuntime([self.flow()]).resume(result.state, node="w", output="answer")
        assert (again.status, again.outputs["j"]) == ("completed", {"a": "a", "w": "answer"})
        assert json.loads(again.state)["claims"] == {"j": [0, 1]}
        assert (await FlowRuntime([self.flow()]).resume(again.state)).outputs == again.outputs

    async def test_a_recorded_run_is_gone_through_with_the_same_two(self) -> None:
        result = await FlowRuntime([self.flow()]).run("f")
        ended = await FlowRuntime([self.flow()]).resume(result.state, node="w", output="answer")
        found = {recorded.key: recorded.input for recorded in Replay(ended.state)}
        assert found["j"] == {"a": "a", "w": "answer"}

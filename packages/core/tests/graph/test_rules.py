"""The rules that give a graph its meaning, each with the sentence as its name."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import Blueprint, FlowBuilder, create_flow

from .by_hand import ByHand


def graph(*nodes: str, any_joins: tuple[str, ...] = (), edges: str = "", named: str = "f") -> FlowBuilder:
    """Plain steps, and edges written as ``"a>b a>c"``."""
    flow = create_flow(named)
    for node in nodes:
        flow.node(node, "x", join="any" if node in any_joins else None)
    return connect(flow, edges)


def connect(flow: FlowBuilder, edges: str) -> FlowBuilder:
    for edge in edges.split():
        source, target = edge.split(">")
        flow.edge(source, target)
    return flow


class TestTakingEdges:
    def flow(self) -> FlowBuilder:
        return (
            graph("a", "yes", "no", "else")
            .edge("a", "yes", action="yes", condition="result.output > 0")
            .edge("a", "no", action="no")
            .edge("a", "else")
        )

    def test_with_an_action_the_edges_with_that_action_are_taken(self) -> None:
        run = ByHand(self.flow()).end("a", 1, action="yes")
        assert (run.ready, run.dead) == ({"yes"}, {"no", "else"})

    def test_if_none_with_the_action_holds_those_without_an_action_are(self) -> None:
        assert ByHand(self.flow()).end("a", 0, action="yes").ready == {"else"}
        assert ByHand(self.flow()).end("a", 0, action="unheard of").ready == {"else"}

    def test_without_an_action_those_without_an_action_are(self) -> None:
        assert ByHand(self.flow()).end("a", 1).ready == {"else"}

    def test_an_edge_without_an_action_must_hold_too(self) -> None:
        flow = graph("a", "b", "c").edge("a", "b", condition="result.output > 0").edge("a", "c")
        assert ByHand(flow).end("a", 0).ready == {"c"}
        assert ByHand(flow).end("a", 1).ready == {"b", "c"}

    def test_none_at_all_is_fine_the_path_ends_there(self) -> None:
        run = ByHand(graph("a", "b", "c", edges="b>c").edge("a", "b", action="yes")).end("a")
        assert (run.status, run.dead) == ("completed", {"b", "c"})

    def test_an_empty_action_is_none_whatever_else_leaves_the_node(self) -> None:
        alone = graph("a", "b").edge("a", "b", action="")
        beside = graph("a", "b", "c").edge("a", "b", action="").edge("a", "c", condition="false")
        for action in (None, "", "yes"):
            assert ByHand(alone).end("a", action=action).ready == {"b"}
            assert ByHand(beside).end("a", action=action).ready == {"b"}

    def test_the_action_and_the_context_may_decide(self) -> None:
        flow = graph("a", "b", "c", edges="a>b").edge(
            "b", "c", condition="result.action == 'go' && a.n == 1 && context.limit == 2"
        )
        run = ByHand(flow, context={"limit": 2}).end("a", {"n": 1}).end("b", action="go")
        assert run.ready == {"c"}


class TestAllJoins:
    def test_wait_for_every_edge(self) -> None:
        run = ByHand(graph("a", "b", "j", edges="a>j b>j")).end_all("a")
        assert run.ready == {"b"}
        assert run.end_all("b").ready == {"j"}

    def test_fire_if_at_least_one_was_taken(self) -> None:
        run = ByHand(graph("a", "b", "j", edges="b>j").edge("a", "j", action="yes")).end_all("a", "b")
        assert run.ready == {"j"}
        assert run.input_of("j") == {"b": "b"}

    def test_are_dead_if_none_was_and_skip_their_own_edges(self) -> None:
        flow = graph("a", "j", "k", "l", edges="j>k k>l").edge("a", "j", action="yes").edge("a", "j", action="no")
        run = ByHand(flow).end("a")
        assert (run.dead, run.status) == ({"j", "k", "l"}, "completed")

    def test_so_a_diamond_of_if_and_else_completes(self) -> None:
        flow = graph("a", "b", "c", "d", edges="b>d c>d").edge("a", "b", action="if").edge("a", "c", action="else")
        run = ByHand(flow).end("a", action="if").end_all("b")
        assert (run.dead, run.ready) == ({"c"}, {"d"})
        assert run.end_all("d").status == "completed"

    def test_are_blocked_by_one_blocked_edge(self) -> None:
        flow = graph("s", "a", "b", "j", "end", any_joins=("end",), edges="s>end s>a s>b a>j b>j j>end")
        run = ByHand(flow, claims=False).end_all("s").fail("a")
        assert run.blocked == {"a"}
        run.end_all("b")
        assert run.blocked == {"a", "j"}

    def test_of_parallel_edges_from_one_node_need_both_resolved_and_one_taken(self) -> None:
        flow = graph("a", "b").edge("a", "b", action="yes", transform="'yes'").edge("a", "b", transform="'other'")
        run = ByHand(flow).end("a", action="yes")
        assert run.input_of("b") == {"a": "yes"}


class TestAnyJoins:
    def flow(self) -> FlowBuilder:
        return graph("a", "b", "j", "k", any_joins=("j",), edges="a>j b>j j>k")

    def test_ask_for_a_claim_with_each_taken_edge(self) -> None:
        run = ByHand(self.flow(), claims=False).end_all("a")
        assert (run.wanted, run.ready) == ({("j", "a")}, {"b"})
        assert run.end_all("b").wanted == {("j", "a"), ("j", "b")}

    def test_go_on_with_the_edge_that_holds_the_claim(self) -> None:
        run = ByHand(self.flow(), claims=False).end_all("a", "b").claim("j", "b")
        assert run.input_of("j") == "b"
        assert run.wanted == set()
        assert run.started.count("j") == 1

    def test_have_an_idempotency_key_that_names_the_edge(self) -> None:
        one = ByHand(self.flow(), claims=False).end_all("a", "b").claim("j", "a").idempotency_key_of("j")
        two = ByHand(self.flow(), claims=False).end_all("a", "b").claim("j", "b").idempotency_key_of("j")
        assert one != two

    def test_go_by_the_first_claim_alone(self) -> None:
        run = ByHand(self.flow(), claims=False).end_all("a", "b").claim("j", "b")
        scope, join = run.state.root, run.state.root.scope.vertices[2]
        run.state.claim(scope, join, 0, 0)
        assert (scope.claims, list(run.state.ready)) == ({2: {0: 1}}, [])

    def test_let_a_skipped_edge_fall_away(self) -> None:
        flow = graph("a", "b", "j", any_joins=("j",), edges="b>j").edge("a", "j", action="yes")
        run = ByHand(flow).end_all("a")
        assert run.ready == {"b"}
        assert run.end_all("b").ready == {"j"}

    def test_are_dead_if_every_edge_is_skipped(self) -> None:
        flow = graph("a", "j", "k", any_joins=("j",), edges="j>k").edge("a", "j", action="x").edge("a", "j", action="y")
        run = ByHand(flow).end_all("a")
        assert (run.dead, run.status) == ({"j", "k"}, "completed")

    def test_with_one_edge_are_no_joins(self) -> None:
        run = ByHand(graph("a", "j", any_joins=("j",), edges="a>j"), claims=False).end_all("a")
        assert (run.wanted, run.ready) == (set(), {"j"})


class TestUnneeded:
    def test_any_of_a_wait_and_a_sleep_ends_when_either_does(self) -> None:
        flow = connect(create_flow("f").wait("wait").sleep("sleep", 60).node("go", "x", join="any"), "wait>go sleep>go")
        run = ByHand(flow).end("sleep")
        assert (run.unneeded, run.ready) == ({"wait", "sleep"}, {"go"})
        assert run.end_all("go").status == "completed"

    def test_a_slow_loser_holds_nothing_up(self) -> None:
        flow = graph("fast", "s1", "s2", "s3", "j", any_joins=("j",), edges="fast>j s1>s2 s2>s3 s3>j")
        run = ByHand(flow).end_all("fast", "j")
        assert (run.status, run.unneeded) == ("completed", {"fast", "s1", "s2", "s3"})

    def test_what_is_unneeded_is_not_started_any_more(self) -> None:
        flow = graph("fast", "slow", "next", "j", any_joins=("j",), edges="fast>j slow>next next>j")
        run = ByHand(flow).end_all("fast", "slow")
        assert run.started == ["fast", "slow", "j"]

    def test_a_side_branch_of_a_loser_is_waited_for(self) -> None:
        flow = graph("fast", "slow", "audit", "j", any_joins=("j",), edges="fast>j slow>j slow>audit")
        run = ByHand(flow).end_all("fast", "j")
        assert (run.status, run.ready) == ("running", {"slow"})
        assert run.end_all("slow", "audit").status == "completed"

    def test_a_join_whose_ways_are_all_unneeded_is_not_claimed(self) -> None:
        flow = graph("a", "b", "c", "inner", "j", any_joins=("inner", "j"), edges="a>inner b>inner inner>j c>j")
        run = ByHand(flow, claims=False).end_all("c").claim("j", "c").end_all("a")
        assert (run.wanted, run.unneeded) == (set(), {"a", "b", "c", "inner"})

    def test_all_inside_a_unneeded_construct_is_unneeded(self) -> None:
        called = graph("one", "two", edges="one>two", named="called")
        inside = create_flow("inside").subflow("deeper", called)
        flow = create_flow("f").batch("items", inside, items="list").node("fast", "x").node("j", "x", join="any")
        run = ByHand(connect(flow, "items>j fast>j"), inside, called, context={"list": [1, 2]})
        run.end("items[0]/deeper/one").end_all("fast")
        assert run.ready == {"j"}
        assert "items[0]/deeper/two" in run.unneeded
        assert run.end_all("j").status == "completed"

    def test_a_last_nodes_way_on_is_that_of_the_construct_around_it(self) -> None:
        inside = graph("a", "b", "side", edges="a>b a>side", named="inside")
        flow = create_flow("f").subflow("call", inside).node("fast", "x").node("j", "x", join="any")
        run = ByHand(connect(flow, "call>j fast>j"), inside).end_all("fast", "j")
        assert run.status == "completed"

    def test_it_is_the_same_whichever_of_two_joins_was_claimed_first(self) -> None:
        # `inner` is unneeded once `outer` has fired, and a claim of it that was under way still comes in. `x` leads on
        # to `k` all the same.
        flow = graph(
            *("s", "x", "y", "k", "inner", "outer"),
            any_joins=("inner", "outer"),
            edges="s>inner x>inner inner>outer y>outer x>k s>k",
        )
        run = ByHand(flow, claims=False).end_all("y", "s").claim("outer", "y").claim("inner", "s")
        assert "x" not in run.unneeded
        assert run.end_all("outer", "x", "k").status == "completed"

    def test_a_claim_says_nothing_before_its_edge_is_known_to_be_taken(self) -> None:
        # What leads to the winner must be fed like everything else, in whatever order facts are found.
        run = ByHand(graph("w1", "w2", "b", "j", any_joins=("j",), edges="w1>w2 w2>j b>j"), claims=False)
        join = run.state.root.scope.by_id["j"]
        run.state.claim(run.state.root, run.state.root.scope.vertices[join], 0, 0)
        assert run.unneeded == set()
        assert run.end_all("w1", "w2").ready == {"j"}
        assert run.unneeded == {"w1", "w2", "b"}


class TestFailure:
    def test_fails_the_run_at_once_and_names_the_node(self) -> None:
        run = ByHand(graph("a", "b", "c", edges="a>c")).fail("a")
        assert (run.status, run.errors) == ("failed", ["a"])

    def test_is_contained_where_each_way_on_leads_into_an_any_join(self) -> None:
        run = ByHand(graph("a", "b", "c", "j", any_joins=("j",), edges="a>c c>j b>j")).fail("a")
        assert (run.status, run.blocked) == ("running", {"a", "c"})
        assert run.end_all("b", "j").status == "completed"

    def test_is_not_contained_where_one_way_on_does_not(self) -> None:
        run = ByHand(graph("a", "b", "side", "j", any_joins=("j",), edges="a>j b>j a>side")).fail("a")
        assert (run.status, run.errors) == ("failed", ["a"])

    def test_of_both_mirrors_fails_the_join_with_both_errors(self) -> None:
        run = ByHand(graph("a", "b", "j", "k", any_joins=("j",), edges="a>j b>j j>k")).fail("b", "a")
        assert (run.status, run.errors) == ("failed", ["a", "b"])

    def test_of_all_that_was_not_skipped_fails_the_join_too(self) -> None:
        flow = graph("a", "b", "j", any_joins=("j",), edges="b>j").edge("a", "j", action="yes")
        run = ByHand(flow).end_all("a")
        assert (run.fail("b").status, run.errors) == ("failed", ["b"])

    def test_of_a_join_is_contained_by_the_next_one(self) -> None:
        flow = graph("a", "b", "c", "j", "k", any_joins=("j", "k"), edges="a>j b>j j>k c>k")
        run = ByHand(flow).fail("a", "b")
        assert (run.status, run.blocked) == ("running", {"a", "b", "j"})
        assert run.fail("c").errors == ["a", "b", "c"]

    def test_behind_two_ways_is_named_once(self) -> None:
        flow = graph("a", "b", "c", "j", any_joins=("j",), edges="a>b a>c b>j c>j")
        assert ByHand(flow).fail("a").errors == ["a"]

    def test_a_construct_fails_once_nothing_in_it_can_run_any_more(self) -> None:
        inside = graph("a", "b", "c", edges="b>c", named="inside")
        flow = create_flow("f").subflow("call", inside).node("other", "x").node("j", "x", join="any")
        run = ByHand(connect(flow, "call>j other>j"), inside).fail("call/a")
        assert (run.status, run.ready, run.blocked) == ("running", {"call/b", "other"}, {"call/a"})
        run.end_all("call/b", "call/c")
        assert run.blocked == {"call/a", "call"}
        assert run.fail("other").errors == ["call/a", "other"]

    def test_inside_a_construct_is_contained_by_an_any_join_there(self) -> None:
        inside = graph("a", "b", "j", any_joins=("j",), edges="a>j b>j", named="inside")
        run = ByHand(create_flow("f").subflow("call", inside), inside).fail("call/a").end_all("call/b", "call/j")
        assert (run.status, run.outputs) == ("completed", {"call": "call/j"})

    def test_in_a_pass_ends_the_loop(self) -> None:
        flow = graph("s", "other", "j", any_joins=("j",)).loop("l", start="s", end="s", condition="true")
        run = ByHand(connect(flow, "l>j other>j")).end_all("l[0].s").fail("l[1].s")
        assert run.ready == {"other"}
        assert run.fail("other").errors == ["l[1].s", "other"]

    def test_of_an_entry_is_its_constructs(self) -> None:
        run = ByHand(create_flow("f").batch("b", "w", items="list"), context={"list": "no list"})
        assert (run.status, run.errors) == ("failed", ["b:entry"])

    def test_is_named_in_the_order_of_positions_whichever_came_first(self) -> None:
        inside = graph("a", "b", "z", edges="a>z", named="inside")
        flow = create_flow("f").subflow("call", inside).node("other", "x").node("j", "x", join="any")
        connect(flow, "call>j other>j")
        for order in (("call/a", "call/b"), ("call/b", "call/a")):
            assert ByHand(flow, inside).fail(*order, "other").errors == ["call/a", "call/b", "other"]

    def test_what_is_in_flight_may_finish(self) -> None:
        run = ByHand(graph("a", "b", "c", edges="b>c")).fail("a").end_all("b")
        assert (run.status, run.errors) == ("failed", ["a"])


class TestBatches:
    def batch(self, worker: Any = "w", **options: Any) -> FlowBuilder:
        return create_flow("f").batch("b", worker, items="list", **options).node("after", "x").edge("b", "after")

    def test_gather_in_input_order_whichever_item_ends_first(self) -> None:
        run = ByHand(self.batch(), context={"list": ["x", "y", "z"]})
        assert [run.input_of(f"b[{n}].w") for n in range(3)] == ["x", "y", "z"]
        run.end("b[2].w", 2).end("b[0].w", 0)
        assert run.ready == {"b[1].w"}
        assert run.end("b[1].w", 1).input_of("after") == [0, 1, 2]

    def test_without_items_gather_at_once(self) -> None:
        assert ByHand(self.batch(), context={"list": []}).input_of("after") == []

    def test_set_a_context_value_if_they_name_one(self) -> None:
        run = ByHand(self.batch(output="results"), context={"list": [1]}).end("b[0].w", "r")
        assert run.context["results"] == ["r"]

    def test_fail_with_an_item(self) -> None:
        run = ByHand(self.batch(), context={"list": [1, 2]}).fail("b[1].w")
        assert (run.status, run.errors) == ("failed", ["b[1].w"])

    @pytest.mark.parametrize("tolerance", [{"tolerated_failure_count": 1}, {"tolerated_failure_percentage": 34}])
    def test_tolerate_failures_and_give_each_error_in_its_place(self, tolerance: dict[str, Any]) -> None:
        run = ByHand(self.batch(**tolerance), context={"list": [1, 2, 3]}).fail("b[1].w").end("b[0].w", 0)
        error = {"node": "b[1].w", "type": "ValueError", "message": "no", "attempts": 1}
        assert run.end("b[2].w", 2).input_of("after") == [0, {"error": error}, 2]

    def test_fail_with_one_failure_too_many_and_name_them_all(self) -> None:
        run = ByHand(self.batch(tolerated_failure_count=1), context={"list": [1, 2, 3]}).fail("b[2].w")
        assert run.status == "running"
        run.fail("b[0].w")
        assert (run.status, run.errors) == ("failed", ["b[0].w", "b[2].w"])

    def test_give_of_a_batch_that_fails_in_a_tolerated_item_its_first_items_error(self) -> None:
        item = create_flow("item").node("s", "x").batch("c", "w", items="s").edge("s", "c")
        run = ByHand(self.batch(item, tolerated_failure_count=1), item, context={"list": [1]}).end("b[0]/s", [1, 2])
        (given,) = run.fail("b[0]/c[1].w").fail("b[0]/c[0].w").input_of("after")
        assert given["error"]["node"] == "b[0]/c[0].w"

    def test_run_a_tolerated_item_until_nothing_in_it_can_run(self) -> None:
        item = graph("a", "b", "c", edges="b>c", named="item")
        run = ByHand(self.batch(item, tolerated_failure_count=1), item, context={"list": [1]}).fail("b[0]/a")
        assert run.ready == {"b[0]/b"}
        run.end_all("b[0]/b")
        assert run.ready == {"b[0]/c"}
        assert run.end_all("b[0]/c").input_of("after")[0]["error"]["node"] == "b[0]/a"

    def test_give_the_first_error_of_an_item_by_position_whichever_came_first(self) -> None:
        item = graph("a", "b", named="item")
        for order in (("b[0]/a", "b[0]/b"), ("b[0]/b", "b[0]/a")):
            flow = self.batch(item, tolerated_failure_count=1)
            run = ByHand(flow, item, context={"list": [1]}).fail(*order)
            assert run.input_of("after")[0]["error"]["node"] == "b[0]/a"

    def test_give_null_for_an_item_with_nothing_live(self) -> None:
        one = graph("a", "b", named="one").edge("a", "b", action="yes")
        two = graph("a", "b", "c", named="two").edge("a", "b", action="yes").edge("a", "c", action="yes")
        for item in (one, two):
            run = ByHand(self.batch(item), item, context={"list": [1]}).end_all("b[0]/a")
            assert run.input_of("after") == [None]

    def test_give_of_an_item_with_several_last_nodes_a_dict_of_those_that_ran(self) -> None:
        item = graph("a", "b", "c", edges="a>b", named="item").edge("a", "c", action="yes")
        run = ByHand(self.batch(item), item, context={"list": [1]}).end_all("b[0]/a", "b[0]/b")
        assert run.input_of("after") == [{"b": "b[0]/b"}]

    def test_of_flows_give_each_call_the_context_that_they_name(self) -> None:
        item = create_flow("item").node("a", "x", inputs="greeting")
        flow = self.batch(item, inputs={"greeting": "hello"})
        assert ByHand(flow, item, context={"list": [1], "hello": "hi"}).input_of("b[0]/a") == "hi"


class TestLanes:
    def lanes(self, concurrency: int | None = 2, worker: Any = "w", **options: Any) -> FlowBuilder:
        flow = create_flow("f").batch("b", worker, items="list", concurrency=concurrency, **options)
        return flow.node("after", "x").edge("b", "after")

    def test_begin_with_an_item_each_and_go_on_when_it_has_ended(self) -> None:
        run = ByHand(self.lanes(), context={"list": list(range(5))})
        assert run.ready == {"b[0].w", "b[1].w"}
        assert run.end("b[1].w", 1).ready == {"b[0].w", "b[3].w"}
        assert run.end("b[3].w", 3).ready == {"b[0].w"}
        run.end("b[0].w", 0).end("b[2].w", 2)
        assert run.ready == {"b[4].w"}
        assert run.end("b[4].w", 4).input_of("after") == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize(("items", "lanes"), [(0, 0), (1, 1), (2, 2), (3, 2)])
    def test_are_as_many_as_there_are_items_at_most(self, items: int, lanes: int) -> None:
        run = ByHand(self.lanes(), context={"list": list(range(items))})
        assert len(run.ready - {"after"}) == lanes
        assert run.state.root.outcomes[run.state.root.scope.by_key["b:entry"]].lanes == lanes

    def test_are_a_thousand_where_nothing_is_said(self) -> None:
        run = ByHand(self.lanes(None), context={"list": list(range(1_002))})
        assert len(run.ready) == 1_000
        assert run.end("b[1].w").ready >= {"b[1001].w"}

    def test_go_on_behind_an_item_whose_failure_is_contained(self) -> None:
        run = ByHand(self.lanes(1, tolerated_failure_count=1), context={"list": [0, 1]}).fail("b[0].w")
        assert run.ready == {"b[1].w"}
        assert run.end("b[1].w", 1).input_of("after")[1] == 1

    def test_go_to_their_ends_though_too_many_have_failed_where_that_is_caught(self) -> None:
        run = ByHand(self.lanes(1).node("h", "x").edge("b", "h", on="failure"), context={"list": [0, 1, 2]})
        assert run.fail("b[0].w").ready == {"b[1].w"}
        assert run.end("b[1].w", 1).end("b[2].w", 2).input_of("h")["node"] == "b[0].w"

    def test_go_no_further_in_a_batch_that_has_lost_a_race(self) -> None:
        flow = create_flow("f").batch("b", "w", items="list", concurrency=1).node("q", "x").node("j", "x", join="any")
        run = ByHand(flow.edge("b", "j").edge("q", "j"), context={"list": [0, 1]}).end_all("q")
        assert run.end("b[0].w", 0).ready == {"j"}
        assert run.end_all("j").status == "completed"

    def test_go_on_once_nothing_in_an_item_is_left_and_not_sooner(self) -> None:
        item = graph("a", "b", "c", edges="a>b", named="item").edge("a", "c", action="never")
        run = ByHand(self.lanes(1, item), item, context={"list": [0, 1]}).end_all("b[0]/a")
        assert run.ready == {"b[0]/b"}
        assert run.end_all("b[0]/b").ready == {"b[1]/a"}


class TestLoops:
    def loop(self, condition: str = "input < 3") -> FlowBuilder:
        flow = graph("before", "s", "e", "after", edges="before>s s>e")
        return flow.loop("l", start="s", end="e", condition=condition).edge("l", "after")

    def test_repeat_while_the_condition_holds_and_leave_with_the_last_output(self) -> None:
        run = ByHand(self.loop()).end("before", 0)
        for number in range(1, 4):
            key = f"l[{number - 1}]"
            assert run.input_of(f"{key}.s") == number - 1
            run.end(f"{key}.s", number).end(f"{key}.e", number)
        assert run.input_of("after") == 3

    def test_enter_at_the_start_with_a_first_pass_for_certain(self) -> None:
        assert ByHand(self.loop("false")).end("before", 5).ready == {"l[0].s"}

    def test_enter_at_the_controller_with_the_condition(self) -> None:
        flow = graph("before", "s", "after").loop("l", start="s", end="s", condition="input < 3")
        connect(flow, "before>l l>after")
        assert ByHand(flow).end("before", 1).ready == {"l[0].s"}
        assert ByHand(flow).end("before", 5).input_of("after") == 5

    def test_join_the_entry_edges_in_pass_0_and_only_the_feedback_edge_later(self) -> None:
        flow = graph("a", "b", "s", edges="a>s b>s").loop("l", start="s", end="s", condition="input != 'stop'")
        run = ByHand(flow).end_all("a")
        assert run.ready == {"b"}
        assert run.end_all("b").input_of("l[0].s") == {"a": "a", "b": "b"}
        assert run.end("l[0].s", "again").input_of("l[1].s") == "again"

    def test_join_the_entry_edges_as_their_start_node_says(self) -> None:
        flow = graph("a", "b", "s", any_joins=("s",), edges="a>s b>s").loop("l", start="s", end="s", condition="false")
        run = ByHand(flow, claims=False).end_all("a")
        assert run.wanted == {("l:entry", "a")}
        assert run.claim("l:entry", "a").input_of("l[0].s") == "a"

    def test_join_the_entry_edges_as_the_first_node_of_a_loop_inside_says(self) -> None:
        # Every controller is marked `any`, which means nothing; also where a controller is the start of a loop.
        flow = graph("a", "b", "s", edges="a>inner b>inner").loop("inner", start="s", end="s", condition="true")
        flow.loop("outer", start="inner", end="inner", condition="false")
        run = ByHand(flow).end_all("a")
        assert run.ready == {"b"}

    def test_end_with_a_skipped_feedback_edge(self) -> None:
        blueprint = self.loop("true").to_blueprint().to_dict()
        feedback = next(edge for edge in blueprint["edges"] if edge.get("action") == "continue")
        feedback["condition"] = "input < 2"
        run = ByHand(Blueprint.from_json(blueprint)).end("before", 0)
        run.end("l[0].s").end("l[0].e", 1).end("l[1].s").end("l[1].e", 2)
        assert run.status == "completed"
        assert not any(key.startswith("l[2]") for key in run.started)

    def test_end_with_an_end_node_that_is_dead_in_a_pass(self) -> None:
        flow = graph("s", "e", "after").edge("s", "e", action="on").loop("l", start="s", end="e", condition="true")
        run = ByHand(flow.edge("l", "after")).end("l[0].s", action="on").end("l[0].e", 1).end("l[1].s")
        assert (run.status, run.dead) == ("completed", {"l[1].e", "l[1]", "l", "after"})

    def test_branch_inside_a_pass(self) -> None:
        flow = graph("s", "a", "b", "e", edges="a>e b>e").edge("s", "a", action="a").edge("s", "b", action="b")
        flow.loop("l", start="s", end="e", condition="input.a")
        run = ByHand(flow).end("l[0].s", action="a").end("l[0].a", True).end("l[0].e", {"a": True})
        run.end("l[1].s", action="b").end("l[1].b").end("l[1].e", {})
        assert run.status == "completed"
        assert run.dead == {"l[0].b", "l[1].a"}

    def test_nest_and_begin_the_inner_passes_anew_in_each_outer_pass(self) -> None:
        flow = graph("s", "i", "e", edges="s>i").loop("inner", start="i", end="i", condition="input < 1")
        flow.edge("inner", "e").loop("outer", start="s", end="e", condition="input < 1")
        run = ByHand(flow)
        for outer in range(2):
            run.end(f"outer[{outer}].s")
            for inner in range(2):
                run.end(f"outer[{outer}].inner[{inner}].i", inner)
            run.end(f"outer[{outer}].e", outer)
        assert run.status == "completed"

    def test_leave_early_by_a_conditional_edge(self) -> None:
        flow = graph("s", "after", "early").loop("l", start="s", end="s", condition="true")
        flow.edge("l", "early", condition="input == 'stop'")
        run = ByHand(flow).end("l[0].s", "go on").end("l[1].s", "stop")
        assert run.ready == {"after", "early"}

    def test_see_outputs_of_the_same_pass_and_of_what_is_around(self) -> None:
        flow = graph("limit", "s", "e", edges="limit>s s>e").loop("l", start="s", end="e", condition="s.n < limit.n")
        run = ByHand(flow).end("limit", {"n": 1})
        run.end("l[0].s", {"n": 0}).end("l[0].e").end("l[1].s", {"n": 1}).end("l[1].e")
        assert run.status == "completed"


class TestSubflows:
    def test_give_the_output_of_their_last_node(self) -> None:
        called = graph("a", "b", edges="a>b", named="called")
        flow = create_flow("f").node("x", "x").subflow("call", called).node("y", "x")
        run = ByHand(connect(flow, "x>call call>y"), called).end("x", 1)
        assert run.input_of("call/a") == 1
        assert run.end("call/a").end("call/b", 2).input_of("y") == 2

    def test_have_a_context_namespace_of_their_own(self) -> None:
        called = graph("a", named="called")
        flow = create_flow("f").subflow("call", called, inputs={"inner": "outer"})
        run = ByHand(flow, called, context={"outer": 1, "other": 2})
        inside = next(scope for scope in run.state.root.walk() if scope.parent is not None)
        assert {name: value for name, (_, value) in inside.values.items()} == {"inner": 1}
        assert run.end("call/a", sets={"set": 3}).context == {"outer": 1, "other": 2}

    def test_set_what_they_are_told_to_hand_out(self) -> None:
        called = graph("a", named="called")
        flow = create_flow("f").subflow("call", called, outputs={"from_node": "a", "from_value": "v"})
        run = ByHand(flow, called).end("call/a", "A", sets={"v": "V"})
        assert run.context == run.outputs["call"] == {"from_node": "A", "from_value": "V"}


class TestInput:
    def test_of_one_edge_is_what_it_carries(self) -> None:
        run = ByHand(graph("a", "b", "c", edges="a>b").edge("a", "c", transform="input.n")).end("a", {"n": 1})
        assert (run.input_of("b"), run.input_of("c")) == ({"n": 1}, 1)

    def test_of_an_any_join_is_what_the_winning_edge_carries(self) -> None:
        flow = graph("a", "b", "j", any_joins=("j",), edges="a>j").edge("b", "j", transform="input.n")
        assert ByHand(flow).end("b", {"n": 1}).input_of("j") == 1

    def test_of_an_all_join_is_a_dict_by_source_of_the_taken_edges_only(self) -> None:
        flow = graph("a", "b", "c", "j", edges="a>j").edge("b", "j", action="no").edge("c", "j", transform="1")
        assert ByHand(flow).end_all("a", "b", "c").input_of("j") == {"a": "a", "c": 1}

    def test_of_a_start_is_nothing(self) -> None:
        assert ByHand(graph("a")).input_of("a") is None

    @pytest.mark.parametrize(
        ("inputs", "value"),
        [
            ("a", {"n": [1, 2]}),
            ("a.n", [1, 2]),
            ("a.n.1", 2),
            ("a.n.2", None),
            ("a.missing.x", None),
            ("_outputs.a.n.0", 1),
            ("name", {"deep": 3}),
            ("name.deep", 3),
            ("unknown", None),
            ({"x": "a.n.0", "y": "name.deep", "z": "unknown"}, {"x": 1, "y": 3, "z": None}),
        ],
    )
    def test_is_overridden_by_inputs_that_name_nodes_values_and_paths(self, inputs: Any, value: object) -> None:
        flow = graph("a", "b", edges="a>b").node("c", "x", inputs=inputs).edge("b", "c")
        run = ByHand(flow, context={"name": {"deep": 3}}).end("a", {"n": [1, 2]}).end("b")
        assert run.input_of("c") == value

    def test_that_names_a_node_that_is_dead_is_nothing(self) -> None:
        flow = graph("s", "a", "b", edges="s>b").edge("s", "a", action="no").edge("a", "j").edge("b", "j")
        run = ByHand(flow.node("j", "x", inputs="a")).end("s").end("b")
        assert run.input_of("j") is None

    def test_may_name_what_is_around_a_loop(self) -> None:
        flow = graph("a").node("s", "x", inputs="a").edge("a", "s").loop("l", start="s", end="s", condition="input")
        assert ByHand(flow).end("a", 1).end("l[0].s", True).input_of("l[1].s") == 1

    def test_may_name_what_lies_inside_a_loop_that_was_left_and_means_the_last_pass(self) -> None:
        flow = graph("s", "e", edges="s>e").loop("l", start="s", end="e", condition="input")
        flow.node("after", "x", inputs="s").edge("l", "after")
        run = ByHand(flow).end("l[0].s", 0).end("l[0].e", True).end("l[1].s", 1).end("l[1].e", False)
        assert run.input_of("after") == 1


class TestContextValues:
    def test_of_two_setters_the_one_further_on_wins_whatever_the_timing(self) -> None:
        flow = graph("a", "b", "late", edges="a>b")
        for order in (("a", "b", "late"), ("late", "a", "b")):
            run = ByHand(flow)
            for key in order:
                run.end(key, sets={"v": key})
            assert run.context == {"v": "b"}

    def test_of_two_setters_side_by_side_the_greater_id_wins(self) -> None:
        for order in (("a", "b"), ("b", "a")):
            run = ByHand(graph("a", "b"))
            for key in order:
                run.end(key, sets={"v": key})
            assert run.context == {"v": "b"}

    def test_of_a_loser_count_only_where_it_lies_on_the_winners_way(self) -> None:
        flow = graph("a", "b", "c", "j", any_joins=("j",), edges="a>b b>j c>j")
        run = ByHand(flow, claims=False)
        run.end("c", "C", sets={"c": 1}).end("a", "A", sets={"a": 1}).end("b", "B", sets={"b": 1})
        run.claim("j", "b").end("j", "J")
        assert (run.context, run.outputs) == ({"a": 1, "b": 1}, {"a": "A", "b": "B", "j": "J"})

    def test_on_the_way_to_a_join_that_lost_itself_do_not_count(self) -> None:
        flow = graph("a", "b", "c", "inner", "outer", any_joins=("inner", "outer"), edges="a>inner b>inner")
        connect(flow, "inner>outer c>outer")
        run = ByHand(flow, claims=False).end("a", sets={"a": 1}).claim("inner", "a")
        run.end("c", sets={"c": 1}).claim("outer", "c").end("inner").end("outer")
        assert (run.status, run.context) == ("completed", {"c": 1})


class TestEnds:
    def test_a_run_ends_when_every_node_is_done_dead_blocked_or_unneeded(self) -> None:
        flow = graph("a", "b", "c", "d", "j", any_joins=("j",), edges="a>j b>j").edge("c", "d", action="no")
        run = ByHand(flow).end_all("a", "j")
        assert run.status == "running"
        assert run.end("c").status == "completed"

    def test_facts_fed_twice_change_nothing(self) -> None:
        run = ByHand(graph("a", "b", "j", edges="a>j b>j")).end_all("a")
        scope, vertex = run.state.root, run.state.root.scope.vertices[0]
        run.state.add(scope, vertex, scope.outcomes[0])
        assert run.ready == {"b"}
        assert not run.state.ready

"""What compiling refuses, by name and with a remedy, and what it makes of blueprints by the TypeScript builder."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    BlueprintError,
    Edge,
    ExpressionError,
    FlowcraftError,
    Node,
    NodeConfig,
    create_flow,
)
from flowcraft_core.graph import decisions
from flowcraft_core.graph.compile import compile_blueprint, missing_calls
from flowcraft_core.graph.facts import NodeError, Outcome
from flowcraft_core.graph.instances import Claim, Instance, Phase
from flowcraft_core.graph.scopes import Graph, Kind, Scope
from flowcraft_core.graph.state import RunState
from hypothesis import given
from hypothesis import strategies as st

from .by_hand import ByHand
from .strategies import seeds


def problems(nodes: list[dict[str, Any]], edges: str = "", **more: Any) -> tuple[str, ...]:
    """What is wrong with a blueprint; edges are written as ``"a>b a>c:action"``, ``more`` is about the last one."""
    drawn = [edge_of(edge) for edge in edges.split()]
    if more:
        drawn[-1] |= more
    blueprint = Blueprint.from_json({"id": "f", "nodes": nodes, "edges": drawn})
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(blueprint)
    return tuple(problem.text for problem in caught.value.problems)


def edge_of(text: str) -> dict[str, Any]:
    way, _, action = text.partition(":")
    source, target = way.split(">")
    return {"source": source, "target": target} | ({"action": action} if action else {})


def steps(*ids: str) -> list[dict[str, Any]]:
    return [{"id": node_id, "uses": "x"} for node_id in ids]


def loop(loop_id: str = "l", **params: Any) -> dict[str, Any]:
    return {"id": loop_id, "uses": "loop-controller", "params": {"condition": "false"} | params}


class TestNames:
    def test_a_blueprint_without_nodes_is_refused(self) -> None:
        assert problems([]) == ("it has no nodes: add at least one",)

    def test_an_id_given_twice_is_refused(self) -> None:
        assert problems(steps("a", "a")) == ("node 'a' is defined twice: give each node an id of its own",)

    def test_an_edge_from_or_to_nowhere_is_refused(self) -> None:
        assert problems(steps("a"), "a>b c>a") == (
            "edge 'a' -> 'b': there is no node 'b'; add it or mend the edge",
            "edge 'c' -> 'a': there is no node 'c'; add it or mend the edge",
        )

    def test_every_problem_of_a_stage_is_named(self) -> None:
        assert len(problems(steps("a", "a", "b", "b"), "x>y")) == 4


class TestFallbacks:
    def node(self, node_id: str, fallback: str, uses: str = "x", **more: Any) -> dict[str, Any]:
        return {"id": node_id, "uses": uses, "config": {"fallback": fallback}, **more}

    def test_that_are_built_in_are_refused(self) -> None:
        nodes = [self.node("a", "w"), {"id": "w", "uses": "wait"}]
        assert problems(nodes) == ("node 'a': its fallback 'w' must be a plain step, not 'wait'",)

    def test_that_have_a_fallback_are_refused(self) -> None:
        nodes = [self.node("a", "b"), self.node("b", "c"), *steps("c")]
        assert problems(nodes) == (
            "node 'b' is a fallback and has a fallback itself: handle its failure inside the step",
        )

    def test_of_built_in_nodes_are_refused(self) -> None:
        nodes = [self.node("w", "b", "wait"), *steps("b")]
        assert problems(nodes) == ("node 'w': only a plain step can have a fallback, not 'wait'",)

    def test_that_an_edge_leads_to_are_refused(self) -> None:
        assert problems([self.node("a", "b"), *steps("b", "c")], "c>b") == (
            "edge 'c' -> 'b': 'b' is a fallback and runs only in place of 'a'; remove the edge or the fallback setting",
        )

    def test_that_inputs_name_are_refused(self) -> None:
        nodes = [self.node("a", "b"), *steps("b"), {"id": "c", "uses": "x", "inputs": "b"}]
        assert problems(nodes, "a>c") == (
            "node 'c': inputs name 'b', which is a fallback: name the node that it stands in for",
        )

    def test_are_no_nodes_of_the_graph_and_may_be_shared(self) -> None:
        nodes = [self.node("a", "b"), self.node("c", "b"), *steps("b", "d")]
        graph = compile_blueprint(Blueprint.from_json({"id": "f", "nodes": nodes, "edges": [edge_of("a>d")]}))
        assert [vertex.id for vertex in graph.root.vertices] == ["a", "c", "d"]
        assert [vertex.fallback and vertex.fallback.id for vertex in graph.root.vertices] == ["b", "b", None]

    def test_have_edges_that_mean_the_primarys(self) -> None:
        nodes = [self.node("a", "b"), *steps("b", "c", "d")]
        edges = [edge_of(text) for text in ("a>c", "b>c", "b>d")]
        run = ByHand(Blueprint.from_json({"id": "f", "nodes": nodes, "edges": edges})).end("a", 1)
        assert run.ready == {"c", "d"}
        assert run.input_of("c") == 1

    def test_may_be_the_name_of_an_implementation(self) -> None:
        graph = compile_blueprint(Blueprint.from_json({"id": "f", "nodes": [self.node("a", "plan_b")]}))
        assert set(graph.uses) == {"x", "plan_b"}


class TestLoops:
    def test_without_an_edge_to_their_start_are_refused(self) -> None:
        assert problems([loop(), *steps("s")], "s>l") == (
            "loop 'l' has no edges with the action 'continue': draw exactly one, from the loop to its start node",
        )

    def test_with_two_edges_to_their_start_are_refused(self) -> None:
        for second in ("l>s:continue", "l>t:continue"):
            assert problems([loop(), *steps("s", "t")], f"s>t t>l l>s:continue {second}") == (
                "loop 'l' has 2 edges with the action 'continue': draw exactly one, from the loop to its start node",
            )

    def test_that_begin_with_themselves_are_refused(self) -> None:
        assert problems([loop()], "l>l:continue l>l") == (
            "loop 'l' begins with itself: lead its edge 'continue' to the first node of its body",
        )

    def test_that_no_end_leads_back_to_are_refused(self) -> None:
        assert problems([loop(), *steps("s", "e")], "l>s:continue e>l") == (
            "loop 'l' is reached from no nodes of its body (none): let exactly one end node, that its start leads to, "  # noqa: ISC004
            "have an edge to the loop",
        )

    def test_that_two_ends_lead_back_to_are_refused(self) -> None:
        assert problems([loop(), *steps("s", "a", "b")], "l>s:continue s>a s>b a>l b>l") == (
            "loop 'l' is reached from 2 nodes of its body (a, b): let exactly one end node, that its start leads to, "  # noqa: ISC004
            "have an edge to the loop",
        )

    def test_that_cross_are_refused(self) -> None:
        found = problems([loop("k"), loop("l"), *steps("a", "b", "c")], "a>b b>c b>k k>a:continue c>l l>b:continue")
        assert (
            "loops 'k' and 'l' share node 'k' but neither lies wholly inside the other: nest them, or give each its own "  # noqa: E501
            "nodes"
        ) in found

    def test_that_lie_inside_each_other_are_refused(self) -> None:
        found = problems([loop("k"), loop("l")], "k>l:continue l>k:continue k>k l>l")
        assert all("neither lies wholly inside the other: nest them" in problem for problem in found)

    def test_that_are_left_from_the_middle_are_refused(self) -> None:
        assert problems([loop(), *steps("s", "e", "out")], "s>e e>l l>s:continue s>out") == (
            "edge 's' -> 'out' leaves the body of loop 'l': a loop is left only through its controller, so draw the edge "  # noqa: E501, ISC004
            "from 'l', or lead it to 'e'",
        )

    def test_that_are_entered_in_the_middle_are_refused(self) -> None:
        assert problems([loop(), *steps("in", "s", "e")], "s>e e>l l>s:continue in>e") == (
            "edge 'in' -> 'e' enters the body of loop 'l' in the middle: lead it to the start node 's' or to 'l'",
        )

    def test_without_a_condition_are_refused(self) -> None:
        (problem,) = problems([{"id": "l", "uses": "loop-controller"}, *steps("s")], "s>l l>s:continue")
        assert problem == "node 'l': params.condition must be an expression, not None"

    def test_are_the_only_cycles(self) -> None:
        assert problems(steps("a", "b", "c", "d"), "a>b b>c c>b c>d") == (
            "nodes 'c' -> 'b' -> 'c' form a cycle: declare it with loop(), or break it",
        )
        assert problems(steps("a"), "a>a") == ("nodes 'a' form a cycle: declare it with loop(), or break it",)

    def test_have_as_body_the_nodes_between_start_and_end(self) -> None:
        flow = create_flow("f")
        for node in ("before", "s", "a", "b", "e", "after"):
            flow.node(node, "x")
        flow.loop("l", start="s", end="e", condition="false")
        for source, target in (("before", "s"), ("s", "a"), ("s", "b"), ("a", "e"), ("b", "e"), ("l", "after")):
            flow.edge(source, target)
        root = flow.compile().root
        body = root.constructs[0].body
        assert body is not None
        assert {vertex.id for vertex in body.vertices} == {"s", "a", "b", "e", "l"}
        assert {vertex.id for vertex in root.vertices} == {"before", "l", "after"}


class TestBatchesAndSubflows:
    def scatter(self, gather: object = "g", **params: Any) -> dict[str, Any]:
        return {"id": "s", "uses": "batch-scatter", "params": {"workerUsesKey": "w", "gatherNodeId": gather} | params}

    def test_a_scatter_without_its_gather_is_refused(self) -> None:
        for gather in ("nowhere", "a", None):
            found = problems([self.scatter(gather), *steps("a")])
            assert found == (f"node 's': params.gatherNodeId {gather!r} names no batch-gather node",)

    def test_a_gather_without_its_scatter_is_refused(self) -> None:
        assert problems([{"id": "g", "uses": "batch-gather"}]) == (
            "node 'g': no batch-scatter node names it in params.gatherNodeId",
        )

    def test_a_gather_for_two_scatters_is_refused(self) -> None:
        nodes = [self.scatter(), self.scatter() | {"id": "t"}, {"id": "g", "uses": "batch-gather"}]
        assert problems(nodes) == ("node 'g' gathers for two scatter nodes: give each its own",)

    def test_edges_on_the_wrong_side_of_a_pair_are_refused(self) -> None:
        nodes = [self.scatter(), {"id": "g", "uses": "batch-gather"}, *steps("a")]
        assert problems(nodes, "s>a") == ("edge 's' -> 'a': what follows a batch hangs on its gather node 'g'",)
        assert problems(nodes, "a>g") == ("edge 'a' -> 'g': what a batch waits for leads to its scatter node",)

    def test_a_batch_without_a_worker_is_refused(self) -> None:
        assert problems([{"id": "b", "uses": "batch", "params": {}}]) == (
            "node 'b': a batch needs params.workerUsesKey, its worker's name in the registry, or params.workerBlueprintId",  # noqa: E501
        )

    @pytest.mark.parametrize(
        ("params", "problem"),
        [
            ({"toleratedFailureCount": -1}, "params.toleratedFailureCount must be a whole number, not -1"),
            ({"toleratedFailureCount": "2"}, "params.toleratedFailureCount must be a whole number, not '2'"),
            ({"toleratedFailurePercentage": 101}, "params.toleratedFailurePercentage must be from 0 to 100, not 101"),
            ({"toleratedFailurePercentage": "5"}, "params.toleratedFailurePercentage must be from 0 to 100, not '5'"),
        ],
    )
    def test_an_impossible_tolerance_is_refused(self, params: dict[str, Any], problem: str) -> None:
        node = {"id": "b", "uses": "batch", "params": {"workerUsesKey": "w"} | params}
        assert problems([node]) == (f"node 'b': {problem}",)

    @pytest.mark.parametrize("concurrency", [0, -1, 2.0, "2", True])
    def test_lanes_of_which_there_cannot_be_so_many_are_refused(self, concurrency: Any) -> None:
        node = {"id": "b", "uses": "batch", "params": {"workerUsesKey": "w", "concurrency": concurrency}}
        must = "params.concurrency, how many items are under way at most, must be a whole number of at least 1"
        assert problems([node]) == (f"node 'b': {must}, not {concurrency!r}",)

    @pytest.mark.parametrize("size", [0, -1, 2.0, "2", True])
    def test_pages_that_cannot_have_so_many_items_are_refused(self, size: Any) -> None:
        node = {"id": "b", "uses": "batch", "params": {"workerUsesKey": "w", "pageSize": size}}
        must = "params.pageSize, how many items are stored together, must be a whole number of at least 1"
        assert problems([node]) == (f"node 'b': {must}, not {size!r}",)

    def test_a_subflow_that_calls_nothing_is_refused(self) -> None:
        assert problems([{"id": "c", "uses": "subflow"}]) == (
            "node 'c': a subflow needs params.blueprintId, the id of the flow that it calls",
        )

    @pytest.mark.parametrize("name", ["inputs", "outputs"])
    def test_maps_of_a_subflow_that_map_something_else_are_refused(self, name: str) -> None:
        for mapping in (["a"], {"a": 1}, "a"):
            node = {"id": "c", "uses": "subflow", "params": {"blueprintId": "called", name: mapping}}
            assert problems([node]) == (f"node 'c': params.{name} must map names to names",)

    def test_a_called_blueprint_that_is_not_there_is_named_with_who_calls_it(self) -> None:
        deep = create_flow("deep").subflow("c", "nowhere").compile()
        flow = create_flow("f").subflow("b", "deep").compile()
        missing = missing_calls({"f": flow, "deep": deep}, ["f"])
        assert [problem.text for problem in missing] == [
            "node 'c' of 'deep' calls blueprint 'nowhere', which is not there: give it to the runtime under that id"
        ]
        assert (
            missing_calls({"f": flow, "deep": deep, "nowhere": create_flow("nowhere").node("a", "x").compile()}, ["f"])
            == []
        )


class TestSettings:
    def test_an_expression_that_is_refused_is_named_by_its_edge(self) -> None:
        for name in ("condition", "transform"):
            (problem,) = problems(steps("a", "b"), "a>b", **{name: "a b"})
            assert problem.startswith(f"edge 'a' -> 'b': {name}: ")

    def test_a_loop_condition_that_is_refused_is_named_by_its_loop(self) -> None:
        (problem,) = problems([loop(condition="a b"), *steps("s")], "s>l l>s:continue")
        assert problem.startswith("node 'l': params.condition: ")

    def test_a_sleep_without_a_duration_is_refused(self) -> None:
        (problem,) = problems([{"id": "s", "uses": "sleep", "params": {"duration": "soon"}}])
        assert problem.startswith("node 's': params.duration must be milliseconds or text like '5s'")

    def test_a_timeout_of_a_wait_in_the_wrong_place_is_refused(self) -> None:
        assert problems([{"id": "w", "uses": "wait", "params": {"timeout": 5}}]) == (
            "node 'w': a wait's timeout stands in config.timeout, milliseconds",
        )

    def test_impossible_retries_are_refused(self) -> None:
        with pytest.raises(BlueprintError, match="node 'a': RetryPolicy: delay must be a number of at least 0"):
            compile_blueprint(Blueprint("f", (Node("a", "x", config=NodeConfig(retry_delay=-1)),)))


class TestInputs:
    REMEDY = "draw an edge so that it always comes first, or name another node"

    def refused(self, edges: str, *nodes: str, any_joins: str = "", at: str = "t", name: str = "a") -> bool:
        flow = create_flow("f")
        for node in nodes:
            inputs = name if node == at else None
            flow.node(node, "x", inputs=inputs, join="any" if node in any_joins.split() else None)
        for edge in edges.split():
            flow.edge(*edge.split(">"))
        try:
            flow.compile()
        except BlueprintError as error:
            (problem,) = [found.text for found in error.problems]
            assert problem == (
                f"node {at!r}: inputs name {name!r}, which may not have ended when {at!r} starts: {self.REMEDY}"
            )
            return True
        return False

    def test_may_name_whatever_comes_before_for_certain(self) -> None:
        assert not self.refused("a>t", "a", "t")
        assert not self.refused("a>b b>t", "a", "b", "t")
        assert not self.refused("a>t b>t", "a", "b", "t")

    def test_may_not_name_what_comes_after_or_beside(self) -> None:
        assert self.refused("t>a", "a", "t")
        assert self.refused("", "a", "t")
        assert self.refused("", "t", name="t")

    def test_may_not_name_what_an_any_join_may_have_passed_by(self) -> None:
        assert self.refused("a>j b>j j>t", "a", "b", "j", "t", any_joins="j")
        assert self.refused("a>t b>t", "a", "b", "t", any_joins="t")
        assert not self.refused("a>b a>c b>t c>t", "a", "b", "c", "t", any_joins="t")

    def test_may_not_name_what_lies_inside_a_construct(self) -> None:
        flow = (
            create_flow("f").node("s", "x").loop("l", start="s", end="s", condition="false").node("a", "x", inputs="s")
        )
        with pytest.raises(BlueprintError, match="inputs name 's', which may not have ended when 'a' starts"):
            flow.compile()
        flow.edge("l", "a").compile()

    def test_may_not_name_what_a_join_inside_a_loop_may_have_left_behind(self) -> None:
        for around in (False, True):
            flow = create_flow("f").node("s", "x").node("a", "x").node("b", "x").node("j", "x", join="any")
            flow.edge("s", "a").edge("s", "b").edge("a", "j").edge("b", "j")
            flow.loop("l", start="s", end="j", condition="false")
            if around:
                flow.node("first", "x").edge("first", "s").loop("m", start="first", end="l", condition="false")
            last = "m" if around else "l"
            flow.node("t", "x", inputs="a").edge(last, "t")
            with pytest.raises(
                BlueprintError, match=r"names? 'a', which a join of any edge may leave behind when loop 'l'"
            ):
                flow.compile()
            flow.node("u", "x", inputs={"s": "s", "j": "j"}).edge(last, "u")
            with pytest.raises(BlueprintError) as refused:
                flow.compile()
            assert len(refused.value.problems) == 1  # only the first

    def test_of_a_call_are_checked_too(self) -> None:
        flow = create_flow("f").node("a", "x").subflow("c", "called", inputs={"v": "a"})
        with pytest.raises(BlueprintError, match="node 'c': inputs name 'a', which may not have ended when 'c' starts"):
            flow.compile()
        flow.edge("a", "c").compile()

    def test_in_a_body_may_not_name_the_loop_or_what_follows_it(self) -> None:
        for name in ("l", "after"):
            flow = create_flow("f").node("s", "x", inputs=name).node("after", "x")
            flow.loop("l", start="s", end="s", condition="false").edge("l", "after")
            with pytest.raises(BlueprintError, match=f"node 's': inputs name '{name}'"):
                flow.compile()

    @given(seeds(), st.integers(2, 6))
    def test_may_name_exactly_what_no_schedule_leaves_out(self, seed: int, count: int) -> None:
        chance = random.Random(seed)
        pairs = [(a, b) for b in range(count) for a in range(b) if chance.random() < 0.5]
        any_joins = {b for b in range(count) if chance.random() < 0.5}
        named, at = chance.randrange(count), chance.randrange(count)

        # Whatever can start while `named` never ends: an `any` join by one edge, all others by all edges.
        started: set[int] = set()
        for node in range(count):
            sources = [a in started and a != named for a, b in pairs if b == node]
            if any(sources) if node in any_joins and sources else all(sources):
                started.add(node)
        edges = " ".join(f"n{a}>n{b}" for a, b in pairs)
        nodes = [f"n{n}" for n in range(count)]
        joins = " ".join(f"n{n}" for n in any_joins)
        assert self.refused(edges, *nodes, any_joins=joins, at=f"n{at}", name=f"n{named}") is (at in started)


#: As its builder writes it: `init`, then `inc` while `count < 3`, then a batch over `list`, then `done`.
TYPESCRIPT: dict[str, Any] = {
    "id": "typescript",
    "nodes": [
        {"id": "init", "uses": "fn_1"},
        {"id": "inc", "uses": "fn_2", "config": {"joinStrategy": "any"}},
        {
            "id": "count-loop",
            "uses": "loop-controller",
            "params": {"condition": "count < 3"},
            "config": {"joinStrategy": "any"},
        },
        {
            "id": "pages_scatter",
            "uses": "batch-scatter",
            "inputs": "list",
            "params": {"workerUsesKey": "fn_batch_worker_3", "outputKey": "texts", "gatherNodeId": "pages_gather"},
        },
        {
            "id": "pages_gather",
            "uses": "batch-gather",
            "params": {"outputKey": "texts", "gatherNodeId": "pages_gather"},
            "config": {"joinStrategy": "all"},
        },
        {"id": "done", "uses": "fn_4", "inputs": {"texts": "texts", "last": "_outputs.inc", "first": "init.n"}},
    ],
    "edges": [
        {"source": "count-loop", "target": "pages_scatter", "action": "break"},
        {"source": "pages_gather", "target": "done"},
        {"source": "init", "target": "inc"},
        {"source": "inc", "target": "count-loop"},
        {"source": "count-loop", "target": "inc", "action": "continue", "transform": 'context["inc"]'},
        {"source": "pages_scatter", "target": "pages_gather"},
    ],
}


class TestBlueprintsOfTheTypeScriptBuilder:
    def test_mean_what_they_meant(self) -> None:
        run = ByHand(Blueprint.from_json(TYPESCRIPT), context={"list": ["a", "b"]})
        run.end("init", {"n": 0})
        for number in range(3):
            key = f"count-loop[{number}].inc"
            assert run.input_of(key) == ({"n": 0} if number == 0 else {"n": number})
            run.end(key, {"n": number + 1}, sets={"count": number + 1})
        assert run.ready == {"pages[0].fn_batch_worker_3", "pages[1].fn_batch_worker_3"}
        run.end("pages[1].fn_batch_worker_3", "B").end("pages[0].fn_batch_worker_3", "A")
        assert run.input_of("done") == {"texts": ["A", "B"], "last": {"n": 3}, "first": 0}
        assert run.end("done", "!").status == "completed"
        assert run.context == {"list": ["a", "b"], "count": 3, "texts": ["A", "B"]}
        assert run.outputs == {
            "init": {"n": 0},
            "inc": {"n": 3},
            "count-loop": {"n": 3},
            "pages_scatter": {"items": 2},
            "pages_gather": ["A", "B"],
            "done": "!",
        }

    def test_name_what_they_need(self) -> None:
        graph = compile_blueprint(Blueprint.from_json(TYPESCRIPT))
        assert set(graph.uses) == {"fn_1", "fn_2", "fn_batch_worker_3", "fn_4"}

    def test_with_a_transform_of_a_dotted_name(self) -> None:
        data = {**TYPESCRIPT, "edges": [dict(edge) for edge in TYPESCRIPT["edges"]]}
        data["edges"][4]["transform"] = "context.inc"
        run = ByHand(Blueprint.from_json(data), context={"list": []}).end("init")
        run.end("count-loop[0].inc", 7, sets={"count": 1})
        assert run.input_of("count-loop[1].inc") == 7

    def test_with_a_path_or_a_plain_name_as_inputs(self) -> None:
        nodes = [{"id": "a", "uses": "x"}, {"id": "b", "uses": "x", "inputs": "a.user.name"}]
        blueprint = Blueprint.from_json({"id": "f", "nodes": nodes, "edges": [edge_of("a>b")]})
        assert ByHand(blueprint).end("a", {"user": {"name": "Ann"}}).input_of("b") == "Ann"

    def test_with_ids_that_hold_dots(self) -> None:
        nodes = [*steps("a", "a.b"), {"id": "c", "uses": "x", "inputs": {"x": "a.b", "y": "a.b.n", "z": "a.c"}}]
        edges = [edge_of("a>c"), edge_of("a.b>c")]
        run = ByHand(Blueprint.from_json({"id": "f", "nodes": nodes, "edges": edges})).end("a", {"b": 1, "c": 2})
        run.end("a%2Eb", {"n": 3})
        assert run.input_of("c") == {"x": {"n": 3}, "y": 3, "z": 2}


class TestWhateverIsDrawn:
    """Blueprints drawn without any care are refused by name, or mean something."""

    @given(seeds())
    def test_is_refused_by_name_or_runs_to_its_end(self, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            blueprint = careless(chance)
            try:
                graph = compile_blueprint(blueprint)
            except BlueprintError as error:
                assert all(problem.text for problem in error.problems)  # noqa: PT017
                continue
            check_links(graph)
            run_to_its_end(graph, chance)


def careless(chance: random.Random) -> Blueprint:
    ids = [f"n{number}" for number in range(chance.randint(1, 7))]
    nodes: list[Node] = []
    edges: list[Edge] = []
    for node_id in ids:
        join = chance.choice((None, "any", "all"))
        config = NodeConfig(join_strategy=join, fallback=chance.choice([*[None] * 30, *ids, "plan_b"]))  # type: ignore[arg-type]
        inputs = chance.choice([*[None] * 30, *ids])
        match chance.choice(("step", "step", "step", "loop", "wait", "batch", "pair")):
            case "step":
                nodes.append(Node(node_id, "x", None, inputs, config))
            case "wait":
                nodes.append(Node(node_id, "wait", None, inputs, config))
            case "loop":
                nodes.append(Node(node_id, "loop-controller", {"condition": "input.n > 0"}))
                edges += [Edge(node_id, chance.choice(ids), "continue"), Edge(chance.choice(ids), node_id)]
            case "batch":
                nodes.append(Node(node_id, "batch", {"workerUsesKey": "w"}, "list", NodeConfig(join_strategy=join)))  # type: ignore[arg-type]
            case "pair":
                params = {"workerUsesKey": "w", "gatherNodeId": f"{node_id}g"}
                nodes += [Node(node_id, "batch-scatter", params, "list"), Node(f"{node_id}g", "batch-gather")]
                edges.append(Edge(f"{node_id}g", chance.choice(ids)))
    for _ in range(chance.randint(0, len(ids) + 2)):
        source, target = chance.choice(ids), chance.choice(ids)
        if chance.random() < 0.93 and source > target:
            source, target = target, source
        edges.append(Edge(source, target, chance.choice((None, None, None, "break"))))
    chance.shuffle(edges)
    return Blueprint("f", tuple(nodes), tuple(edges))


def check_links(graph: Graph) -> None:
    """Every edge joins two vertices of one scope, which both know it."""
    waiting: deque[Scope] = deque([graph.root])
    while waiting:
        scope = waiting.popleft()
        for vertex in scope.vertices:
            assert all(link in scope.vertices[link.target].incoming for link in vertex.out)
            assert all(link in scope.vertices[link.source].out for link in vertex.incoming)
        assert sorted(scope.order) == list(range(len(scope.vertices)))
        waiting.extend(construct.body for construct in scope.constructs if construct.body is not None)


def run_to_its_end(graph: Graph, chance: random.Random) -> None:
    state = RunState(graph, {}.__getitem__, {"list": [1, 2]})  # type: ignore[arg-type]
    ready: list[Instance] = []
    wanted: list[Claim] = []
    seen: set[str] = set()
    for _ in range(500):
        for instance in state.ready:
            assert instance.key not in seen
            seen.add(instance.key)
        ready = [i for i in (*ready, *state.ready) if not i.scope.is_unneeded(i.vertex)]
        wanted = [c for c in (*wanted, *state.wanted) if c.slot is not None]
        state.ready.clear()
        state.wanted.clear()
        if state.phase is not Phase.RUNNING:
            return
        assert ready or wanted, "nothing is left to do"
        if wanted and (not ready or chance.random() < 0.5):
            claim = wanted.pop(chance.randrange(len(wanted)))
            assert claim.slot is not None
            state.claim(claim.scope, claim.vertex, claim.slot, claim.place)
        else:
            instance = ready.pop(chance.randrange(len(ready)))
            state.add(instance.scope, instance.vertex, outcome_of(instance, chance))


def outcome_of(instance: Instance, chance: random.Random) -> Outcome:
    scope, vertex = instance
    try:
        if vertex.kind is Kind.EXIT:
            outcome = decisions.leave(scope, vertex)
            outcome.taken = decisions.take_edges(scope, vertex, outcome.output, outcome.action)
            return outcome
        value = decisions.input_of(scope, vertex)
        if vertex.kind is Kind.VERDICT:
            return decisions.verdict(scope, vertex, value)
        if vertex.kind is Kind.ENTRY:
            return decisions.enter(scope, vertex, value, None)
        if chance.random() < 0.05:
            raise ExpressionError("no")
        action, output = chance.choice((None, None, "break")), {"n": chance.choice((0, 0, 0, 0, 1))}
        return Outcome(output, action, None, decisions.take_edges(scope, vertex, output, action))
    except FlowcraftError as error:
        return Outcome(error=NodeError(instance.key, vertex.id, type(error).__name__, str(error)))

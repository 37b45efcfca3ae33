"""Where a name may mean two things: which of them it means, asked from both sides."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import BaseNode, FlowBuilder, FlowRuntime, NodeContext, NodeResult, RunResult, create_flow

Ctx = NodeContext[Any, Any]


def run(flow: FlowBuilder, **context: Any) -> RunResult:
    result = FlowRuntime([flow]).run_sync(flow, context)
    assert result.status == "completed", result.errors
    return result


def gives(output: Any, *, action: str | None = None, **sets: Any) -> Any:
    async def give(ctx: Ctx) -> NodeResult[Any]:
        for name, value in sets.items():
            if value is None:
                await ctx.context.delete(name)
            else:
                await ctx.context.set(name, value)
        return NodeResult(output, action)

    return give


async def echo(ctx: Ctx) -> Any:
    return ctx.input


class TestInInputs:
    """``inputs``: a node's output stands before the context value of its name."""

    flow = create_flow("f").node("a", gives("output")).node("b", echo, inputs="a").edge("a", "b")

    def test_a_node_stands_before_a_context_value(self) -> None:
        assert run(self.flow, a="context").outputs["b"] == "output"

    def test_a_context_value_is_meant_where_no_node_is_called_so(self) -> None:
        flow = create_flow("f").node("a", gives("output")).node("b", echo, inputs="c").edge("a", "b")
        assert run(flow, c="context").outputs["b"] == "context"

    def test_a_context_value_is_taken_where_the_node_did_not_run(self) -> None:
        flow = (
            create_flow("f")
            .node("s", gives(0))
            .node("a", gives("output"))
            .node("b", gives(1))
            .node("j", echo, inputs="a")
        )
        flow.edge("s", "a", condition="false").edge("s", "b").edge("a", "j").edge("b", "j")
        assert run(flow, a="context").outputs["j"] == "context"
        assert run(flow).outputs["j"] is None

    def test_the_longest_id_that_fits_stands_before_a_path(self) -> None:
        for ids, expected in ((("a", "a.b"), "long"), (("a",), "short")):
            flow = create_flow("f").node("j", echo, inputs="a.b")
            for node_id in ids:
                flow.node(node_id, gives("long" if node_id == "a.b" else {"b": "short"})).edge(node_id, "j")
            assert run(flow).outputs["j"] == expected

    def test_a_context_value_of_the_whole_text_stands_before_a_path_into_one(self) -> None:
        flow = create_flow("f").node("a", echo, inputs="c.d")
        assert run(flow, **{"c.d": "whole", "c": {"d": "path"}}).outputs["a"] == "whole"
        assert run(flow, c={"d": "path"}).outputs["a"] == "path"

    def test_the_edges_value_gives_way(self) -> None:
        assert run(self.flow).outputs["b"] == "output"
        flow = create_flow("f").node("a", gives("output")).node("b", echo).edge("a", "b", transform="'edge'")
        assert run(flow, a="context").outputs["b"] == "edge"
        flow.node("c", echo, inputs="a").edge("a", "c", transform="'edge'")
        assert run(flow, a="context").outputs["c"] == "output"


class TestInExpressions:
    """Conditions and transforms: a context value stands before the output of the node that is called so."""

    def value(self, expression: str, node: Any = None, **context: Any) -> Any:
        flow = create_flow("f").node("first", gives("first's")).node("a", node or gives("output")).edge("first", "a")
        return run(flow.node("b", echo).edge("a", "b", transform=expression), **context).outputs["b"]

    @pytest.mark.parametrize("text", ["{}", "context.{}", 'context["{}"]'])
    def test_a_context_value_stands_before_the_nodes_own_output(self, text: str) -> None:
        assert self.value(text.format("a")) == "output"
        assert self.value(text.format("a"), a="context") == "context"

    @pytest.mark.parametrize("text", ["{}", "context.{}"])
    def test_a_context_value_stands_before_the_output_of_an_earlier_node(self, text: str) -> None:
        assert self.value(text.format("first")) == "first's"
        assert self.value(text.format("first"), first="context") == "context"

    def test_what_the_step_has_just_set_stands_before_all(self) -> None:
        assert self.value("a", gives("output", a="set")) == "set"
        assert self.value("a", gives("output", a="set"), a="context") == "set"
        assert self.value("first", gives("output", first="set")) == "set"

    def test_what_it_has_just_deleted_is_not_there(self) -> None:
        assert self.value("c ?? 'none'", gives("output"), c="context") == "context"
        assert self.value("c ?? 'none'", gives("output", c=None), c="context") == "none"

    def test_the_words_of_the_language_stand_before_context_values_of_their_names(self) -> None:
        assert self.value("input", input="context") == "output"
        assert self.value("context.input", input="context") == "context"
        assert self.value("result.output", result="context") == "output"


class TestOfEdges:
    """An edge of the result's action stands before those without one."""

    def targets(self, action: str | None, condition: str | None = None) -> set[str]:
        flow = create_flow("f").node("a", gives(1, action=action)).node("x", echo).node("plain", echo)
        flow.edge("a", "x", action="x", condition=condition).edge("a", "plain")
        return set(run(flow).outputs) - {"a"}

    def test_of_the_action(self) -> None:
        assert self.targets("x") == {"x"}

    def test_without_one(self) -> None:
        assert self.targets(None) == self.targets("y") == {"plain"}

    def test_whose_condition_does_not_hold(self) -> None:
        assert self.targets("x", "false") == {"plain"}


def test_a_retried_steps_fallback_phase_stands_before_the_fallback_node() -> None:
    class Own(BaseNode[Any, str]):
        async def exec(self, prepared: Any, ctx: Any) -> str:
            raise ValueError("no")

        async def fallback(self, error: Exception, ctx: Any) -> str:
            return "own"

    class Without(BaseNode[Any, str]):
        async def exec(self, prepared: Any, ctx: Any) -> str:
            raise ValueError("no")

    for step, expected in ((Own, "own"), (Without, "node")):
        flow = create_flow("f").node("a", step, fallback=gives("node"))
        assert run(flow).outputs["a"] == expected

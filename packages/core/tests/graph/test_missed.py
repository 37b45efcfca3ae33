"""Hints at joins of all edges that may go on without the input of a node whose failure was handled."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import FlowBuilder, create_flow
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.instances import Instance, Mark
from flowcraft_core.graph.missed import failures_missed
from flowcraft_core.graph.scopes import Link
from flowcraft_testkit.oracle import draw

from .by_hand import ByHand
from .driver import Driver, instances


def step(_: Any) -> Any:
    """Never runs."""


def flow(edges: str, **joins: Any) -> FlowBuilder:
    """Steps with edges as ``"a>b a>c:failure"``."""
    built = create_flow("f")
    drawn = [edge.replace(":", ">").split(">") for edge in edges.split()]
    for name in sorted({name for source, target, *_ in drawn for name in (source, target)}):
        built.node(name, step, join=joins.get(name))
    for source, target, *on in drawn:
        built.edge(source, target, on=on[0] if on else "success")  # type: ignore[arg-type]  # one of the words
    return built


def hints(built: FlowBuilder) -> list[str]:
    return [found.text for found in failures_missed(compile_blueprint(built.to_blueprint()))]


def hinted(built: FlowBuilder) -> list[str]:
    """The nodes at which there is a hint."""
    return [hint.split("'")[1] for hint in hints(built)]


def test_a_hint_names_the_join_what_it_lacks_and_what_to_do() -> None:
    (hint,) = hints(flow("a>b b>j c>j a>h:failure"))
    assert hint == (
        "node 'j': it may go on without 'b', where a failure of 'a' is handled by 'h': let what follows 'h' lead to "
        "'j', too, unless it can do without"
    )


def test_it_is_what_happens() -> None:
    run = ByHand(flow("a>b b>j c>j a>h:failure")).fail("a").end("c", 1)
    assert run.ready == {"h", "j"}
    assert run.input_of("j") == {"c": 1}


@pytest.mark.parametrize(
    ("edges", "nodes"),
    [
        ("a>j c>j a>h:failure", ["j"]),
        ("a>j c>j a>h:always", ["j"]),
        ("a>b a>d b>j d>j c>j a>h:failure", ["j"]),
        ("a>b b>j c>j a>h:failure j>k c>k", ["j"]),  # not k: nothing before it is skipped
        ("a>j c>j a>k d>k a>h:failure", ["j", "k"]),
        ("a>c a>h:failure c>j h>i", []),  # no join
        ("a>j b>j a>h:failure b>h:failure", ["j", "j"]),
    ],
)
def test_there_is_one_at_each_join_behind_an_edge_that_is_skipped(edges: str, nodes: list[str]) -> None:
    assert hinted(flow(edges)) == nodes


@pytest.mark.parametrize(
    "edges",
    [
        "a>j c>j",  # nothing handles the failure: it fails the run
        "a>b b>j c>j a>h:failure h>j",
        "a>b b>j c>j a>h:failure h>i i>j",
        "a>j c>j a>j:failure",
        "a>j c>j a>h:always h>j",
        "a>b a>c b>j c>j a>h:failure",  # it has no other input: it is dead
        "c>a a>j a>h:failure h>j c>j",
    ],
)
def test_there_is_none_where_what_handles_the_failure_leads_there_or_nothing_else_does(edges: str) -> None:
    assert hints(flow(edges)) == []


def test_there_is_none_at_a_join_of_any() -> None:
    assert hints(flow("a>j c>j a>h:failure", j="any")) == []
    assert hinted(flow("a>k k>j c>j a>h:failure d>k", k="any")) == []  # d wins the race


def test_a_construct_is_a_join_and_fails_like_a_step() -> None:
    built = flow("s>h j>k").batch("b", step).batch("d", step).edge("s", "b").edge("b", "d").edge("h", "d")
    assert hinted(built.edge("b", "j", on="failure")) == ["d"]
    built = flow("s>t").batch("b", step).node("h", step).node("j", step).edge("s", "b").edge("b", "j").edge("t", "j")
    assert hinted(built.edge("b", "h", on="failure")) == ["j"]
    behind = flow("a>x c>j").batch("b", step).edge("x", "b").edge("b", "j").node("h", step).edge("a", "h", on="failure")
    assert hinted(behind) == ["j"]  # the batch has no other way in, and is dead


def test_the_body_of_a_loop_is_looked_into() -> None:
    built = flow("s>a a>b a>c b>j c>j").node("h", step).edge("b", "h", on="failure").edge("h", "e")
    built.node("e", step).edge("j", "e").loop("l", start="a", end="e", condition="false")
    assert hinted(built) == ["j"]


def test_a_loop_is_named_by_the_node_that_edges_are_drawn_to() -> None:
    built = flow("x>a c>a").loop("l", start="a", end="a", condition="false").node("h", step)
    assert hinted(built.edge("x", "h", on="failure")) == ["a"]


# --- whatever the flow ------------------------------------------------------------------------------------------------


def lacking(driver: Driver) -> list[tuple[Instance, Link]]:
    """The joins of all that ran without the input of a node behind them whose failure was handled elsewhere."""
    return [
        (instance, link)
        for instance in instances(driver.state)
        if instance.vertex.index in instance.scope.outcomes and not instance.vertex.quorum
        for link in instance.vertex.incoming
        if link.on == "success" and instance.scope.mark_of(link) is Mark.SKIPPED
        if (failed := instance.scope.outcomes.get(link.source)) is not None and failed.handled
        if instance.vertex.index not in behind_handlers(instance.scope.at(link.source))
    ]


def behind_handlers(failed: Instance) -> set[int]:
    """The vertices to which a way leads from a node's edges on failure or always."""
    vertices = failed.scope.scope.vertices
    found, waiting = set[int](), [link.target for link in failed.vertex.out if link.on != "success"]
    while waiting:
        vertex = vertices[waiting.pop()]
        if vertex.index not in found:
            found.add(vertex.index)
            waiting += [link.target for link in vertex.out]
            if vertex.construct is not None and vertex.index == vertex.construct.entry:
                waiting.append(vertex.construct.exit)
    return found


def test_there_is_one_wherever_a_join_went_on_without() -> None:
    found = 0
    for seed in range(150):
        driver = Driver(draw(seed).flow, seed).run()
        told = {
            blueprint: [found.text for found in failures_missed(graph)] for blueprint, graph in driver.graphs.items()
        }
        for instance, link in lacking(driver):
            found += 1
            where, failing = (
                f"node {link.target_id!r}: ",
                f"a failure of {instance.scope.at(link.source).vertex.id!r} is",
            )
            hints_there = told[instance.scope.scope.blueprint]
            assert any(hint.startswith(where) and failing in hint for hint in hints_there), (seed, instance.key)
    assert found >= 3

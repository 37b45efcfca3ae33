"""A flow whose steps' annotations do not fit each other is refused when it is built, with both ends named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import pytest
from flowcraft_core import (
    BaseNode,
    BlueprintError,
    Flow,
    FlowBuilder,
    NodeContext,
    NodeResult,
    SyncNodeContext,
    create_flow,
)


class Page(TypedDict):
    text: str
    number: int


class Book(TypedDict):
    title: str
    lines: list[str]


class Size(TypedDict):
    size: int


def book(ctx: SyncNodeContext) -> Book:
    return {"title": "", "lines": []}


def measured(ctx: SyncNodeContext[Size]) -> int:
    return ctx.input["size"]


def words(ctx: SyncNodeContext[str]) -> list[str]:
    return ctx.input.split()


async def counted(ctx: NodeContext[list[str]]) -> NodeResult[int]:
    return NodeResult(len(ctx.input))


def doubled(ctx: SyncNodeContext[int]) -> int:
    return ctx.input * 2


def unknown(ctx: Any) -> Any:
    return ctx.input


def paged(ctx: SyncNodeContext[Page]) -> str:
    return ctx.input["text"]


def told(ctx: SyncNodeContext[dict[str, Any]]) -> str:
    return str(ctx.input)


class Sized(BaseNode[list[str], int]):
    def prep(self, ctx: SyncNodeContext[list[str]]) -> list[str]:
        return ctx.input

    def exec(self, prepared: list[str], ctx: Any) -> int:
        return len(prepared)


def flow(*steps: Any) -> FlowBuilder:
    made = create_flow("made")
    for number, step in enumerate(steps):
        made.node(f"n{number}", step)
        if number:
            made.edge(f"n{number - 1}", f"n{number}")
    return made


FITTING: dict[str, Callable[[], FlowBuilder]] = {
    "chain": lambda: flow(words, counted, doubled),
    "of unknown": lambda: flow(words, unknown, doubled),
    "class": lambda: flow(words, Sized, doubled),
    "transform": lambda: create_flow("f").node("a", words).node("b", doubled).edge("a", "b", transform="1"),
    "batch": lambda: create_flow("f").node("a", words).batch("b", words).edge("a", "b"),
    "sequence": lambda: flow(words, lambda ctx: ctx.input),
    "a part of an output": lambda: (
        create_flow("f").node("a", book).batch("b", words, items="a.lines").node("c", words, inputs="a.title")
        .node("d", measured, inputs={"size": "a.pages.0"}).edge("a", "b").edge("a", "c").edge("a", "d")
    ),
    "loop": lambda: (
        create_flow("f").node("a", counted).node("b", doubled).node("c", doubled).edge("b", "c").edge("a", "b")
        .loop("l", start="b", end="c", condition="input < 9").node("d", doubled).edge("l", "d")
    ),
    "inputs": lambda: (
        create_flow("f").node("a", words).node("n", counted).node("b", paged, inputs={"number": "n"})
        .edge("a", "n").edge("n", "b")
    ),
    "call": lambda: create_flow("f").node("a", words).subflow("c", flow(counted)).edge("a", "c"),
    "failure": lambda: create_flow("f").node("a", counted).node("b", told).edge("a", "b", on="failure"),
    "always": lambda: create_flow("f").node("a", counted).node("b", told).edge("a", "b", on="always"),
    "any": lambda: (
        create_flow("f").node("a", counted).node("b", doubled).node("c", doubled, join="any")
        .edge("a", "c").edge("b", "c")
    ),
}  # fmt: skip

DICT = (
    "node 'c' takes list[str], and as a join of 'a', 'b' it gets a dict by source: take that, say inputs=, or make it "
    "join='any'"
)
NOT_FITTING: dict[str, tuple[Callable[[], FlowBuilder], list[str]]] = {
    "chain": (lambda: flow(words, doubled), ["edge 'n0' -> 'n1': node 'n1' takes int, and 'n0' gives list[str]"]),
    "class": (lambda: flow(counted, Sized), ["edge 'n0' -> 'n1': node 'n1' takes list[str], and 'n0' gives int"]),
    "batch": (
        lambda: create_flow("f").node("a", words).batch("b", doubled).edge("a", "b"),
        ["edge 'a' -> 'b': an item of batch 'b' is int, and 'a' gives list[str]"],
    ),
    "no list": (
        lambda: create_flow("f").node("a", counted).batch("b", doubled).edge("a", "b"),
        ["edge 'a' -> 'b': batch 'b' goes through a list, and 'a' gives int"],
    ),
    "no list for a worker of which nothing is known": (
        lambda: create_flow("f").node("a", counted).batch("b", unknown, items="a").edge("a", "b"),
        ["inputs of node 'b': batch 'b' goes through a list, and 'a' gives int"],
    ),
    "results": (
        lambda: create_flow("f").node("a", words).batch("b", words).node("c", counted).edge("a", "b").edge("b", "c"),
        ["edge 'b' -> 'c': node 'c' takes list[str], and 'b' gives list[list[str]]"],
    ),
    "inputs": (
        lambda: create_flow("f").node("a", words).node("b", doubled, inputs="a").edge("a", "b"),
        ["inputs of node 'b': node 'b' takes int, and 'a' gives list[str]"],
    ),
    "part of inputs": (
        lambda: create_flow("f").node("a", words).node("b", paged, inputs={"number": "a"}).edge("a", "b"),
        ["inputs of node 'b': node 'b' takes int as 'number', and 'a' gives list[str]"],
    ),
    "dict": (
        lambda: create_flow("f").node("a", words).node("b", words).node("c", counted).edge("a", "c").edge("b", "c"),
        [DICT],
    ),
    "feedback": (
        lambda: (
            create_flow("f").node("a", words).node("b", counted).edge("a", "b")
            .loop("l", start="b", end="b", condition="input < 9")
        ),
        ["edge 'b' -> 'b': node 'b' takes list[str], and 'b' gives int"],
    ),
    "after a loop": (
        lambda: (
            create_flow("f").node("a", doubled).loop("l", start="a", end="a", condition="input < 9")
            .node("b", counted).edge("l", "b")
        ),
        ["edge 'l' -> 'b': node 'b' takes list[str], and 'l' gives int"],
    ),
    "call": (
        lambda: create_flow("f").node("a", counted).subflow("c", flow(counted)).edge("a", "c"),
        ["edge 'a' -> 'c': node 'c' takes list[str], and 'a' gives int"],
    ),
    "after a call": (
        lambda: create_flow("f").subflow("c", flow(counted)).node("b", counted).edge("c", "b"),
        ["edge 'c' -> 'b': node 'b' takes list[str], and 'c' gives int"],
    ),
    "a part of an output": (
        lambda: create_flow("f").node("a", book).node("b", doubled, inputs="a.lines.0").edge("a", "b"),
        ["inputs of node 'b': node 'b' takes int, and 'a.lines.0' gives str"],
    ),
    "a part, under a key": (
        lambda: create_flow("f").node("a", book).node("b", measured, inputs={"size": "a.title"}).edge("a", "b"),
        ["inputs of node 'b': node 'b' takes int as 'size', and 'a.title' gives str"],
    ),
    "failure": (
        lambda: create_flow("f").node("a", counted).node("b", doubled).edge("a", "b", on="failure"),
        ["edge 'a' -> 'b': node 'b' takes int, and an edge on 'failure' hands on the error as a dict"],
    ),
    "always, into a batch": (
        lambda: create_flow("f").node("a", words).batch("b", words).edge("a", "b", on="always"),
        ["edge 'a' -> 'b': batch 'b' goes through a list, and an edge on 'always' hands on output and error as a dict"],
    ),
    "a decorated flow": (
        lambda: create_flow("f").node("a", words).subflow("c", Flow[int, int]("called")).edge("a", "c"),
        ["edge 'a' -> 'c': node 'c' takes int, and 'a' gives list[str]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITTING)
def test_what_may_fit_is_built(name: str) -> None:
    FITTING[name]().to_blueprint()


@pytest.mark.parametrize("name", NOT_FITTING)
def test_what_cannot_fit_is_refused_with_both_ends(name: str) -> None:
    build, problems = NOT_FITTING[name]
    with pytest.raises(BlueprintError) as refused:
        build().to_blueprint()
    assert [problem.text for problem in refused.value.problems] == problems


def test_annotations_that_cannot_be_resolved_say_nothing() -> None:
    def gives(ctx: SyncNodeContext) -> Sequence[Missing]:  # type: ignore[name-defined]  # noqa: F821
        return []

    flow(gives, doubled).to_blueprint()


def test_what_stands_in_for_the_last_step_may_give_anything() -> None:
    handled = flow(words, counted).node("b", told).edge("n1", "b", on="failure")
    create_flow("f").subflow("c", handled).node("d", doubled).edge("c", "d").to_blueprint()
    create_flow("f").subflow("c", handled).node("d", paged).edge("c", "d").to_blueprint()

"""Flows in which failures are handled, for the scenarios; small, as all of them are."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, create_flow


async def _one(ctx: NodeContext[Any, Any]) -> int:
    return 1


async def _same(ctx: NodeContext[Any, Any]) -> Any:
    return ctx.input


async def _broken(ctx: NodeContext[Any, Any]) -> None:
    raise ValueError("broken for good")


async def _items(ctx: NodeContext[Any, Any]) -> list[int]:
    return [10, 20]


def handled() -> FlowBuilder:
    """A failure with a way on, beside a node that has one and does not fail; one join, and what always follows."""
    flow = create_flow("handled").node("s", _one).node("x", _broken).node("y", _same).node("h", _same)
    flow.node("ok", _same).node("never", _same).node("j", _same).node("end", _same)
    flow.edge("s", "x").edge("s", "ok").edge("x", "y").edge("x", "h", on="failure").edge("y", "j").edge("h", "j")
    flow.edge("ok", "j").edge("ok", "never", on="failure").edge("never", "j")
    return flow.edge("x", "end", on="always").edge("ok", "end", on="always")


def handled_insides() -> FlowBuilder:
    """Failures of a batch and of a race in a called flow, each with a way on."""
    lost = create_flow("lost").node("p", _broken).node("q", _broken).node("r", _same, join="any").node("n", _same)
    lost.edge("p", "r").edge("q", "r").edge("r", "n", on="failure", transform="error.message")
    flow = create_flow("handled_insides").node("s", _items).batch("pages", _broken).node("h", _same).edge("s", "pages")
    flow.edge("pages", "h", on="failure", transform="error.message").subflow("call", lost).edge("h", "call")
    return flow.node("end", _same).node("not", _same).edge("call", "end").edge("call", "not", on="failure")


def failed_pass() -> FlowBuilder:
    """A loop whose verdict is to go on, while a failure in its pass is neither handled nor contained inside."""
    flow = create_flow("failed_pass").node("a", _one).node("x", _broken).node("e", _same, join="any")
    flow.loop("l", start="a", end="e", condition="true").edge("a", "x").edge("a", "e")
    flow.edge("x", "e", on="failure", condition="error.type == 'KeyError'").node("h", _same)
    return flow.edge("l", "h", on="always", transform="error.node")

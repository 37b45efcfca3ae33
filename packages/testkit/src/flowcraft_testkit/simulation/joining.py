"""Flows with joins of two, for the scenarios; small, as all of them are."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, Step, create_flow


async def _one(ctx: NodeContext[Any, Any]) -> int:
    return 1


async def _add(ctx: NodeContext[Any, Any]) -> int:
    return int(ctx.input) + 1


async def _same(ctx: NodeContext[Any, Any]) -> Any:
    return ctx.input


async def _broken(ctx: NodeContext[Any, Any]) -> None:
    raise ValueError("broken for good")


def two_of_three() -> FlowBuilder:
    """Three that race, of whom two are enough."""
    return _joined("two_of_three", _add, _add, _add)


def two_are_left() -> FlowBuilder:
    """Of three one fails."""
    return _joined("two_are_left", _add, _broken, _add)


def one_is_left() -> FlowBuilder:
    """Of three two fail; what handles that is told so once."""
    flow = _joined("one_is_left", _broken, _broken, _add)
    return flow.node("h", _same).edge("j", "h", on="failure", transform="error.message")


def _joined(flow_id: str, *steps: Step) -> FlowBuilder:
    flow = create_flow(flow_id).node("s", _one).node("j", _same, join=2).node("e", _same).edge("j", "e")
    for place, step in enumerate(steps):
        flow.node(f"m{place}", step).edge("s", f"m{place}").edge(f"m{place}", "j")
    return flow

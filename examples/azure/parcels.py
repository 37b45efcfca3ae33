"""The flow: a parcel is weighed and its address looked up side by side, then it is priced, and labelled."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, create_flow

_PER_KILOGRAM = {"CH": 4.0, "DE": 5.5}
_ELSEWHERE = 9.0


async def weigh(ctx: NodeContext) -> float:
    """Kilograms of all items."""
    items: list[dict[str, Any]] = await ctx.context.get("items")
    grams: int = sum(item["grams"] * item["count"] for item in items)
    return round(grams / 1_000, 3)


async def look_up(ctx: NodeContext) -> str:
    """The country of the address."""
    address: str = await ctx.context.get("address")
    return address.rsplit(",", 1)[-1].strip().upper()


async def price(ctx: NodeContext[dict[str, Any]]) -> float:
    """What it costs to send."""
    kilograms: float = ctx.input["weigh"]
    return round(kilograms * _PER_KILOGRAM.get(ctx.input["look_up"], _ELSEWHERE), 2)


async def label(ctx: NodeContext[float]) -> str:
    """What is printed on it."""
    return f"{await ctx.context.get('address')} / {ctx.input:.2f}"


def parcel_flow() -> FlowBuilder:
    """The flow, with its steps."""
    flow = create_flow("parcel").node("weigh", weigh).node("look_up", look_up)
    flow.node("price", price, retries=3).node("label", label)
    return flow.edge("weigh", "price").edge("look_up", "price").edge("price", "label")

"""The flow of the example: an order is looked up, charged and taken from the stock side by side, and then shipped."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import NodeContext, SyncNodeContext, create_flow

_PRICES = {"tea": 4, "pot": 30}


def look_up(ctx: SyncNodeContext[Any, Any]) -> dict[str, Any]:
    """What was ordered, with its price. A plain function runs in a thread."""
    items: dict[str, int] = ctx.context.get("items")
    return {"items": items, "total": sum(_PRICES[name] * number for name, number in items.items())}


async def charge(ctx: NodeContext[Any, Any]) -> str:
    """Take the money. The key is the same however often the step is tried, so that nobody pays twice."""
    await asyncio.sleep(0.1)  # a call to the bank, which would be given ctx.idempotency_key
    return f"charged {ctx.input['total']}"


async def take(ctx: NodeContext[Any, Any]) -> str:
    """Take it from the stock: once, however often this is executed, since it is stored with the step's outcome."""
    connection = await ctx.connection()
    for name, number in ctx.input["items"].items():
        await connection.execute("UPDATE stock SET number = number - %s WHERE name = %s", [number, name])
    return f"took {sum(ctx.input['items'].values())} items"


async def ship(ctx: NodeContext[Any, Any]) -> str:
    """Runs once both are done; its input is a dict with the output of each."""
    return f"shipped: {ctx.input['charge']}, {ctx.input['take']}"


orders = (
    create_flow("orders")
    .node("look_up", look_up)
    .node("charge", charge)
    .node("take", take)
    .node("ship", ship)
    .edge("look_up", "charge")
    .edge("look_up", "take")
    .edge("charge", "ship")
    .edge("take", "ship")
)

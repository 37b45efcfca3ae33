"""Three steps side by side, and one that joins them."""

from typing import TypedDict

from flowcraft_core import NodeContext, create_flow


class Found(TypedDict):
    people: int
    places: list[str]
    price: float


async def people(ctx: NodeContext) -> int:
    return len(await ctx.context.get("input"))


async def places(ctx: NodeContext) -> list[str]:
    city = await ctx.context.get("input")
    return [f"{city} harbour", f"{city} park"]


async def price(ctx: NodeContext) -> float:
    return 1.5


async def total(ctx: NodeContext[Found]) -> int:
    found = ctx.input
    times: int = await ctx.context.get("factor") or 2
    return int((found["people"] + len(found["places"])) * found["price"] * times)


flow = create_flow("fan").node("people", people).node("places", places).node("price", price)
flow.node("total", total, inputs={"people": "people", "places": "places", "price": "price"})
flow.edge("people", "total").edge("places", "total").edge("price", "total")

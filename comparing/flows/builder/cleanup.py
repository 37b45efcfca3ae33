"""A failure is made good, and something is tidied up in any case."""

from typing import TypedDict

from flowcraft_core import ErrorData, SyncNodeContext, create_flow


class Reserved(TypedDict):
    euros: int
    card: str


tidied: list[str] = []


def reserve(ctx: SyncNodeContext) -> int:
    ctx.context.set("euros", 40)
    return 40


def charge(ctx: SyncNodeContext[Reserved]) -> str:
    if ctx.input["card"] == "expired":
        raise PermissionError(f"the card is {ctx.input['card']}")
    return f"{ctx.input['euros']} paid"


def ship(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input}, shipped"


def release(ctx: SyncNodeContext[ErrorData]) -> str:
    return f"{ctx.context.get('euros')} released, {ctx.input['message']}"


def tidy(ctx: SyncNodeContext) -> None:
    tidied.append(ctx.context.get("clerk") or "Ada")


flow = create_flow("cleanup").node("reserve", reserve)
flow.node("charge", charge, inputs={"euros": "reserve", "card": "input"})
flow.node("ship", ship).node("release", release).node("tidy", tidy).node("said", lambda ctx: ctx.input, join="any")
flow.edge("reserve", "charge").edge("charge", "ship").edge("charge", "release", on="failure")
flow.edge("charge", "tidy", on="always").edge("ship", "said").edge("release", "said").metadata(result="said")

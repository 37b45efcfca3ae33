"""A flow that calls another one."""

from flowcraft_core import SyncNodeContext, create_flow


def gross(ctx: SyncNodeContext[int]) -> float:
    share: float = ctx.context.get("rate") or 0.25
    return ctx.input * (1 + share)


tax = create_flow("tax").node("gross", gross)


def add(ctx: SyncNodeContext) -> int:
    return sum(ctx.context.get("input"))


def show(ctx: SyncNodeContext[float]) -> str:
    return f"{ctx.input:g} to pay"


flow = create_flow("subflow").node("add", add).subflow("total", tax).node("show", show)
flow.edge("add", "total").edge("total", "show")

"""A context value that one step sets, and a later one reads."""

from flowcraft_core import SyncNodeContext, create_flow


def add(ctx: SyncNodeContext) -> int:
    prices: list[int] = ctx.context.get("input")
    ctx.context.set("before", sum(prices))
    return sum(prices)


def discount(ctx: SyncNodeContext[int]) -> int:
    return ctx.input - ctx.input // 10


def report(ctx: SyncNodeContext[int]) -> str:
    return f"{ctx.input} instead of {ctx.context.get('before')}"


flow = create_flow("shared").node("add", add).node("discount", discount).node("report", report)
flow.edge("add", "discount").edge("discount", "report")

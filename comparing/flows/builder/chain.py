"""Steps one after the other."""

from flowcraft_core import SyncNodeContext, create_flow


def split(ctx: SyncNodeContext) -> list[str]:
    return str(ctx.context.get("input")).split()


def count(ctx: SyncNodeContext[list[str]]) -> int:
    return len(ctx.input)


def report(ctx: SyncNodeContext[int]) -> str:
    return f"{ctx.input} {ctx.context.get('unit') or 'words'}"


flow = create_flow("chain").node("split", split).node("count", count).node("report", report)
flow.edge("split", "count").edge("count", "report")

"""Each item of a list, two at a time."""

from flowcraft_core import NodeContext, SyncNodeContext, create_flow


async def parse(ctx: NodeContext[str]) -> int:
    return int(ctx.input)


def add(ctx: SyncNodeContext[list[int]]) -> int:
    scale: int = ctx.context.get("scale") or 10
    return sum(ctx.input) * scale


flow = create_flow("batch").batch("parse", parse, items="input", concurrency=2).node("add", add).edge("parse", "add")

"""One of two ways, which meet again."""

from flowcraft_core import SyncNodeContext, create_flow


def weigh(ctx: SyncNodeContext) -> int:
    ctx.context.set("limit", 30)
    return int(ctx.context.get("input"))


def freight(ctx: SyncNodeContext[int]) -> str:
    return f"{ctx.input} kg by freight"


def post(ctx: SyncNodeContext[int]) -> str:
    return f"{ctx.input} kg by post"


def label(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input}!"


flow = create_flow("branch").node("weigh", weigh).node("freight", freight).node("post", post)
flow.node("label", label, join="any")
flow.edge("weigh", "freight", condition="result.output > limit")
flow.edge("weigh", "post", condition="result.output <= limit")
flow.edge("freight", "label").edge("post", "label")

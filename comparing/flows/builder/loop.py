"""A text that is improved until it is good."""

from typing import TypedDict

from flowcraft_core import SyncNodeContext, create_flow


class Draft(TypedDict):
    text: str
    score: int


def begin(ctx: SyncNodeContext) -> Draft:
    ctx.context.set("goal", 80)
    return Draft(text=str(ctx.context.get("input")), score=40)


def improve(ctx: SyncNodeContext[Draft]) -> Draft:
    return Draft(text=ctx.input["text"] + "!", score=ctx.input["score"])


def review(ctx: SyncNodeContext[Draft]) -> Draft:
    return Draft(text=ctx.input["text"], score=ctx.input["score"] + 30)


def publish(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input} It is out."


flow = create_flow("loop").node("begin", begin).node("improve", improve).node("review", review)
flow.loop("again", start="improve", end="review", condition="result.output.score < goal")
flow.node("publish", publish, inputs="again.text")
flow.edge("begin", "improve").edge("improve", "review").edge("again", "publish")

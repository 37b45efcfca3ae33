"""A person's answer is waited for, but not for ever."""

from typing import TypedDict

from flowcraft_core import SyncNodeContext, create_flow


class Answered(TypedDict):
    claim: str
    by: str


def ask(ctx: SyncNodeContext) -> str:
    return f"a {ctx.context.get('input')}"


def pay(ctx: SyncNodeContext[Answered]) -> str:
    return f"{ctx.input['claim']} paid in {ctx.context.get('currency') or 'EUR'} by {ctx.input['by']}"


def lapse(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input} has lapsed"


flow = create_flow("approval").node("ask", ask).wait("answer", timeout="10s")
flow.node("pay", pay, inputs={"claim": "ask", "by": "answer.by"}).node("lapse", lapse, inputs="ask")
flow.node("said", lambda ctx: ctx.input, join="any")
flow.edge("ask", "answer").edge("answer", "pay").edge("answer", "lapse", action="timeout")
flow.edge("pay", "said").edge("lapse", "said")

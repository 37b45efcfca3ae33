"""The flows whose runs are looked at: one with everything, one with markup wherever data can be, one that is large."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, NodeResult, RetryPolicy, SyncNodeContext, create_flow

#: Would run in a page that took data for markup; what tells that one has run is the title.
MARKUP = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>'\"&{{7*7}}"
#: The beginning of what must stay secret, and is redacted.
SECRET = "hunter2-do-not-show"  # noqa: S105 - made up


async def check(ctx: NodeContext) -> Any:
    """Chooses a way, and sets context values."""
    await ctx.context.set("customer", {"name": "Ada", "card_token": SECRET})
    total = (await ctx.context.get("total")) or 0
    return NodeResult({"total": total}, action="express" if total > 50 else "standard")


async def flaky(ctx: NodeContext) -> Any:
    """Fails once, then packs."""
    if ctx.attempt == 1:
        raise ConnectionError("the label printer was busy")
    return {"packed": ctx.input, "attempt": ctx.attempt}


async def item(ctx: NodeContext) -> Any:
    """An item of a batch."""
    await asyncio.sleep(0.02)
    return {"item": ctx.input, "weight": ctx.input * 2}


async def better(ctx: NodeContext) -> Any:
    """A pass of a loop."""
    return {"score": (ctx.input or {}).get("score", 40) + 25 if isinstance(ctx.input, dict) else 40}


async def breaks(ctx: NodeContext) -> Any:
    """Fails for good."""
    raise ValueError(f"the order of run {ctx.run_id} has no address")


async def slow(ctx: NodeContext) -> Any:
    """Takes long, and says how far it is."""
    for step in range(36_000):  # longer than anybody looks at it
        ctx.progress(step % 600 / 600, f"page {step}")
        ctx.raise_if_cancelled()
        await asyncio.sleep(0.1)
    return "done"


def _echo(ctx: SyncNodeContext) -> Any:
    return ctx.input


async def _one(ctx: NodeContext) -> Any:
    return 1


def orders() -> FlowBuilder:
    """Branches, an `any` join, a batch, a loop, a subflow, retries, a sleep and a wait."""
    charge = create_flow("charging").node("validate", _echo).node("book", _echo).edge("validate", "book")
    flow = create_flow("orders").node("check", check).node("express", _echo).node("standard", _echo)
    flow.node("pack", flaky, retries=RetryPolicy(max_attempts=3, delay=0.05)).edge("check", "express", action="express")
    flow.edge("check", "standard", action="standard").edge("express", "pack").edge("standard", "pack")
    flow.node("parts", lambda ctx: [1, 2, 3, 4, 5]).edge("pack", "parts")
    flow.batch("weigh", item).edge("parts", "weigh")
    flow.loop("improve", start="better", end="review", condition="result.output.score < 80")
    flow.node("better", better).node("review", _echo).edge("better", "review").edge("weigh", "better")
    flow.subflow("charge", charge).edge("improve", "charge")
    flow.sleep("rest", 0.01).edge("charge", "rest")
    flow.wait("approve").edge("rest", "approve")
    flow.node("ship", _echo).node("refund", _echo)
    flow.edge("approve", "ship", action="approved").edge("approve", "refund", action="rejected")
    return flow


def breaking() -> FlowBuilder:
    """Fails for good, in its second step, beside one that goes well."""
    flow = create_flow("breaking").node("begin", lambda ctx: {"text": "x" * 9_000})
    flow.node("address", breaks, retries=RetryPolicy(max_attempts=2, delay=0.01)).node("other", _echo)
    return flow.edge("begin", "address").edge("begin", "other")


def long_one() -> FlowBuilder:
    """Has a step that is under way for long."""
    return create_flow("long").node("pages", slow).node("after", _echo).edge("pages", "after")


async def _hostile_step(ctx: NodeContext) -> Any:
    await ctx.context.set(MARKUP, MARKUP)
    ctx.progress(0.5, MARKUP)
    return NodeResult({MARKUP: MARKUP}, action=MARKUP)


class HostileError(Exception):
    """An error whose text is markup."""


async def _hostile_failure(ctx: NodeContext) -> Any:
    raise HostileError(MARKUP)


def hostile() -> FlowBuilder:
    """Markup in every field that data can fill."""
    flow = create_flow(f"flow{MARKUP}").node(f"a{MARKUP}", _hostile_step)
    flow.wait(f"w{MARKUP}").edge(f"a{MARKUP}", f"w{MARKUP}", action=MARKUP)
    flow.node(f"f{MARKUP}", _hostile_failure, retries=RetryPolicy(max_attempts=2, delay=0.01))
    flow.edge(f"w{MARKUP}", f"f{MARKUP}", action=MARKUP)
    flow.node(f"c{MARKUP}", _echo).edge(f"w{MARKUP}", f"c{MARKUP}", condition="result.output == '<b>x</b>'")
    flow.batch(f"b{MARKUP}", _echo, items=None).edge(f"a{MARKUP}", f"b{MARKUP}", transform="[1, 2]")
    return flow


def large(layers: int = 50, width: int = 10) -> FlowBuilder:
    """Layers of nodes, each with edges to three of the next layer, between one first and one last node."""
    flow = create_flow("large").node("first", _one)
    for layer in range(layers):
        for place in range(width):
            name = f"step-{layer:02d}-{place}"
            flow.node(name, _one)
            for before in {place, (place + 1) % width} if layer else ():
                flow.edge(f"step-{layer - 1:02d}-{before}", name)
            if not layer:
                flow.edge("first", name)
    flow.node("last", _one)
    for place in range(width):
        flow.edge(f"step-{layers - 1:02d}-{place}", "last")
    return flow


def wide() -> FlowBuilder:
    """A batch of as many items as the run was started for."""

    async def items(ctx: NodeContext) -> Any:
        return list(range(await ctx.context.get("items")))

    async def one(ctx: NodeContext) -> Any:
        return ctx.input

    flow = create_flow("wide").node("list", items).batch("work", one).node("sum", lambda ctx: sum(ctx.input))
    return flow.edge("list", "work").edge("work", "sum")


def flows() -> list[FlowBuilder]:
    """All of them."""
    return [orders(), breaking(), long_one(), hostile(), large(), wide()]

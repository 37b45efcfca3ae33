"""The ten flows, by the builder."""

from __future__ import annotations

from typing import Any

from flowcraft_core import FlowBuilder, NodeContext, SyncNodeContext, create_flow

from .shapes import Draft, Turn, think


def orders() -> FlowBuilder:
    """An order that a person approves, if it is a large one."""

    def price(ctx: SyncNodeContext) -> float:
        euros: int = ctx.context.get("input")["euros"]
        return euros * float(ctx.dependencies.rates["EUR"])

    def small(ctx: SyncNodeContext[float]) -> str:
        return f"paid {ctx.input:g}"

    def large(ctx: SyncNodeContext) -> str:
        return f"paid {ctx.input['total']:g}, says {ctx.input['by']}"

    def refuse(ctx: SyncNodeContext) -> str:
        return f"refused by {ctx.input['by']}"

    flow = create_flow("orders").node("price", price).wait("approval").node("small", small)
    flow.node("large", large, inputs={"total": "price", "by": "approval.by"}).node("refuse", refuse)
    flow.node("result", lambda ctx: ctx.input, join="any")
    flow.edge("price", "approval", condition="result.output > 100")
    flow.edge("price", "small", condition="!(result.output > 100)")
    flow.edge("approval", "large", condition="result.output.ok")
    flow.edge("approval", "refuse", condition="!result.output.ok")
    return flow.edge("small", "result").edge("large", "result").edge("refuse", "result")


def etl() -> FlowBuilder:
    """Three extractions side by side, and what comes of them together."""

    async def people(ctx: NodeContext) -> list[str]:
        day = await ctx.context.get("input")
        return [f"{day} Ada", f"{day} Alan"]

    async def places(ctx: NodeContext) -> list[str]:
        return [f"{await ctx.context.get('input')} Oslo"]

    async def prices(ctx: NodeContext) -> dict[str, int]:
        return {await ctx.context.get("input"): 3}

    def load(ctx: SyncNodeContext) -> dict[str, int]:
        return {"rows": len(ctx.input["people"]) + len(ctx.input["places"]) + len(ctx.input["prices"])}

    flow = create_flow("etl").node("people", people).node("places", places).node("prices", prices).node("load", load)
    return flow.edge("people", "load").edge("places", "load").edge("prices", "load")


def retries() -> FlowBuilder:
    """A service that fails, and a cache that stands in."""

    def ask(ctx: SyncNodeContext) -> str:
        raise ConnectionError(ctx.context.get("input"))

    def cached(ctx: SyncNodeContext) -> str:
        attempts = ctx.error.attempts if ctx.error else 0
        return f"{ctx.context.get('input')}? from the cache, after {attempts} attempts"

    def show(ctx: SyncNodeContext[str]) -> str:
        return ctx.input.upper()

    flow = create_flow("retries").node("ask", ask, retries=2, timeout="5s", fallback=cached).node("show", show)
    return flow.edge("ask", "show")


def drafts() -> FlowBuilder:
    """A text that is improved until it is good."""

    def begin(ctx: SyncNodeContext) -> Draft:
        return Draft(ctx.context.get("input"), 40)

    def improve(ctx: SyncNodeContext[Draft]) -> Draft:
        return Draft(f"{ctx.input.text}!", ctx.input.score)

    def review(ctx: SyncNodeContext[Draft]) -> Draft:
        return Draft(ctx.input.text, ctx.input.score + 30)

    def publish(ctx: SyncNodeContext[Draft]) -> Draft:
        return Draft(ctx.input.text.title(), ctx.input.score)

    flow = create_flow("drafts").node("begin", begin).node("improve", improve).node("review", review)
    flow.loop("again", start="improve", end="review", condition="result.output.score < 80").node("publish", publish)
    return flow.edge("begin", "improve").edge("improve", "review").edge("again", "publish")


def documents() -> FlowBuilder:
    """Each of many documents is read, some of them badly."""

    def read(ctx: SyncNodeContext[str]) -> str:
        if ctx.input == "torn":
            raise ValueError(ctx.input)
        return f"{ctx.context.get('language', 'Latin')} text of {ctx.input}"

    def index(ctx: SyncNodeContext[list[Any]]) -> str:
        return f"{sum(isinstance(text, str) for text in ctx.input)} of {len(ctx.input)}"

    flow = create_flow("documents").batch("read", read, items="input", tolerated_failure_count=1).node("index", index)
    return flow.edge("read", "index")


def invoices() -> FlowBuilder:
    """A flow that calls another one, once and many times."""

    def gross(ctx: SyncNodeContext) -> float:
        return float(ctx.input["net"]) * float(ctx.input["rate"])

    tax = create_flow("tax").node("net", lambda ctx: ctx.input).node("rate", lambda _: 1.25).node("gross", gross)
    tax.edge("net", "gross").edge("rate", "gross")

    def lines(ctx: SyncNodeContext) -> list[int]:
        return [100 * (number + 1) for number in range(ctx.context.get("input"))]

    def show(ctx: SyncNodeContext) -> str:
        return f"{ctx.input['total']:g} = {' + '.join(f'{one:g}' for one in ctx.input['each'])}"

    flow = create_flow("invoices").node("lines", lines).batch("each", tax).node("net", lambda ctx: sum(ctx.input))
    flow.subflow("total", tax).node("show", show).edge("lines", "each").edge("lines", "net").edge("net", "total")
    return flow.edge("total", "show").edge("each", "show")


def claims() -> FlowBuilder:
    """A claim that waits for somebody, but not for ever."""

    def notify(ctx: SyncNodeContext) -> str:
        claim: str = ctx.context.get("input")
        ctx.dependencies.sent.append(claim)
        return claim

    def settle(ctx: SyncNodeContext) -> str:
        said = ctx.input["said"]
        return f"{ctx.input['claim']}: {'paid' if said['ok'] else 'refused'} by {said['by']}"

    def escalate(ctx: SyncNodeContext[str]) -> str:
        return f"{ctx.input}: nobody answered"

    flow = create_flow("claims").node("notify", notify).wait("answer", timeout="2d")
    flow.node("settle", settle, inputs={"claim": "notify", "said": "answer"})
    flow.node("escalate", escalate, inputs="notify").node("result", lambda ctx: ctx.input, join="any")
    flow.edge("notify", "answer").edge("answer", "settle", condition="result.action != 'timeout'")
    flow.edge("answer", "escalate", action="timeout")
    return flow.edge("settle", "result").edge("escalate", "result")


def parcels() -> FlowBuilder:
    """Two ways that exclude each other, and what both have in common."""

    def label(ctx: SyncNodeContext) -> str:
        return f"{ctx.input['weigh']}: {ctx.input['way']}"

    flow = create_flow("parcels").node("weigh", lambda ctx: ctx.context.get("input"))
    flow.node("freight", lambda ctx: f"freight of {ctx.input} kg").node("insure", lambda ctx: f"{ctx.input}, insured")
    flow.node("post", lambda ctx: f"post of {ctx.input} kg").node("way", lambda ctx: ctx.input, join="any")
    flow.node("label", label, inputs={"weigh": "weigh", "way": "way"})
    flow.edge("weigh", "freight", condition="result.output > 30").edge("freight", "insure").edge("insure", "way")
    flow.edge("weigh", "post", condition="!(result.output > 30)").edge("post", "way")
    return flow.edge("way", "label")


def agent() -> FlowBuilder:
    """An agent that thinks and uses tools, until it knows."""

    def ask(ctx: SyncNodeContext) -> Turn:
        return Turn(ctx.context.get("input"))

    def move(ctx: SyncNodeContext[Turn]) -> Turn:
        return think(ctx.input)

    async def use(ctx: NodeContext[str]) -> str:
        return f"{ctx.input} in {ctx.run_id[:0]}tool"

    def note(ctx: SyncNodeContext) -> Turn:
        turn: Turn = ctx.input["move"]
        turn.seen += ctx.input["use"]
        return turn

    flow = create_flow("agent").node("ask", ask).node("move", move)
    flow.batch("use", use).node("note", note, inputs={"move": "move", "use": "use"})
    flow.loop("turns", start="move", end="note", condition="result.output.is_open")
    flow.node("tell", lambda ctx: ctx.input)
    flow.edge("ask", "move").edge("move", "use", transform="input.calls").edge("use", "note")
    return flow.edge("turns", "tell", transform="input.answer")


def nightly() -> FlowBuilder:
    """A report that is made without being asked, after a pause."""

    async def collect(_: NodeContext) -> list[int]:
        return [3, 4]

    def report(ctx: SyncNodeContext[list[int]]) -> str:
        return f"{sum(ctx.input)} sold"

    def send(ctx: SyncNodeContext[str]) -> None:
        ctx.dependencies.sent.append(ctx.input)

    flow = create_flow("nightly").metadata(result="result").node("collect", collect).sleep("settled", 0.01)
    flow.node("report", report).node("send", send).node("tidy", lambda _: None)
    flow.node("result", lambda ctx: ctx.input, inputs="report")
    flow.edge("collect", "settled").edge("settled", "report").edge("report", "send").edge("send", "tidy")
    return flow.edge("report", "result")

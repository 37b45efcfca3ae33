"""Flows of every shape, small enough to be crashed at each call to a port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from flowcraft_core import FlowBuilder, NodeContext, NodeResult, RetryPolicy, create_flow

Ctx = NodeContext[Any, Any]


@attrs.frozen(kw_only=True)
class Case:
    """A flow and how it is to be run.

    Attributes:
        build: Makes the flow.
        resumes: Outputs for waits, by key.
        answers: Outputs for waits, by key, given before anything runs.
        racing: Nodes of which it depends on the schedule which of them ends; if there are any, neither the number of
            steps nor which facts there are is compared.
        ends: The state in which it ends.
        big: Its values are larger than the store's limit, which is made small.
        queues: What its workers serve.
    """

    build: Callable[[], FlowBuilder]
    resumes: dict[str, Any] = attrs.field(factory=dict)
    answers: dict[str, Any] = attrs.field(factory=dict)
    racing: tuple[str, ...] = ()
    ends: str = "completed"
    big: bool = False
    queues: tuple[str, ...] = ("default",)


async def one(ctx: Ctx) -> int:
    return 1


async def add(ctx: Ctx) -> Any:
    return ctx.input + 1


async def numbers(ctx: Ctx) -> list[int]:
    return [10, 20, 30]


async def total(ctx: Ctx) -> int:
    values = ctx.input.values() if isinstance(ctx.input, dict) else ctx.input
    return sum(value for value in values if isinstance(value, int))


async def count(ctx: Ctx) -> int:
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return number


async def echo(ctx: Ctx) -> Any:
    return ctx.input


async def broken(ctx: Ctx) -> None:
    raise ValueError("broken for good")


async def choose(ctx: Ctx) -> NodeResult[int]:
    return NodeResult(7, action="high")


async def picky(ctx: Ctx) -> int:
    if ctx.input == 20:
        raise ValueError("not this one")
    return int(ctx.input) * 2


async def third_time(ctx: Ctx) -> int:
    if ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt}")
    return ctx.attempt


async def note(ctx: Ctx) -> str:
    """Everybody sets one name, and one of his own."""
    await ctx.context.set("last", ctx.node_id)
    await ctx.context.set(f"by {ctx.node_id}", ctx.input)
    return ctx.node_id


async def read(ctx: Ctx) -> list[Any]:
    return [await ctx.context.get(name) for name in ("last", "by b", "by c", "before", "gone")]


async def begin(ctx: Ctx) -> int:
    await ctx.context.set("before", [1, 2])
    await ctx.context.delete("gone")
    return 1


async def big(ctx: Ctx) -> str:
    # Digits that do not compress below the limit.
    text = "".join(str(pow(7, place, 10_007)) for place in range(600))
    await ctx.context.set("big", text)
    return text


async def length(ctx: Ctx) -> int:
    return len(ctx.input) + len(await ctx.context.get("big"))


def chain() -> FlowBuilder:
    return _line("chain", 4)


def _line(flow_id: str, steps: int) -> FlowBuilder:
    flow = create_flow(flow_id).node("n0", one)
    for place in range(1, steps):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    return flow


def fan(width: int = 4) -> FlowBuilder:
    flow = create_flow("fan").node("s", one).node("e", total)
    for place in range(width):
        flow.node(f"n{place}", add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def if_else() -> FlowBuilder:
    flow = create_flow("if_else").node("a", choose).node("b", add).node("c", add).node("d", total)
    flow.edge("a", "b", action="high").edge("a", "c", action="low")
    return flow.edge("b", "d").edge("c", "d")


def any_join() -> FlowBuilder:
    flow = create_flow("any_join").node("a", one).node("b", add).node("c", add).node("d", add, join="any")
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def loop() -> FlowBuilder:
    flow = create_flow("loop").node("init", one).node("inc", count).node("end", add)
    flow.loop("L", start="inc", end="inc", condition="count < 4")
    return flow.edge("init", "inc").edge("L", "end")


def nested_loop() -> FlowBuilder:
    flow = create_flow("nested_loop").node("init", one).node("head", add).node("inc", count).node("tail", add)
    flow.loop("inner", start="inc", end="inc", condition="result.output % 2 != 0").edge("head", "inc")
    flow.loop("outer", start="head", end="tail", condition="count < 4").edge("inner", "tail")
    return flow.edge("init", "head").node("end", add).edge("outer", "end")


def batch() -> FlowBuilder:
    flow = create_flow("batch").node("src", numbers).batch("pages", add).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


def batch_of_flow() -> FlowBuilder:
    inner = create_flow("page").node("x", add).node("y", note).edge("x", "y")
    flow = create_flow("batch_of_flow").node("src", numbers).batch("pages", inner).node("len", add_length)
    return flow.edge("src", "pages").edge("pages", "len")


async def add_length(ctx: Ctx) -> int:
    return len(ctx.input)


def batch_in_loop() -> FlowBuilder:
    flow = create_flow("batch_in_loop").node("init", one).node("inc", three).node("sum", keep_sum)
    flow.batch("pages", add).edge("inc", "pages").edge("pages", "sum")
    flow.loop("L", start="inc", end="sum", condition="sum < 20")
    return flow.edge("init", "inc").node("end", add).edge("L", "end")


async def three(ctx: Ctx) -> list[int]:
    return [int(ctx.input) + place for place in range(3)]


async def keep_sum(ctx: Ctx) -> int:
    result = sum(ctx.input)
    await ctx.context.set("sum", result)
    return result


def subflow() -> FlowBuilder:
    inner = create_flow("charge").node("v", add).node("z", note).edge("v", "z")
    flow = create_flow("subflow").node("src", one).subflow("call", inner, outputs={"who": "last"}).node("end", same)
    return flow.edge("src", "call").edge("call", "end")


async def same(ctx: Ctx) -> Any:
    return ctx.input


def wait() -> FlowBuilder:
    flow = create_flow("wait").node("a", one).wait("w").node("b", add).node("c", add).node("d", total)
    return flow.edge("a", "w").edge("w", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def answered() -> FlowBuilder:
    inner = create_flow("asked").wait("w").node("z", add).edge("w", "z")
    flow = create_flow("answered").wait("w").node("src", numbers).batch("pages", inner).node("d", total)
    return flow.edge("w", "src").edge("src", "pages").edge("pages", "d")


def sleep() -> FlowBuilder:
    return create_flow("sleep").node("a", one).sleep("z", 90).node("b", add).edge("a", "z").edge("z", "b")


def fallback() -> FlowBuilder:
    flow = create_flow("fallback").node("a", one).node("b", broken, fallback="stand_in").node("stand_in", add)
    return flow.node("c", add).edge("a", "b").edge("b", "c")


def retry() -> FlowBuilder:
    flow = create_flow("retry").node("a", third_time, retries=RetryPolicy(delay=1.0)).node("b", add)
    return flow.edge("a", "b")


def contained() -> FlowBuilder:
    flow = create_flow("contained").node("src", numbers).batch("pages", picky, tolerated_failure_count=1)
    return flow.node("sum", total).edge("src", "pages").edge("pages", "sum")


def failing() -> FlowBuilder:
    return create_flow("failing").node("a", one).node("x", broken).node("y", add).edge("a", "x").edge("x", "y")


def failing_batch() -> FlowBuilder:
    flow = create_flow("failing_batch").node("src", numbers).batch("pages", picky).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


def values() -> FlowBuilder:
    flow = create_flow("values").node("a", begin).node("b", note).node("c", note).node("d", read)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def chunked() -> FlowBuilder:
    flow = create_flow("chunked").node("a", big).node("b", length).node("c", length).node("d", total)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def handled() -> FlowBuilder:
    """A failure with a way on, beside one that never fails, into one join; both always followed by one node."""
    flow = create_flow("handled").node("s", one).node("x", broken).node("y", add).node("h", echo).node("ok", add)
    flow.node("never", echo).node("j", echo).node("end", echo)
    flow.edge("s", "x").edge("s", "ok").edge("x", "y").edge("x", "h", on="failure").edge("y", "j").edge("h", "j")
    flow.edge("ok", "j").edge("ok", "never", on="failure").edge("never", "j")
    return flow.edge("x", "end", on="always").edge("ok", "end", on="always")


def handled_insides() -> FlowBuilder:
    """Failures of a batch, of a subflow and of a race, each with a way on; one of them in a called flow."""
    inner = create_flow("inner").node("a", one).node("b", broken).node("c", echo).edge("a", "b")
    inner.edge("b", "c", on="failure", transform="error.node")
    lost = create_flow("lost").node("p", broken).node("q", broken).node("r", echo, join="any")
    lost.edge("p", "r").edge("q", "r")
    flow = create_flow("handled_insides").node("s", numbers).batch("pages", broken).node("h", echo).edge("s", "pages")
    flow.edge("pages", "h", on="failure", transform="error.message").subflow("good", inner).edge("h", "good")
    flow.subflow("bad", lost).edge("good", "bad").node("last", echo).node("not", echo).edge("bad", "not")
    return flow.edge("bad", "last", on="failure", transform="error.type")


def failed_pass() -> FlowBuilder:
    """A loop whose verdict is to go on, beside a failure that only what is behind the loop takes over."""
    flow = create_flow("failed_pass").node("s", one).node("a", echo).node("x", broken).node("y", echo).node("e", echo)
    flow.loop("l", start="a", end="e", condition="true").edge("s", "a").edge("a", "x").edge("a", "e")
    flow.edge("x", "y").edge("y", "e", on="failure").node("h", echo)
    return flow.edge("l", "h", on="always", transform="error.node")


def chain_with_handlers() -> FlowBuilder:
    """A chain that does not fail, in which each node has a way on if it does: one of its own, and one of all."""
    flow = create_flow("chain_with_handlers").node("n0", one).node("all", echo, join="any")
    for place in range(1, 6):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    for place in range(6):
        flow.node(f"h{place}", echo).edge(f"n{place}", f"h{place}", on="failure")
        flow.edge(f"n{place}", "all", on="failure")
    return flow


async def _six(ctx: Ctx) -> list[int]:
    return [10, 20, 30, 40, 50, 60]


def lanes() -> FlowBuilder:
    """Two lanes of three items each."""
    flow = create_flow("lanes").node("s", _six).batch("pages", add, concurrency=2).node("t", echo)
    return flow.edge("s", "pages").edge("pages", "t")


def lanes_of_flow() -> FlowBuilder:
    """One lane of items that are flows, of which some have a failure that is handled, one that is tolerated."""
    inner = create_flow("inner").node("a", add).node("b", broken).node("c", echo).node("d", echo)
    inner.edge("a", "b", condition="result.output == 21").edge("a", "c").edge("c", "d").edge("b", "d")
    flow = create_flow("lanes_of_flow").node("s", numbers)
    return flow.batch("pages", inner, concurrency=1, tolerated_failure_count=1).edge("s", "pages")


def queues() -> FlowBuilder:
    """A chain whose nodes are on three queues, a batch among them."""
    flow = create_flow("queues", queue="urgent").node("a", numbers, queue="default").batch("g", add, queue="gpu")
    return flow.node("t", total).node("b", add, queue="default").edge("a", "g").edge("g", "t").edge("t", "b")


CASES = {
    "chain": Case(build=chain),
    "if_else": Case(build=if_else),
    "any_join": Case(build=any_join, racing=("b", "c")),
    "fan": Case(build=fan),
    "loop": Case(build=loop),
    "nested_loop": Case(build=nested_loop),
    "batch": Case(build=batch),
    "batch_of_flow": Case(build=batch_of_flow),
    "batch_in_loop": Case(build=batch_in_loop),
    "lanes": Case(build=lanes),
    "lanes_of_flow": Case(build=lanes_of_flow),
    "subflow": Case(build=subflow),
    "wait": Case(build=wait, resumes={"w": 5}),
    "answered": Case(
        build=answered, answers={"w": 5, "pages[0]/w": 1, "pages[1]/w": 2, "pages[2]/w": 3, "pages[9]/w": 4}
    ),
    "sleep": Case(build=sleep),
    "fallback": Case(build=fallback),
    "retry": Case(build=retry),
    "contained": Case(build=contained),
    "failing": Case(build=failing, ends="failed"),
    "failing_batch": Case(build=failing_batch, ends="failed", racing=("pages",)),
    "handled": Case(build=handled),
    "handled_insides": Case(build=handled_insides),
    "failed_pass": Case(build=failed_pass),
    "chain_with_handlers": Case(build=chain_with_handlers),
    "values": Case(build=values),
    "chunked": Case(build=chunked, big=True),
    "queues": Case(build=queues, queues=("gpu", "urgent", "default")),
}

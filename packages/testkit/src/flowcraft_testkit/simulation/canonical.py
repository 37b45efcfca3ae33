"""Scenarios of every shape, each small enough that it can be crashed at each request."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft_core import (
    ConfigurationError,
    FlowBuilder,
    Limit,
    NodeContext,
    NodeResult,
    RetryPolicy,
    SyncNodeContext,
    create_flow,
)
from flowcraft_core.durable import Client

from .catching import failed_pass, handled, handled_insides
from .joining import one_is_left, two_are_left, two_of_three
from .laning import fork_an_item, lanes, lanes_inside, paged
from .limiting import limited, limited_by_key, limited_for_long
from .queueing import queues
from .scenario import RUN, Scenario
from .undoing import (
    done,
    undone,
    undone_beside,
    undone_call,
    undone_call_slowly,
    undone_in_time,
    undone_items,
    undone_losers,
)

Ctx = NodeContext[Any, Any]

#: The run that the fork's scenario makes of the first one.
FORKED = "forked"

# What is answered before it is asked; the last one never is.
_ANSWERS = {
    "w": 5,
    "each[0]/w": 1,
    "each[1]/w": 2,
    "again[0].ask": 1,
    "again[1].ask": 3,
    "call/w": 6,
    "again[5].ask": 0,
}


async def one(ctx: Ctx) -> int:
    """The number 1."""
    return 1


async def add(ctx: Ctx) -> Any:
    """One more."""
    return ctx.input + 1


async def same(ctx: Ctx) -> Any:
    """Its input."""
    return ctx.input


async def numbers(ctx: Ctx) -> list[int]:
    """Some items."""
    return [10, 20, 30]


async def pair(ctx: Ctx) -> list[int]:
    """Two items."""
    return [10, 20]


async def total(ctx: Ctx) -> int:
    """The sum of the numbers in its input."""
    values = ctx.input.values() if isinstance(ctx.input, dict) else ctx.input
    return sum(value for value in values if isinstance(value, int))


async def count(ctx: Ctx) -> int:
    """How often it was called in this run."""
    number: int = await ctx.context.get("count", 0) + 1
    await ctx.context.set("count", number)
    return number


async def choose(ctx: Ctx) -> NodeResult[int]:
    """Takes the edge named high."""
    return NodeResult(7, action="high")


async def broken(ctx: Ctx) -> None:
    """Fails."""
    raise ValueError("broken for good")


async def picky(ctx: Ctx) -> int:
    """Fails with one of the items."""
    if ctx.input == 20:
        raise ValueError("not this one")
    return int(ctx.input) * 2


async def third_time(ctx: Ctx) -> int:
    """Fails twice."""
    if ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt}")
    return ctx.attempt


async def begin(ctx: Ctx) -> int:
    """Sets one name and deletes another."""
    await ctx.context.set("before", [1, 2])
    await ctx.context.delete("gone")
    return 1


async def note(ctx: Ctx) -> str:
    """Sets a name that others set too, and one of its own."""
    await ctx.context.set("last", ctx.node_id)
    await ctx.context.set(f"by {ctx.node_id}", ctx.input)
    return ctx.node_id


async def read(ctx: Ctx) -> list[Any]:
    """What the others have set."""
    return [await ctx.context.get(name) for name in ("last", "by b", "by c", "before", "gone")]


def plain(ctx: SyncNodeContext[Any, Any]) -> int:
    """As ``count``, in a thread."""
    number: int = ctx.context.get("count", 0) + 1
    ctx.context.set("count", number)
    return number


async def slowly(ctx: Ctx) -> Any:
    """Takes its time, more than a job is hidden for."""
    await asyncio.sleep(70)
    return ctx.input


async def quickly(ctx: Ctx) -> Any:
    """Takes a moment."""
    await asyncio.sleep(3)
    return ctx.input


async def big(ctx: Ctx) -> str:
    """Digits that do not compress below the limit."""
    text = "".join(str(pow(7, place, 10_007)) for place in range(600))
    await ctx.context.set("big", text)
    return text


async def length(ctx: Ctx) -> int:
    """The length of what it gets, both ways."""
    return len(ctx.input) + len(await ctx.context.get("big"))


# --- flows ------------------------------------------------------------------------------------------------------------


def chain() -> FlowBuilder:
    """Four nodes in a row."""
    flow = create_flow("chain").node("n0", one)
    for place in range(1, 4):
        flow.node(f"n{place}", add).edge(f"n{place - 1}", f"n{place}")
    return flow


def if_else() -> FlowBuilder:
    """A branch taken and one not, joined."""
    flow = create_flow("if_else").node("a", choose).node("b", add).node("c", add).node("d", total)
    flow.edge("a", "b", action="high").edge("a", "c", action="low")
    return flow.edge("b", "d").edge("c", "d")


def all_join(width: int = 3) -> FlowBuilder:
    """A fan out and in."""
    flow = create_flow("all_join").node("s", one).node("e", total)
    for place in range(width):
        flow.node(f"n{place}", add).edge("s", f"n{place}").edge(f"n{place}", "e")
    return flow


def any_join() -> FlowBuilder:
    """Two that race."""
    flow = create_flow("any_join").node("a", one).node("b", add).node("c", add).node("d", add, join="any")
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def ladder() -> FlowBuilder:
    """Three diamonds in a row."""
    flow = create_flow("ladder").node("s0", one)
    for place in range(3):
        flow.node(f"l{place}", add).node(f"r{place}", add).node(f"s{place + 1}", total)
        for side in "lr":
            flow.edge(f"s{place}", f"{side}{place}").edge(f"{side}{place}", f"s{place + 1}")
    return flow


def loop() -> FlowBuilder:
    """A loop of three passes."""
    flow = create_flow("loop").node("init", one).node("inc", count).node("end", add)
    flow.loop("L", start="inc", end="inc", condition="count < 3")
    return flow.edge("init", "inc").edge("L", "end")


def nested_loop() -> FlowBuilder:
    """A loop in a loop."""
    flow = create_flow("nested_loop").node("init", one).node("head", add).node("inc", count).node("tail", add)
    flow.loop("inner", start="inc", end="inc", condition="result.output % 2 != 0").edge("head", "inc")
    flow.loop("outer", start="head", end="tail", condition="count < 4").edge("inner", "tail")
    return flow.edge("init", "head").node("end", add).edge("outer", "end")


def batch() -> FlowBuilder:
    """Three items."""
    flow = create_flow("batch").node("src", numbers).batch("pages", add).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


def batch_of_flow() -> FlowBuilder:
    """Three items of two nodes each, which set context values of their own."""
    inner = create_flow("page").node("x", add).node("y", note).edge("x", "y")
    flow = create_flow("batch_of_flow").node("src", numbers).batch("pages", inner).node("end", same)
    return flow.edge("src", "pages").edge("pages", "end")


def contained() -> FlowBuilder:
    """Three items, one of which fails and may."""
    flow = create_flow("contained").node("src", numbers).batch("pages", picky, tolerated_failure_count=1)
    return flow.node("sum", total).edge("src", "pages").edge("pages", "sum")


def failing_batch() -> FlowBuilder:
    """Three items, one of which fails and may not."""
    flow = create_flow("failing_batch").node("src", numbers).batch("pages", picky).node("sum", total)
    return flow.edge("src", "pages").edge("pages", "sum")


def subflow() -> FlowBuilder:
    """A call."""
    inner = create_flow("charge").node("v", add).node("z", note).edge("v", "z")
    flow = create_flow("subflow").node("src", one).subflow("call", inner, outputs={"who": "last"}).node("end", same)
    return flow.edge("src", "call").edge("call", "end")


def doubly() -> FlowBuilder:
    """A way that ends at once, beside two edges into one call that fans out."""
    inner = create_flow("inner").node("x", one).node("y", one)
    flow = create_flow("doubly").node("a", one).node("dead", one).subflow("c", inner)
    flow.edge("a", "dead", condition="false").edge("a", "c")
    return flow.edge("a", "c", condition="input == 1")


def wait() -> FlowBuilder:
    """A wait beside something else."""
    flow = create_flow("wait").node("a", one).wait("w").node("b", add).node("c", add).node("d", total)
    return flow.edge("a", "w").edge("w", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def reminding() -> FlowBuilder:
    """Waits that nobody answers until their time is up: one reminds again and again, one twice, and fails at that."""
    flow = create_flow("reminding").node("a", one).wait("w", timeout=90, remind=same, remind_after=40)
    flow.wait("v", timeout=80, remind=broken, remind_after=[30, 30]).node("b", count).node("d", total)
    return flow.edge("a", "w").edge("w", "b", action="timeout").edge("a", "v").edge("b", "d").edge("v", "d")


def timers() -> FlowBuilder:
    """A wait that is answered long before its time is up, and, for which nobody waits then, a sleep and a retry."""
    flow = create_flow("timers").node("a", one).wait("w", timeout=300).sleep("z", 250)
    flow.node("r", broken, retries=RetryPolicy(max_attempts=2, delay=200, max_delay=200)).node("j", same, join="any")
    for node_id in ("w", "z", "r"):
        flow.edge("a", node_id).edge(node_id, "j")
    return flow


def waits_in_subflows() -> FlowBuilder:
    """Two waits, each in a call."""
    inner = create_flow("asked").node("v", same).wait("w").node("z", same).edge("v", "w").edge("w", "z")
    flow = create_flow("waits_in_subflows").node("a", one).subflow("x", inner).subflow("y", inner).node("d", total)
    return flow.edge("a", "x").edge("a", "y").edge("x", "d").edge("y", "d")


def answered() -> FlowBuilder:
    """Waits that are answered while others are at the nodes before them: at the top, in passes, items and a call."""
    inner = create_flow("asked").wait("w").node("z", add).edge("w", "z")
    flow = create_flow("answered").node("a", one).wait("w").node("two", pair).batch("each", inner)
    flow.node("head", same).wait("ask").subflow("call", inner).edge("a", "w").edge("w", "two").edge("two", "each")
    flow.edge("head", "ask").loop("again", start="head", end="ask", condition="result.output < 2")
    return flow.edge("each", "head").edge("again", "call")


def sleep() -> FlowBuilder:
    """A sleep that the queue can hold."""
    return create_flow("sleep").node("a", one).sleep("z", 90).node("b", add).edge("a", "z").edge("z", "b")


def long_sleep() -> FlowBuilder:
    """A sleep that is beyond the queue's reach."""
    return create_flow("long_sleep").node("a", one).sleep("z", "20m").node("b", add).edge("a", "z").edge("z", "b")


def first_of_two() -> FlowBuilder:
    """A sleep that ends what nobody resumes."""
    flow = create_flow("first_of_two").node("a", one).wait("w").sleep("z", 30).node("d", same, join="any")
    return flow.edge("a", "w").edge("a", "z").edge("w", "d").edge("z", "d")


def fallback() -> FlowBuilder:
    """One that fails, and another that stands in for it."""
    flow = create_flow("fallback").node("a", one).node("b", broken, fallback="stand_in").node("stand_in", add)
    return flow.node("c", add).edge("a", "b").edge("b", "c")


def retry() -> FlowBuilder:
    """One that fails twice, and is tried again."""
    flow = create_flow("retry").node("a", third_time, retries=RetryPolicy(delay=1.0)).node("b", add)
    return flow.edge("a", "b")


def failure() -> FlowBuilder:
    """One that fails for good."""
    return create_flow("failure").node("a", one).node("x", broken).node("y", add).edge("a", "x").edge("x", "y")


def values() -> FlowBuilder:
    """Context values set side by side, and read."""
    flow = create_flow("values").node("a", begin).node("b", note).node("c", note).node("d", read)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


def threads() -> FlowBuilder:
    """Plain functions, which look at the context from their threads."""
    flow = create_flow("threads").node("a", plain).node("b", plain).node("c", plain).node("d", read)
    return flow.edge("a", "b").edge("b", "c").edge("c", "d")


def slow() -> FlowBuilder:
    """A step that takes longer than a job is hidden for."""
    flow = create_flow("slow").node("a", one).node("s", slowly).node("q", quickly).node("d", total)
    return flow.edge("a", "s").edge("a", "q").edge("s", "d").edge("q", "d")


def cancelled() -> FlowBuilder:
    """Steps that take a while."""
    flow = create_flow("cancelled").node("a", one).node("b", quickly).node("c", quickly).node("d", quickly)
    return flow.edge("a", "b").edge("b", "c").edge("c", "d")


def big_value() -> FlowBuilder:
    """Values that are cut into chunks."""
    flow = create_flow("big_value").node("a", big).node("b", length).node("c", length).node("d", total)
    return flow.edge("a", "b").edge("a", "c").edge("b", "d").edge("c", "d")


async def _cancel(client: Client) -> None:
    await asyncio.sleep(5)
    await client.cancel(RUN)


async def _fork(client: Client) -> None:
    await client.wait(RUN, poll=1.0)
    try:
        await client.fork(RUN, "n2", new_run_id=FORKED)
    except ConfigurationError as error:
        if "there is a run" not in str(error):
            raise


async def _fork_an_item(client: Client) -> None:
    await fork_an_item(client, FORKED)


def _all() -> list[Scenario]:
    return [
        Scenario(name="chain", build=chain),
        Scenario(name="if_else", build=if_else),
        Scenario(name="all_join", build=all_join),
        Scenario(name="any_join", build=any_join, racing=True),
        Scenario(name="two_of_three", build=two_of_three, racing=True),
        Scenario(name="two_are_left", build=two_are_left, racing=True),
        Scenario(name="one_is_left", build=one_is_left),
        Scenario(name="ladder", build=ladder),
        Scenario(name="loop", build=loop),
        Scenario(name="nested_loop", build=nested_loop),
        Scenario(name="batch", build=batch),
        Scenario(name="batch_of_flow", build=batch_of_flow),
        Scenario(name="lanes", build=lanes),
        Scenario(name="lanes_inside", build=lanes_inside),
        Scenario(name="paged", build=paged),
        Scenario(name="fork_in_lane", build=lanes, act=_fork_an_item, also=(FORKED,)),
        Scenario(name="contained", build=contained),
        Scenario(name="failing_batch", build=failing_batch, ends=("failed",), racing=True),
        Scenario(name="subflow", build=subflow),
        Scenario(name="doubly", build=doubly),
        Scenario(name="wait", build=wait, answers={"w": 5}),
        Scenario(name="waits_in_subflows", build=waits_in_subflows, answers={"y/w": 5, "x/w": 6}),
        Scenario(name="reminding", build=reminding, lasts=90),
        Scenario(name="timers", build=timers, answers={"w": 5}, lasts=300, racing=True),
        Scenario(name="answered", build=answered, early_answers=_ANSWERS),
        Scenario(name="sleep", build=sleep, lasts=90),
        Scenario(name="long_sleep", build=long_sleep, lasts=1200, needs_reconciler=True),
        Scenario(name="first_of_two", build=first_of_two, lasts=30, racing=True),
        Scenario(name="fallback", build=fallback),
        Scenario(name="retry", build=retry),
        Scenario(name="failure", build=failure, ends=("failed",)),
        Scenario(name="handled", build=handled),
        Scenario(name="handled_insides", build=handled_insides),
        Scenario(name="failed_pass", build=failed_pass),
        Scenario(name="undone", build=undone, ends=("failed",)),
        Scenario(name="undone_beside", build=undone_beside, ends=("failed",), racing=True),
        Scenario(name="undone_losers", build=undone_losers, ends=("failed",), racing=True),
        Scenario(name="undone_call", build=undone_call),
        Scenario(name="undone_call_slowly", build=undone_call_slowly, ends=("failed",), racing=True),
        Scenario(
            name="undone_call_cancel",
            build=undone_call_slowly,
            act=_cancel,
            ends=("cancelled", "failed"),
            racing=True,
        ),
        Scenario(name="undone_items", build=undone_items, ends=("failed",)),
        Scenario(name="undone_cancel", build=undone_in_time, act=_cancel, ends=("cancelled", "completed"), racing=True),
        Scenario(name="undone_late", build=undone_in_time, timeout=5, ends=("failed", "completed"), racing=True),
        Scenario(name="done", build=done),
        Scenario(name="values", build=values),
        Scenario(name="threads", build=threads),
        Scenario(name="slow", build=slow, lasts=70),
        Scenario(name="cancel", build=cancelled, act=_cancel, ends=("cancelled", "completed"), racing=True),
        Scenario(name="fork", build=chain, act=_fork, also=(FORKED,)),
        Scenario(name="queues", build=queues, lasts=10),
        Scenario(name="limited", build=limited, limits=(Limit("api", concurrency=2),), lasts=60),
        Scenario(
            name="limited_by_key",
            build=limited_by_key,
            limits=(Limit("tenant", concurrency=1), Limit("rate", rate=2, per=4.0), Limit("api", concurrency=1)),
            lasts=120,
        ),
        Scenario(
            name="limited_for_long",
            build=limited_for_long,
            limits=(Limit("api", concurrency=3),),
            lowered=(Limit("api", concurrency=1),),
            clocks_apart=180.0,
            lasts=240,
        ),
        Scenario(name="big_value", build=big_value, max_value_bytes=1_000),
    ]


#: By name.
SCENARIOS = {scenario.name: scenario for scenario in _all()}

"""What stands around each call of a step, in process and on workers."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flowcraft_core import (
    Call,
    ConfigurationError,
    Flow,
    FlowRuntime,
    NodeContext,
    NodeResult,
    NonRetryableError,
    Proceed,
    RetryPolicy,
    SyncNodeContext,
    create_flow,
)

from .on_workers import on_a_worker

Runner = Callable[..., Awaitable[Any]]


async def in_process(flow: Any, given: Any = None, **options: Any) -> Any:
    return await FlowRuntime([flow], **options).run(flow, given)


@pytest.fixture(params=[in_process, on_a_worker], ids=["in process", "on a worker"])
def run(request: pytest.FixtureRequest) -> Runner:
    runner: Runner = request.param
    return runner


async def one(ctx: NodeContext[Any, Any]) -> int:
    return 1


def plain(ctx: SyncNodeContext[Any, Any]) -> int:
    return int(ctx.input) + 1


async def test_it_sees_each_call_with_its_node_and_what_it_gets_and_gives(run: Runner) -> None:
    seen: list[tuple[Any, ...]] = []

    async def look(call: Call, proceed: Proceed) -> Any:
        result = await proceed()
        seen.append((call.flow, call.key, call.node.params, call.role, call.ctx.input, result, await call.value("n")))
        return result

    flow = create_flow("f").node("a", one, params={"x": 1}).node("b", plain).edge("a", "b")
    assert (await run(flow, {"n": 5}, middleware=[look])).outputs == {"a": 1, "b": 2}
    assert seen == [("f", "a", {"x": 1}, "step", None, 1, 5), ("f", "b", None, "step", 1, 2, 5)]


async def test_the_first_is_the_outermost_and_each_attempt_goes_through_all(run: Runner) -> None:
    order: list[str] = []

    def named(name: str) -> Any:
        async def around(call: Call, proceed: Proceed) -> Any:
            order.append(f"{name} {call.ctx.attempt}")
            try:
                return await proceed()
            finally:
                order.append(f"{name} left")

        return around

    async def second(ctx: NodeContext[Any, Any]) -> int:
        if ctx.attempt == 1:
            raise ValueError("no")
        return ctx.attempt

    flow = create_flow("f").node("a", second, retries=RetryPolicy(max_attempts=2, delay=0))
    assert (await run(flow, middleware=[named("outer"), named("inner")])).outputs == {"a": 2}
    assert order == [f"{name}" for at in (1, 2) for name in (f"outer {at}", f"inner {at}", "inner left", "outer left")]


async def test_what_it_returns_is_the_result_whether_or_not_the_step_was_called(run: Runner) -> None:
    called: list[str] = []
    kept: dict[Any, Any] = {}

    def count(ctx: SyncNodeContext[Any, Any]) -> int:
        called.append(ctx.key)
        return len(str(ctx.input))

    async def cached(call: Call, proceed: Proceed) -> Any:
        key = call.node.uses, repr(call.ctx.input)
        if key not in kept:
            kept[key] = await proceed()
        return kept[key]

    async def acting(call: Call, proceed: Proceed) -> Any:
        return NodeResult(await proceed(), action="go") if call.node.id == "words" else await proceed()

    flow = create_flow("f").node("words", lambda ctx: ["tea", "milk", "tea"]).batch("count", count, concurrency=1)
    flow.edge("words", "count", action="go")
    result = await run(flow, middleware=[acting, cached])
    assert result.outputs["count"] == [3, 4, 3]
    assert called == ["count[0].count", "count[1].count"]


async def test_what_it_raises_in_the_place_of_an_error_decides_about_another_attempt(run: Runner) -> None:
    attempts: list[int] = []

    async def ask(ctx: NodeContext[Any, Any]) -> None:
        attempts.append(ctx.attempt)
        raise LookupError("no such customer")

    async def translated(call: Call, proceed: Proceed) -> Any:
        try:
            return await proceed()
        except LookupError as error:
            raise NonRetryableError(f"{call.key}: {error}") from error

    flow = create_flow("f").node("a", ask, retries=5)
    result = await run(flow, middleware=[translated])
    assert [str(error) for error in result.errors] == ["a: NonRetryableError: a: no such customer"]
    assert "LookupError" in (result.errors[0].traceback or "")
    assert attempts == [1]


async def test_every_call_of_a_users_code_goes_through_it_by_its_role(run: Runner) -> None:
    roles: list[tuple[str, str]] = []

    async def look(call: Call, proceed: Proceed) -> Any:
        roles.append((call.key, call.role))
        return await proceed()

    async def fail(ctx: NodeContext[Any, Any]) -> None:
        raise ValueError("no")

    flow = create_flow("f").node("a", one, undo=one).node("b", fail, fallback="other").node("other", one)
    flow.batch("sum", one, items="items", reduce=one).wait("w", timeout=3, remind=one, remind_after=2)
    flow.node("last", fail).edge("a", "b").edge("b", "sum").edge("sum", "w").edge("w", "last")
    assert (await run(flow, {"items": [1]}, middleware=[look])).status == "failed"
    assert roles == [
        ("a", "step"), ("b", "step"), ("b", "fallback"), ("sum[0].sum", "step"), ("sum", "reduce"), ("w", "reminder"),
        ("last", "step"), ("a", "undo"),
    ]  # fmt: skip


async def test_context_variables_and_a_changed_input_reach_async_and_plain_steps(run: Runner) -> None:
    variable = contextvars.ContextVar("variable", default="nothing")

    async def setting(call: Call, proceed: Proceed) -> Any:
        variable.set(call.key)
        call.ctx.input = "changed"
        return await proceed()

    async def here(ctx: NodeContext[Any, Any]) -> list[str]:
        return [variable.get(), ctx.input]

    flow = create_flow("f").node("a", here).node("b", lambda ctx: [variable.get(), ctx.input])
    assert (await run(flow, middleware=[setting])).outputs == {"a": ["a", "changed"], "b": ["b", "changed"]}
    assert variable.get() == "nothing"


async def test_a_decorated_flow_has_it_too(run: Runner) -> None:
    flow = Flow[int, int]("f")

    @flow.step
    def double(n: int = flow.input) -> int:
        return 2 * n

    async def more(call: Call, proceed: Proceed) -> Any:
        return await proceed() + 1

    flow.returns(double.output)
    assert (await run(flow, 4, middleware=[more])).output == 9


async def test_a_nodes_timeout_is_the_steps_alone() -> None:
    async def slow(call: Call, proceed: Proceed) -> Any:
        await asyncio.sleep(0.05)
        return await proceed()

    flow = create_flow("f").node("a", one, timeout=0.01)
    assert (await in_process(flow, middleware=[slow])).outputs == {"a": 1}


async def test_going_on_twice_is_refused_by_name() -> None:
    async def twice(call: Call, proceed: Proceed) -> Any:
        await proceed()
        return await proceed()

    result = await in_process(create_flow("f").node("a", one), middleware=[twice])
    assert "node 'a': a middleware has called proceed() twice" in result.errors[0].message


async def test_what_is_no_middleware_is_refused_when_the_runtime_is_made() -> None:
    def not_async(call: Call, proceed: Proceed) -> Any:
        return proceed()

    with pytest.raises(ConfigurationError, match=r"middleware is `async def middleware\(call, proceed\)`, not <func"):
        FlowRuntime(middleware=[not_async])


async def test_a_cancelled_run_ends_whatever_it_makes_of_that() -> None:
    begun = asyncio.Event()

    async def deaf(call: Call, proceed: Proceed) -> Any:
        try:
            return await proceed()
        except asyncio.CancelledError:
            return "never mind"

    async def wait(ctx: NodeContext[Any, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    handle = FlowRuntime([flow := create_flow("f").node("a", wait)], middleware=[deaf]).start(flow)
    await begun.wait()
    handle.cancel()
    result = await handle.result()
    assert (result.status, result.outputs) == ("cancelled", {"a": "never mind"})  # as of a step that does so


async def test_an_object_with_an_async_call_will_do_and_steps_may_exit() -> None:
    class Counting:
        calls = 0

        async def __call__(self, call: Call, proceed: Proceed) -> Any:
            self.calls += 1
            return await proceed()

    def leave(ctx: SyncNodeContext[Any, Any]) -> None:
        raise SystemExit(3)

    counting = Counting()
    result = await in_process(create_flow("f").node("a", leave), middleware=[counting])
    assert (result.errors[0].type, counting.calls) == ("SystemExit", 1)

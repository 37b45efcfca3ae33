"""The in-process runtime: what a user of `FlowRuntime` is promised."""

from __future__ import annotations

import asyncio
import contextvars
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flowcraft_core import (
    BaseNode,
    Blueprint,
    ConfigurationError,
    Event,
    FlowBuilder,
    FlowRuntime,
    ImplementationMissingError,
    NodeContext,
    NodeResult,
    NonRetryableError,
    ResumeError,
    RetryPolicy,
    RunResult,
    Serializer,
    SyncNodeContext,
    create_flow,
)


async def run(flow: FlowBuilder, context: dict[str, Any] | None = None, **options: Any) -> RunResult:
    return await FlowRuntime([flow]).run(flow, context, **options)


async def one(ctx: NodeContext[Any, Any]) -> int:
    return 1


async def add_one(ctx: NodeContext[int, Any]) -> int:
    return ctx.input + 1


async def pass_on(ctx: NodeContext[Any, Any]) -> Any:
    return ctx.input


class TestARun:
    async def test_gives_each_nodes_output_and_the_context(self) -> None:
        async def remember(ctx: NodeContext[int, Any]) -> int:
            await ctx.context.set("seen", ctx.input)
            return ctx.input

        flow = create_flow("f").node("a", one).node("b", add_one).node("c", remember).edge("a", "b").edge("b", "c")
        result = await run(flow, {"start": "x"}, run_id="r1")
        assert (result.run_id, result.status, result.errors) == ("r1", "completed", ())
        assert result.outputs == {"a": 1, "b": 2, "c": 2}
        assert result.context == {"start": "x", "seen": 2}
        assert [entry.key for entry in result.trace] == ["a", "b", "c"]
        assert all(entry.status == "completed" and entry.ended >= entry.started for entry in result.trace)

    async def test_is_named_when_it_is_not_known(self) -> None:
        with pytest.raises(ConfigurationError, match=r"no flow 'missing'.*there are: f"):
            await FlowRuntime([create_flow("f").node("a", one)]).run("missing")

    async def test_takes_a_flow_that_the_runtime_has_not_seen(self) -> None:
        result = await FlowRuntime().run(create_flow("new").node("a", one))
        assert result.outputs == {"a": 1}

    async def test_takes_steps_of_a_blueprint_from_the_registry(self) -> None:
        blueprint = Blueprint.from_json({"id": "b", "nodes": [{"id": "a", "uses": "first"}], "edges": []})
        assert (await FlowRuntime(blueprints=[blueprint], registry={"first": one}).run("b")).outputs == {"a": 1}
        with pytest.raises(ImplementationMissingError, match=r"node 'a' of flow 'b'.*'first'"):
            FlowRuntime(blueprints=[blueprint])

    def test_needs_the_flows_that_it_calls(self) -> None:
        with pytest.raises(ConfigurationError, match=r"node 'call' of 'f' calls blueprint 'other'"):
            FlowRuntime([create_flow("f").subflow("call", "other")])

    def test_refuses_two_flows_of_one_id(self) -> None:
        with pytest.raises(ConfigurationError, match=r"two different blueprints with the id 'f'"):
            FlowRuntime([create_flow("f").node("a", one), create_flow("f").node("b", one)])

    def test_keeps_steps_of_one_name_apart_flow_by_flow(self) -> None:
        def make(answer: str) -> FlowBuilder:
            async def step(ctx: NodeContext[Any, Any]) -> str:
                return answer

            return create_flow(answer).node("n", step)

        left, right = make("left"), make("right")
        runtime = FlowRuntime([left, right])
        assert runtime.run_sync(left).outputs == {"n": "left"}
        assert runtime.run_sync(right).outputs == {"n": "right"}

    async def test_hands_dependencies_to_every_step(self) -> None:
        async def use(ctx: NodeContext[Any, dict[str, str]]) -> str:
            return ctx.dependencies["key"]

        flow = create_flow("f").node("a", use)
        assert (await FlowRuntime([flow], dependencies={"key": "value"}).run(flow)).outputs == {"a": "value"}

    async def test_tells_its_events_in_order_even_if_the_sink_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[Event] = []

        def sink(event: Event) -> None:
            seen.append(event)
            raise ValueError("broken sink")

        flow = create_flow("f").node("a", one).node("b", add_one).edge("a", "b")
        assert (await FlowRuntime([flow], events=sink).run(flow)).status == "completed"
        assert [(event.kind, event.key) for event in seen] == [
            ("begun", ""),
            ("started", "a"),
            ("completed", "a"),
            ("started", "b"),
            ("completed", "b"),
            ("ended", ""),
        ]
        assert "broken sink" in caplog.text


class TestSteps:
    async def test_know_who_they_are(self) -> None:
        seen: list[dict[str, Any]] = []

        async def look(ctx: NodeContext[Any, Any]) -> None:
            seen.append(
                {
                    "run": ctx.run_id,
                    "node": ctx.node_id,
                    "key": ctx.key,
                    "attempt": ctx.attempt,
                    "params": dict(ctx.params),
                    "idempotency": ctx.idempotency_key,
                    "cancelled": ctx.cancelled,
                    "extra": dict(ctx.logger.extra or {}),
                }
            )
            await ctx.heartbeat()

        await run(create_flow("f").node("a.b", look, params={"x": 1}), run_id="r")
        assert seen == [
            {
                "run": "r",
                "node": "a.b",
                "key": "a%2Eb",
                "attempt": 1,
                "params": {"x": 1},
                "idempotency": "r:a%2Eb",
                "cancelled": False,
                "extra": {"run_id": "r", "node_id": "a.b", "instance": "a%2Eb", "attempt": 1},
            }
        ]

    async def test_may_be_plain_functions_that_run_in_threads_with_a_synchronous_context(self) -> None:
        def plain(ctx: SyncNodeContext[Any, Any]) -> Any:
            assert threading.current_thread() is not threading.main_thread()
            assert not ctx.context.has("n")
            ctx.context.set("n", [1])
            ctx.context.set("gone", 1)
            ctx.context.delete("gone")
            ctx.heartbeat()
            return ctx.context.get("n"), ctx.context.get("gone", "default")

        result = await run(create_flow("f").node("a", plain))
        assert result.outputs == {"a": ([1], "default")}
        assert result.context == {"n": [1]}

    async def test_may_be_objects_and_partials(self) -> None:
        import functools

        class Adder:
            async def __call__(self, ctx: NodeContext[Any, Any]) -> int:
                return 2

        async def scaled(factor: int, ctx: NodeContext[int, Any]) -> int:
            return ctx.input * factor

        flow = create_flow("f").node("a", Adder()).node("b", functools.partial(scaled, 3)).edge("a", "b")
        assert (await run(flow)).outputs == {"a": 2, "b": 6}

    async def test_that_return_a_coroutine_from_a_plain_function_are_told_so(self) -> None:
        def wrong(ctx: SyncNodeContext[Any, Any]) -> Any:
            return one(ctx)  # type: ignore[arg-type]

        result = await run(create_flow("f").node("a", wrong))
        assert result.status == "failed"
        assert "make it async def" in result.errors[0].message

    async def test_share_no_values(self) -> None:
        async def make(ctx: NodeContext[Any, Any]) -> list[int]:
            await ctx.context.set("shared", [1])
            return [1]

        async def spoil(ctx: NodeContext[list[int], Any]) -> None:
            ctx.input.append(2)
            (await ctx.context.get("shared")).append(2)

        async def look(ctx: NodeContext[Any, Any]) -> Any:
            return [ctx.input, await ctx.context.get("shared")]

        flow = create_flow("f").node("make", make).node("spoil", spoil).node("look", look, inputs="make")
        flow.edge("make", "spoil").edge("spoil", "look")
        assert (await run(flow)).outputs["look"] == [[1], [1]]

    async def test_share_no_context_variables(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        async def spoil(ctx: NodeContext[Any, Any]) -> str:
            variable.set("spoiled")
            await asyncio.sleep(0)
            return variable.get()

        async def look(ctx: NodeContext[Any, Any]) -> str:
            return variable.get()

        flow = create_flow("f").node("spoil", spoil).node("look", look).edge("spoil", "look")
        assert (await run(flow)).outputs == {"spoil": "spoiled", "look": "unset"}

    async def test_may_use_all_of_asyncio(self) -> None:
        async def busy(ctx: NodeContext[Any, Any]) -> list[int]:
            async def child(n: int) -> int:
                await asyncio.sleep(0)
                return n

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(child(n)) for n in range(3)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            return [task.result() for task in tasks]

        assert (await run(create_flow("f").node("a", busy))).outputs == {"a": [0, 1, 2]}

    async def test_run_side_by_side_up_to_the_concurrency(self) -> None:
        now, most = 0, 0
        together = asyncio.Barrier(10)

        async def meet(ctx: NodeContext[Any, Any]) -> None:
            await together.wait()

        async def count(ctx: NodeContext[Any, Any]) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            for _ in range(50):
                await asyncio.sleep(0)
            now -= 1

        def fan(step: Any) -> FlowBuilder:
            flow = create_flow("f")
            for number in range(10):
                flow.node(f"n{number}", step)
            return flow

        assert (await run(fan(meet))).status == "completed"
        assert (await run(fan(count), concurrency=3)).status == "completed"
        assert most == 3
        with pytest.raises(ConfigurationError, match="concurrency must be a whole number of at least 1"):
            await run(fan(count), concurrency=0)

    async def test_whose_output_cannot_be_stored_fail_by_node_and_type(self) -> None:
        async def bad(ctx: NodeContext[Any, Any]) -> object:
            return {"lock": threading.Lock()}

        result = await run(create_flow("f").node("a", bad, retries=3))
        assert result.status == "failed"
        (error,) = result.errors
        assert (error.key, error.type, error.attempts) == ("a", "SerializationError", 1)
        assert "node 'a'" in error.message
        assert "lock" in error.message

    async def test_may_return_registered_types(self) -> None:
        import attrs

        @attrs.frozen
        class Price:
            amount: int

        async def price(ctx: NodeContext[Any, Any]) -> Price:
            return Price(3)

        flow = create_flow("f").node("a", price).node("b", pass_on).edge("a", "b")
        result = await FlowRuntime([flow], serializer=Serializer([Price])).run(flow)
        assert result.outputs["b"] == Price(3)

    async def test_that_cancel_themselves_fail(self) -> None:
        async def cancel(ctx: NodeContext[Any, Any]) -> None:
            raise asyncio.CancelledError("by myself")

        result = await run(create_flow("f").node("a", cancel))
        assert result.status == "failed"
        assert "by myself" in result.errors[0].message

    async def test_that_exit_the_interpreter_in_a_thread_fail(self) -> None:
        def leave(ctx: SyncNodeContext[Any, Any]) -> None:
            sys.exit(3)

        result = await run(create_flow("f").node("a", leave))
        assert result.status == "failed"
        assert (result.errors[0].type, result.errors[0].message) == ("SystemExit", "3")


class TestClassSteps:
    async def test_go_through_their_phases(self) -> None:
        class Double(BaseNode[int, int]):
            async def prep(self, ctx: NodeContext[int, Any]) -> int:
                return ctx.input + int(self.params["offset"])

            async def exec(self, prepared: int, ctx: Any) -> int:
                return prepared * 2

            async def post(self, result: int, ctx: Any) -> NodeResult[int]:
                return NodeResult(result, action="big" if result > 3 else "small")

        flow = create_flow("f").node("a", one).node("d", Double, params={"offset": 1}).edge("a", "d")
        flow.node("big", pass_on).node("small", pass_on)
        flow.edge("d", "big", action="big").edge("d", "small", action="small")
        assert (await run(flow)).outputs == {"a": 1, "d": 4, "big": 4}

    @pytest.mark.parametrize("phase", ["prep", "post"])
    async def test_are_tried_again_for_exec_alone(self, phase: str) -> None:
        calls: list[str] = []

        class Failing(BaseNode[Any, Any]):
            def prep(self, ctx: Any) -> Any:
                calls.append("prep")
                if phase == "prep":
                    raise ValueError("no")

            def exec(self, prepared: Any, ctx: Any) -> Any:
                calls.append("exec")

            def post(self, result: Any, ctx: Any) -> Any:
                raise ValueError("no")

            def recover(self, error: Exception, ctx: Any) -> None:
                calls.append(f"recover {error}")
                raise RuntimeError("recover's own error changes nothing")

        result = await run(create_flow("f").node("a", Failing, retries=2))
        assert calls == (["prep", "recover no"] if phase == "prep" else ["prep", "exec", "recover no"])
        assert (result.errors[0].type, result.errors[0].attempts) == ("ValueError", 1)

    @pytest.mark.parametrize("is_async", [True, False])
    async def test_fall_back_once_all_attempts_have_failed(self, is_async: bool) -> None:
        attempts: list[int] = []

        class Plain(BaseNode[Any, Any]):
            def exec(self, prepared: Any, ctx: Any) -> Any:
                attempts.append(ctx.attempt)
                raise ValueError("no")

            def fallback(self, error: Exception, ctx: Any) -> str:
                return f"instead of {error}"

            def post(self, result: Any, ctx: Any) -> str:
                return f"<{result}>"

        class Async(BaseNode[Any, Any]):
            async def exec(self, prepared: Any, ctx: Any) -> Any:
                attempts.append(ctx.attempt)
                raise ValueError("no")

            async def fallback(self, error: Exception, ctx: Any) -> str:
                return f"instead of {error}"

            async def post(self, result: Any, ctx: Any) -> str:
                return f"<{result}>"

        result = await run(create_flow("f").node("a", Async if is_async else Plain, retries=1))
        assert result.outputs == {"a": "<instead of no>"}
        assert attempts == [1, 2]

    def test_of_mixed_colours_are_refused(self) -> None:
        class Mixed(BaseNode[Any, Any]):
            async def exec(self, prepared: Any, ctx: Any) -> Any:
                return 1

            def post(self, result: Any, ctx: Any) -> Any:
                return result

        with pytest.raises(ConfigurationError, match=r"Mixed\.exec is async and post is not"):
            create_flow("f").node("a", Mixed)

    def test_need_exec_and_the_base_class(self) -> None:
        class Empty(BaseNode[Any, Any]):
            pass

        class Stranger:
            pass

        with pytest.raises(ConfigurationError, match="Empty must define exec"):
            create_flow("f").node("a", Empty)
        with pytest.raises(ConfigurationError, match="Stranger must derive from BaseNode"):
            create_flow("f").node("a", Stranger)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="must be a function or a BaseNode class"):
            create_flow("f").node("a", 3)  # type: ignore[arg-type]


def failing(times: int, error: Callable[[], Exception] = lambda: ValueError("no")) -> tuple[Any, list[int]]:
    attempts: list[int] = []

    async def step(ctx: NodeContext[Any, Any]) -> str:
        attempts.append(ctx.attempt)
        if len(attempts) <= times:
            raise error()
        return "done"

    return step, attempts


class TestRetries:
    async def test_stop_with_the_first_success(self) -> None:
        step, attempts = failing(2)
        result = await run(create_flow("f").node("a", step, retries=5))
        assert (result.outputs, attempts) == ({"a": "done"}, [1, 2, 3])
        assert result.trace[0].attempts == 3

    async def test_give_up_after_the_last_attempt(self) -> None:
        step, attempts = failing(9)
        result = await run(create_flow("f").node("a", step, retries=2))
        assert (result.status, attempts) == ("failed", [1, 2, 3])
        assert str(result.errors[0]) == "a: ValueError: no after 3 attempts"
        assert "raise error()" in (result.errors[0].traceback or "")

    async def test_end_at_once_for_errors_that_are_not_to_be_retried(self) -> None:
        for error, policy in [
            (lambda: NonRetryableError("final"), RetryPolicy(delay=0)),
            (lambda: KeyError("k"), RetryPolicy(delay=0, non_retryable=(LookupError,))),
            (lambda: KeyError("k"), RetryPolicy(delay=0, non_retryable=("KeyError",))),
        ]:
            step, attempts = failing(9, error)
            result = await run(create_flow("f").node("a", step, retries=policy))
            assert (result.status, attempts) == ("failed", [1])

    async def test_hold_no_worker_while_they_wait(self) -> None:
        step, attempts = failing(1)
        flow = create_flow("f").node("a", step, retries=RetryPolicy(delay=0.01, jitter=0)).node("b", one)
        result = await run(flow, concurrency=1)
        assert attempts == [1, 2]
        assert [entry.key for entry in result.trace] == ["b", "a"]

    async def test_come_before_the_fallback_and_the_fallback_has_its_own(self) -> None:
        first, attempts = failing(9)
        second, fallback_attempts = failing(1)
        flow = create_flow("f").node("a", first, retries=1, fallback="b").node("b", second, retries=1)
        flow.node("c", pass_on).edge("a", "c")
        result = await run(flow)
        assert (attempts, fallback_attempts) == ([1, 2], [1, 2])
        assert result.outputs == {"a": "done", "c": "done"}
        assert result.trace[0].via == "b"


class TestTimeouts:
    async def test_cancel_an_async_step(self) -> None:
        cancelled = asyncio.Event()

        async def slow(ctx: NodeContext[Any, Any]) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                assert ctx.cancelled is True
                cancelled.set()
                raise

        result = await run(create_flow("f").node("a", slow, timeout=0.01))
        assert cancelled.is_set()
        assert result.errors[0].type == "StepTimeoutError"
        assert "node 'a' ran longer than its timeout of 0.01 s" in result.errors[0].message

    async def test_leave_a_steps_own_timeout_error_alone(self) -> None:
        async def own(ctx: NodeContext[Any, Any]) -> None:
            raise TimeoutError("mine")

        result = await run(create_flow("f").node("a", own, timeout=60))
        assert (result.errors[0].type, result.errors[0].message) == ("TimeoutError", "mine")

    async def test_give_up_a_plain_step(self) -> None:
        release = threading.Event()
        result = await run(create_flow("f").node("a", lambda ctx: release.wait(30), timeout=0.01))
        assert "its thread was given up" in result.errors[0].message
        release.set()

    def test_never_hold_up_the_exit(self) -> None:
        code = """
import threading
from flowcraft_core import FlowRuntime, create_flow
flow = create_flow("f").node("a", lambda ctx: threading.Event().wait(), timeout=0.01)
print(FlowRuntime([flow]).run_sync(flow).errors[0].type)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "StepTimeoutError"

    async def test_of_the_run_fail_it(self) -> None:
        async def slow(ctx: NodeContext[Any, Any]) -> None:
            await asyncio.Event().wait()

        result = await run(create_flow("f").node("a", slow), timeout=0.01)
        assert (result.status, result.errors[0].type) == ("failed", "RunTimeoutError")


class TestWaitsAndHandles:
    flow = (
        create_flow("f")
        .node("ask", one)
        .wait("approval")
        .node("yes", pass_on)
        .node("no", pass_on)
        .edge("ask", "approval")
        .edge("approval", "yes", action="approve")
        .edge("approval", "no", action="reject")
    )

    async def test_a_wait_is_resumed_with_an_output_and_an_action(self) -> None:
        runtime = FlowRuntime([self.flow])
        waiting = await runtime.run(self.flow)
        assert (waiting.status, waiting.waiting) == ("awaiting", ("approval",))
        result = await FlowRuntime([self.flow]).resume(
            waiting.state, "approval", output={"by": "Ada"}, action="approve"
        )
        assert result.status == "completed"
        assert result.run_id == waiting.run_id
        assert result.outputs == {"ask": 1, "approval": {"by": "Ada"}, "yes": {"by": "Ada"}}

    async def test_what_cannot_be_resumed_is_named(self) -> None:
        runtime = FlowRuntime([self.flow])
        state = (await runtime.run(self.flow)).state
        for name, reason in [("ask", "is no wait"), ("nobody", "no node or open wait 'nobody'; open are: approval")]:
            with pytest.raises(ResumeError, match=reason):
                await runtime.resume(state, name)
        done = await runtime.resume(state, "approval", action="reject")
        with pytest.raises(ResumeError, match="has ended"):
            await runtime.resume(done.state, "approval")
        for broken in ["", "[]", "{}", '{"format": 99}', json.dumps({**json.loads(state), "outcomes": 3})]:
            with pytest.raises(ResumeError):
                await runtime.resume(broken)

    async def test_a_handle_resumes_two_waits_in_either_order(self) -> None:
        flow = create_flow("g").wait("left").wait("right").node("end", pass_on).edge("left", "end").edge("right", "end")
        flow.wait("later").edge("end", "later")
        for order in (["left", "right"], ["right", "left"]):
            handle = FlowRuntime([flow]).start(flow)
            assert (await handle.result()).status == "awaiting"
            with pytest.raises(ResumeError, match="not reached yet"):
                handle.resume("later")
            handle.resume(order[0], output=order[0])
            with pytest.raises(ResumeError, match="resolved already"):
                handle.resume(order[0])
            handle.resume(order[1], output=order[1])
            assert (await handle.result()).outputs["end"] == {"left": "left", "right": "right"}
            assert handle.waiting == ["later"]
            handle.resume("later")
            assert (await handle.result()).status == "completed"

    async def test_a_resume_that_cannot_be_stored_changes_nothing(self) -> None:
        handle = FlowRuntime([self.flow]).start(self.flow)
        await handle.result()
        with pytest.raises(Exception, match=r"cannot be stored|unsupported|register"):
            handle.resume("approval", output=object())
        assert handle.waiting == ["approval"]

    async def test_cancelling_tells_the_step_and_starts_nothing_new(self) -> None:
        started = asyncio.Event()
        told: list[bool] = []

        async def slow(ctx: NodeContext[Any, Any]) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                told.append(ctx.cancelled)

        flow = create_flow("h").node("a", slow).node("b", one).edge("a", "b")
        handle = FlowRuntime([flow]).start(flow)
        await started.wait()
        assert handle.cancel() is True
        assert handle.cancel() is False
        result = await handle.result()
        assert (result.status, result.outputs, told) == ("cancelled", {}, [True])

    async def test_cancelling_tells_a_plain_step_and_does_not_wait_for_it(self) -> None:
        started, release, told = threading.Event(), threading.Event(), threading.Event()

        def slow(ctx: SyncNodeContext[Any, Any]) -> None:
            started.set()
            release.wait(30)
            if ctx.cancelled:
                told.set()

        flow = create_flow("h").node("a", slow)
        handle = FlowRuntime([flow]).start(flow)
        assert await asyncio.to_thread(started.wait, 30)
        handle.cancel()
        assert (await handle.result()).status == "cancelled"
        release.set()
        assert await asyncio.to_thread(told.wait, 30)

    async def test_a_waiting_run_can_be_cancelled(self) -> None:
        handle = FlowRuntime([self.flow]).start(self.flow)
        assert (await handle.result()).status == "awaiting"
        assert handle.cancel()
        assert (await handle.result()).status == "cancelled"
        with pytest.raises(ResumeError, match="has ended"):
            handle.resume("approval")

    async def test_cancelling_the_caller_stops_the_steps(self) -> None:
        started, stopped = asyncio.Event(), asyncio.Event()

        async def slow(ctx: NodeContext[Any, Any]) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        flow = create_flow("h").node("a", slow, retries=5)
        task = asyncio.ensure_future(FlowRuntime([flow]).run(flow))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stopped.is_set()

    async def test_a_state_carries_its_blueprint(self) -> None:
        waiting = await FlowRuntime([self.flow]).run(self.flow)
        changed = create_flow("f").node("ask", one).wait("approval").edge("ask", "approval").node("more", one)
        registry = {"f/yes": pass_on, "f/no": pass_on}
        result = await FlowRuntime([changed], registry=registry).resume(waiting.state, "approval", action="reject")
        assert set(result.outputs) == {"ask", "approval", "no"}


class TestRunSync:
    flow = create_flow("f").node("a", one)

    def test_runs_without_a_loop(self) -> None:
        assert FlowRuntime([self.flow]).run_sync(self.flow).outputs == {"a": 1}

    async def test_runs_inside_a_running_loop(self) -> None:
        assert FlowRuntime([self.flow]).run_sync(self.flow).outputs == {"a": 1}
        with pytest.raises(ConfigurationError):
            FlowRuntime().run_sync("missing")

    def test_resumes(self) -> None:
        flow = create_flow("w").wait("w")
        runtime = FlowRuntime([flow])
        assert runtime.resume_sync(runtime.run_sync(flow).state, "w", output=1).outputs == {"w": 1}


class TestSize:
    @pytest.mark.parametrize("nodes", [20_000])
    def test_a_long_chain_and_a_wide_fan_need_no_recursion(self, nodes: int) -> None:
        chain = create_flow("chain").node("n0", one)
        for number in range(1, nodes):
            chain.node(f"n{number}", add_one).edge(f"n{number - 1}", f"n{number}")
        assert FlowRuntime([chain]).run_sync(chain).outputs[f"n{nodes - 1}"] == nodes

        async def count(ctx: NodeContext[dict[str, int], Any]) -> int:
            return sum(ctx.input.values())

        fan = create_flow("fan").node("start", one).node("end", count)
        for number in range(nodes):
            fan.node(f"n{number}", add_one).edge("start", f"n{number}").edge(f"n{number}", "end")
        assert FlowRuntime([fan]).run_sync(fan).outputs["end"] == 2 * nodes

    def test_a_long_dead_path_needs_no_recursion(self) -> None:
        flow = create_flow("dead").node("start", one).node("n0", one).edge("start", "n0", condition="false")
        for number in range(1, 20_000):
            flow.node(f"n{number}", one).edge(f"n{number - 1}", f"n{number}")
        result = FlowRuntime([flow]).run_sync(flow)
        assert (result.status, result.outputs) == ("completed", {"start": 1})


class TestWhatANodesOwnEdgesSee:
    @pytest.mark.parametrize(
        "condition",
        ["n == 5", "context.n == 5", "a.ok", "context.a.ok", "_outputs.a.ok", "result.output.ok", "gone == null"],
    )
    async def test_they_see_its_output_and_the_values_that_it_set(self, condition: str) -> None:
        async def a(ctx: NodeContext) -> dict[str, bool]:
            await ctx.context.set("n", 5)
            await ctx.context.delete("gone")
            return {"ok": True}

        flow = create_flow("f").node("a", a).node("b", one).edge("a", "b", condition=condition)
        result = await run(flow, {"n": 1, "gone": 1})
        assert set(result.outputs) == {"a", "b"}

    async def test_a_batch_sees_its_results_and_a_subflow_its_outputs(self) -> None:
        inner = create_flow("inner").node("x", one)
        flow = (
            create_flow("f").batch("pages", one, items="list", output="texts").subflow("s", inner, outputs={"y": "x"})
        )
        flow.edge("pages", "s", condition="texts.length == 2").node("end", one).edge("s", "end", condition="y == 1")
        assert "end" in (await run(flow, {"list": [1, 2]})).outputs

    def test_the_classes_of_the_typescript_builder_are_known_by_name(self) -> None:
        data = {"id": "t", "nodes": [{"id": "w", "uses": "WaitNode"}], "edges": []}
        blueprint = Blueprint.from_json(data)
        assert FlowRuntime(blueprints=[blueprint]).run_sync("t").waiting == ("w",)
        assert blueprint.to_dict() == data

"""The clauses of a whole backend on how steps end, and on what the engine does when it fails itself."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from flowcraft_core import FlowBuilder, NodeResult, RetryPolicy, SyncNodeContext, create_flow
from flowcraft_core.durable import Settings, StoredResult

from .interposed import Call
from .programs import Context, ProgramClauses, Steps, is_so
from .starting import chain

#: A lone surrogate: text to Python, and nothing that UTF-8 can hold.
SURROGATE = json.loads('"\\ud83d"')


class Panic(BaseException):
    """What libraries raise that do not want to be caught: a panic of theirs, a failed assertion of a test."""


class UnspeakableError(Exception):
    """An error that cannot even say what is wrong."""

    def __str__(self) -> str:
        raise LookupError("there are no words for it")


class _Naming(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        return f"MisnamedError{SURROGATE}"


class MisnamedError(Exception, metaclass=_Naming):
    """An error whose class says that it is called something that cannot be stored."""


class EndingClauses(ProgramClauses):
    """What a ``Backend`` promises of steps that end in unusual ways, and of an engine that cannot write their ends."""

    async def test_whatever_a_step_raises_is_a_failed_attempt(self) -> None:
        """An exit, an interrupt, a panic: retries, fallback and tolerance apply, and what was raised is named."""
        raised = (Panic("on a None value"), SystemExit(3), KeyboardInterrupt("by hand"), GeneratorExit("left"))
        for error in raised:
            for make in (_raising, _raising_plainly):
                began: Counter[str] = Counter()
                step = make(began, error)
                flow = create_flow("raised").node("a", step, retries=1, fallback=_stand_in).node("b", _pass_on)
                flow.node("items", _three).batch("w", step, tolerated_failure_count=3).edge("a", "b").edge("items", "w")
                fatal = create_flow("fatal").node("a", step, retries=1)
                async with self.programs(flow, fatal) as here:
                    await here.hire()
                    result = await here.run(flow)
                    assert (result.status, result.outputs["b"]) == ("completed", "stood in"), error
                    assert [type(error).__name__ in str(item) for item in result.outputs["w"]] == [True] * 3
                    assert began["a"] == 2
                    result = await here.run(fatal)
                    assert [(each.key, each.type, each.attempts) for each in result.errors] == [
                        ("a", type(error).__name__, 2)
                    ]
                    assert result.errors[0].message == str(error)

    async def test_a_step_that_cancels_itself_has_failed_and_is_tried_again(self) -> None:
        """By its own task, by a child that was cancelled, or plainly: nobody else has asked for it."""
        for end in (_by_its_task, _by_its_task_at_the_end, _by_a_child, _by_raising, _by_raising_plainly):
            began: Counter[str] = Counter()
            flow = create_flow("cancels").node("a", _noting(began, end), retries=1, fallback=_stand_in)
            flow.node("b", _pass_on).edge("a", "b")
            async with self.programs(flow) as here:
                await here.hire()
                result = await here.run(flow)
                assert (result.status, result.outputs.get("b"), began["a"]) == ("completed", "stood in", 2), end

    async def test_what_ends_a_worker_is_no_failure_of_its_steps(self) -> None:
        """Also where a step answers its cancellation with an error of its own: another worker does it anew."""
        began: list[str] = []

        async def annoyed(ctx: Context) -> int:
            began.append(ctx.key)
            if len(began) == 1:
                try:
                    await asyncio.Event().wait()
                except BaseException as error:
                    raise ValueError("how rude") from error
            return len(began)

        flow = create_flow("rude").node("a", annoyed).node("b", _pass_on).edge("a", "b")
        async with self.programs(flow, grace=self.beat) as here:
            await here.hire()
            run_id = (await here.client.start(flow)).run_id
            await self.until(lambda: is_so(began), here.patience)
            await here.leave()
            await here.hire()
            result = await here.ended(run_id)
            assert (result.status, result.outputs) == ("completed", {"a": 2, "b": 2})

    async def test_a_failure_that_cannot_be_told_fails_its_node_by_name(self) -> None:
        """Text that UTF-8 cannot hold, in the error or its class; errors without words, and ones of many megabytes."""
        told = {
            "text": (ValueError(f"cannot read {SURROGATE}"), "ValueError", "cannot read"),
            "name": (MisnamedError("here"), "MisnamedError", "here"),
            "words": (UnspeakableError(), "UnspeakableError", ""),
            "nul": (ValueError("a\0b"), "ValueError", "a"),
            "long": (ValueError("x" * 20_000_000), "ValueError", "xxx"),
        }
        for error, kind, text in told.values():
            began: Counter[str] = Counter()
            flow = create_flow("untold").node("a", _raising(began, error), retries=RetryPolicy(max_attempts=2, delay=0))
            result = await self._failed_once(flow, began, executions=2)
            assert (kind in result.errors[0].type, text in result.errors[0].message) == (True, True)
            assert len(str(result.errors)) < 100_000

    async def test_a_name_that_cannot_be_stored_fails_its_node_by_name(self) -> None:
        """An action, or the name of a context value, that UTF-8 cannot hold."""

        async def action(ctx: Context) -> Any:
            return NodeResult(1, action=SURROGATE)

        async def value(ctx: Context) -> None:
            await ctx.context.set(SURROGATE, 1)

        async def delete(ctx: Context) -> None:
            await ctx.context.delete(SURROGATE)

        for end in (action, value, delete):
            began: Counter[str] = Counter()
            flow = create_flow("unnamed").node("a", _noting(began, end), retries=2)
            result = await self._failed_once(flow, began, executions=1)
            assert result.errors[0].type == "SerializationError"

    async def test_an_engine_that_fails_at_a_node_fails_that_node_in_the_end(self) -> None:
        """Whatever the engine raises when it commits: the step is not run without end, and the error says why."""
        steps = Steps()
        flow = chain(steps)

        failures = 0

        async def breaking(operation: str, call: Call) -> Any:
            nonlocal failures
            if operation == "context.put" and call.args[1] == "n1" and failures < steps.count("n1"):
                failures += 1  # whatever the step gives cannot be written; what the engine says itself can
                raise ArithmeticError("the store is out of numbers")
            return await call()

        async with self.programs(flow, reconcile=False, settings=Settings(delivery_limit=3)) as here:
            await here.hire(around=breaking)
            result = await here.run(flow)
            assert (result.status, [error.key for error in result.errors]) == ("failed", ["n1"])
            assert "ArithmeticError: the store is out of numbers" in str(result.errors[0])
            assert "end its process" not in str(result.errors[0])
            assert (steps.count("n0"), 1 <= steps.count("n1") <= 4, steps.count("n2")) == (1, True, 0)

    async def test_an_engine_that_cannot_go_on_from_a_node_fails_the_run_in_the_end(self) -> None:
        """Its outcome stands, and what follows from it cannot be done: the run ends, and says so."""

        async def put(ctx: Context) -> int:
            await ctx.context.set("total", 41)
            return 1

        flow = create_flow("stuck").node("a", put).node("b", _pass_on).edge("a", "b")

        async def breaking(operation: str, call: Call) -> Any:
            if operation == "context.apply":
                raise ArithmeticError("the store is out of numbers")
            return await call()

        async with self.programs(flow, reconcile=False, settings=Settings(delivery_limit=3)) as here:
            await here.hire(around=breaking)
            run_id = (await here.client.start(flow)).run_id
            assert (await here.ended(run_id)).status == "failed"
            reason = str((await here.client.status(run_id)).reason)
            assert "ArithmeticError: the store is out of numbers" in reason

    async def test_a_fallback_knows_what_failed_and_has_a_key_of_its_own(self) -> None:
        """In each of its attempts; the result of the run keeps it, and services can tell the two apart."""
        seen: list[tuple[str, str, str, int]] = []
        keys: set[str] = set()

        async def charge(ctx: Context) -> None:
            keys.add(ctx.idempotency_key)
            assert ctx.error is None
            raise ValueError("no such card")

        async def invoice(ctx: Context) -> str:
            assert ctx.error is not None
            seen.append((ctx.error.type, ctx.error.message, ctx.idempotency_key, ctx.error.attempts))
            if len(seen) < 3:
                raise LookupError("no paper")
            return "sent"

        flow = create_flow("paid").node("charge", charge, retries=1, fallback="invoice").node("end", _pass_on)
        flow.node("invoice", invoice, retries=RetryPolicy(max_attempts=3, delay=2 * self.beat)).edge("charge", "end")
        async with self.programs(flow) as here:
            await here.hire()
            run_id = self.id("paid")
            await here.client.start(flow, run_id=run_id)
            result = await here.ended(run_id)
            assert (result.status, result.outputs["end"]) == ("completed", "sent")
            assert [each[:2] for each in seen] == [("ValueError", "no such card")] * 3
            assert {each[3] for each in seen} == {2}
            assert len(keys) == len({each[2] for each in seen}) == 1
            assert keys.isdisjoint(each[2] for each in seen)

    async def _failed_once(self, flow: FlowBuilder, began: Counter[str], *, executions: int) -> StoredResult:
        async with self.programs(flow, reconcile=False) as here:
            await here.hire()
            result = await here.run(flow)
            assert (result.status, [error.key for error in result.errors]) == ("failed", ["a"])
            assert began["a"] == executions
            json.dumps([result.errors[0].type, result.errors[0].message], ensure_ascii=False).encode()
            return result


def _noting(began: Counter[str], step: Callable[[Any], Any]) -> Any:
    if inspect.iscoroutinefunction(step):

        async def noted(ctx: Context) -> Any:
            began[ctx.key] += 1
            return await step(ctx)

        return noted

    def noted_plainly(ctx: SyncNodeContext[Any, Any]) -> Any:
        began[ctx.key] += 1
        return step(ctx)

    return noted_plainly


def _raising(began: Counter[str], error: BaseException) -> Any:
    async def fail(ctx: Context) -> None:
        raise error

    return _noting(began, fail)


def _raising_plainly(began: Counter[str], error: BaseException) -> Any:
    def fail(ctx: SyncNodeContext[Any, Any]) -> None:
        raise error

    return _noting(began, fail)


async def _by_its_task(ctx: Context) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def _by_its_task_at_the_end(ctx: Context) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "as if nothing had happened"


async def _by_a_child(ctx: Context) -> None:
    child = asyncio.ensure_future(asyncio.Event().wait())
    child.cancel()
    await child


async def _by_raising(ctx: Context) -> None:
    raise asyncio.CancelledError("enough")


def _by_raising_plainly(ctx: SyncNodeContext[Any, Any]) -> None:
    raise asyncio.CancelledError("enough")


async def _stand_in(ctx: Context) -> str:
    return "stood in"


async def _pass_on(ctx: Context) -> Any:
    return ctx.input


async def _three(ctx: Context) -> list[int]:
    return [1, 2, 3]

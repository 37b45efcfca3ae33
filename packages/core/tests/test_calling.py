"""Whose end it is: what a step does to itself, and what the engine does to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, NodeContext, RunResult, StepEndedError, SyncNodeContext, create_flow
from flowcraft_core.calling import Isolated, call_step
from flowcraft_core.errors import StepTimeoutError
from flowcraft_core.steps import Implementation
from flowcraft_core.threads import StepThreads

Ctx = NodeContext[Any, Any]


class Panic(BaseException):
    pass


def me() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def alone(step: Callable[[], Any]) -> Any:
    """A step that is all that another one is."""
    return await step()


# --- ends of the step's own -------------------------------------------------------------------------------------------


async def by_itself() -> None:
    me().cancel()
    await asyncio.sleep(0)


async def by_itself_at_the_end() -> str:
    me().cancel()
    return "too late to say so"


async def by_itself_twice() -> None:
    me().cancel()
    try:
        await asyncio.sleep(0)
    finally:
        me().cancel()


async def by_a_child() -> None:
    child = asyncio.ensure_future(asyncio.sleep(9))
    child.cancel()
    await child


async def by_raising() -> None:
    raise asyncio.CancelledError


async def by_an_exit() -> None:
    raise SystemExit(3)


async def by_an_interrupt() -> None:
    raise KeyboardInterrupt


async def by_a_panic() -> None:
    await asyncio.sleep(0)
    raise Panic("oh")


async def by_leaving_as_generators_do() -> None:
    raise GeneratorExit


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        (by_itself, asyncio.CancelledError),
        (by_itself_at_the_end, asyncio.CancelledError),
        (by_itself_twice, asyncio.CancelledError),
        (by_a_child, asyncio.CancelledError),
        (by_raising, asyncio.CancelledError),
        (by_an_exit, SystemExit),
        (by_an_interrupt, KeyboardInterrupt),
        (by_a_panic, Panic),
        (by_leaving_as_generators_do, GeneratorExit),
    ],
)
async def test_an_end_of_its_own_is_an_error_and_leaves_nothing_behind(
    step: Callable[[], Any], cause: type[BaseException]
) -> None:
    with pytest.raises(StepEndedError) as raised:
        await Isolated(alone, step)
    assert type(raised.value.__cause__) is cause
    assert me().cancelling() == 0
    await asyncio.sleep(0)  # no cancellation comes late, to somebody else


async def test_an_ordinary_error_is_raised_as_it_is() -> None:
    error = ValueError("no")

    async def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as raised:
        await Isolated(alone, fail)
    assert raised.value is error


async def test_a_step_may_cancel_itself_and_take_it_back() -> None:
    async def forgives() -> str:
        me().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            me().uncancel()
        return "well"

    assert await Isolated(alone, forgives) == "well"
    assert me().cancelling() == 0


async def test_time_limits_and_groups_inside_of_a_step_are_its_own() -> None:
    async def limits() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(by_a_panic_of_a_child())
                await asyncio.Event().wait()
        except BaseExceptionGroup:
            return "both have ended"
        return "neither"

    async def by_a_panic_of_a_child() -> None:
        raise LookupError

    assert await Isolated(alone, limits) == "both have ended"
    assert me().cancelling() == 0


async def fails() -> None:
    raise LookupError


async def fails_later() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    raise LookupError


@pytest.mark.parametrize("child", [fails, fails_later])
@pytest.mark.parametrize("inside", [None, 0, 5])
async def test_a_group_whose_task_fails_fails_the_step_and_is_no_cancellation(
    child: Callable[[], Any], inside: int | None
) -> None:
    """Before Python 3.13 a group leaves a request to cancel its task behind; after it, there is none."""

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(asyncio.sleep(9))
            for _ in range(inside or 0):
                await asyncio.sleep(0)

    async def caught() -> str:
        try:
            await grouped()
        except* LookupError:
            pass
        await asyncio.sleep(0)
        return "well"

    with pytest.raises(ExceptionGroup) as raised:
        await Isolated(alone, grouped)
    assert [type(error) for error in raised.value.exceptions] == [LookupError]
    assert await Isolated(alone, caught) == "well"
    assert me().cancelling() == 0
    await asyncio.sleep(0)  # no cancellation comes late, to somebody else


async def test_the_engine_can_cancel_a_step_after_a_group_of_it_has_failed() -> None:
    async def goes_on() -> None:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
        await asyncio.Event().wait()

    task = asyncio.ensure_future(holding(goes_on))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_that_a_step_is_in_looks_like_the_engines() -> None:
    async def looks() -> list[bool]:
        task = me()
        others = asyncio.all_tasks() - {task}
        return [isinstance(task, asyncio.Task), task in asyncio.all_tasks(), outer not in others, task == outer]

    outer = me()
    assert all(await Isolated(alone, looks))
    assert me() is outer


# --- ends that the engine brings about --------------------------------------------------------------------------------


async def cancelled_from_outside(step: Callable[[], Any]) -> Any:
    task = asyncio.ensure_future(holding(step))
    await asyncio.sleep(0)
    task.cancel()
    return await task


async def holding(step: Callable[[], Any]) -> Any:
    return await Isolated(alone, step)


async def patient() -> None:
    await asyncio.Event().wait()


async def rude() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        raise ValueError("how rude") from error


async def panicking() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise Panic


async def cancelling_itself_too() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        me().cancel()
        await asyncio.sleep(0)


@pytest.mark.parametrize("step", [patient, rude, panicking, cancelling_itself_too])
async def test_a_cancellation_from_outside_stays_one_whatever_the_step_makes_of_it(step: Callable[[], Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await cancelled_from_outside(step)


async def test_a_result_that_is_there_all_the_same_is_kept() -> None:
    async def done_already() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return "never"

    assert await cancelled_from_outside(done_already) == "done"


def test_a_step_that_is_thrown_away_is_left_alone() -> None:
    """As the interpreter does with what is still open in the end: its task is gone, and so is the loop."""
    ended: list[str] = []

    async def open_ended() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    async def begin() -> Any:
        coroutine = holding(open_ended)
        coroutine.send(None)
        coroutine.close()

    asyncio.run(begin())
    assert ended == ["closed"]


# --- timeouts ---------------------------------------------------------------------------------------------------------


@attrs.define
class _Context:
    """What a call needs of a step's context."""

    run_id: str = "r"
    key: str = "a"
    attempt: int = 1
    _cancelled: bool = False


async def called(step: Callable[[Any], Any], timeout: float, threads: StepThreads | None = None) -> Any:
    context: Any = _Context()
    return await call_step(Implementation.of("s", step), context, threads or StepThreads(), timeout=timeout)


@pytest.mark.parametrize("step", [patient, rude, panicking, cancelling_itself_too])
async def test_a_step_whose_time_is_over_has_timed_out_whatever_it_makes_of_it(step: Callable[[], Any]) -> None:
    async def late(ctx: Any) -> None:
        await step()

    with pytest.raises(StepTimeoutError, match=r"node 'a' ran longer than its timeout of 0\.001 s$"):
        await called(late, 0.001)


async def test_a_step_that_takes_no_notice_can_ask_whether_its_time_is_over() -> None:
    seen: list[bool] = []

    async def deaf(ctx: Any) -> None:
        seen.append(ctx._cancelled)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        seen.append(ctx._cancelled)

    with pytest.raises(StepTimeoutError):
        await called(deaf, 0.005)
    assert seen == [False, True]


async def test_a_result_that_comes_after_its_time_comes_too_late() -> None:
    async def stubborn(ctx: Any) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "here it is"
        return "never"

    with pytest.raises(StepTimeoutError):
        await called(stubborn, 0.001)


class Ahead:
    """Time that a test moves on: asks the loop, and adds to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        time = loop.time
        self.by = 0.0
        monkeypatch.setattr(loop, "time", lambda: time() + self.by)


async def test_a_step_that_blocks_the_loop_past_its_time_is_late_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = Ahead(monkeypatch)

    async def block(ctx: Any) -> str:
        ahead.by += 90
        return "late"

    with pytest.raises(StepTimeoutError):
        await called(block, 60)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "at a came back after 90 s with a timeout of 60 s" in record.getMessage()


async def test_the_time_of_a_plain_step_begins_with_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not while it waits for a thread."""
    ahead, threads = Ahead(monkeypatch), StepThreads(limit=1)
    release = threading.Event()
    holding_on = asyncio.ensure_future(threads.run(lambda: release.wait(30)))
    second = asyncio.ensure_future(called(lambda ctx: "quick", 60, threads))
    await asyncio.sleep(0)
    assert threads.waiting >= 1
    ahead.by += 90
    await asyncio.sleep(0)
    release.set()
    assert await second == "quick"
    await holding_on


async def test_a_plain_step_is_late_from_its_beginning_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, loop = Ahead(monkeypatch), asyncio.get_running_loop()
    release = threading.Event()

    def slow(ctx: Any) -> None:
        def later() -> None:
            ahead.by += 90

        loop.call_soon_threadsafe(later)
        release.wait(30)

    threads = StepThreads()
    with pytest.raises(StepTimeoutError, match="its thread was given up"):
        await called(slow, 60, threads)
    release.set()


# --- in a run ---------------------------------------------------------------------------------------------------------


def run(step: Any, **options: Any) -> RunResult:
    flow = create_flow("f").node("a", step, **options).node("b", lambda ctx: ctx.input).edge("a", "b")
    return FlowRuntime([flow]).run_sync(flow)


@pytest.mark.parametrize("error", [Panic("oh"), SystemExit(3), KeyboardInterrupt("x"), GeneratorExit("y")])
def test_in_process_too_whatever_is_raised_is_a_failed_attempt(error: BaseException) -> None:
    attempts: list[int] = []

    async def coroutine(ctx: Ctx) -> None:
        attempts.append(ctx.attempt)
        raise error

    def plain(ctx: SyncNodeContext[Any, Any]) -> None:
        attempts.append(ctx.attempt)
        raise error

    for step in (coroutine, plain):
        attempts.clear()
        assert run(step, retries=2, fallback=lambda ctx: "stood in").outputs["b"] == "stood in"
        assert attempts == [1, 2, 3]
        (failure,) = run(step).errors
        assert (failure.key, failure.type, failure.message) == ("a", type(error).__name__, str(error))
        assert "in coroutine" in str(failure.traceback) or "in plain" in str(failure.traceback)


def test_an_exit_of_one_branch_does_not_end_the_others() -> None:
    async def leave(ctx: Ctx) -> None:
        raise SystemExit(3)

    async def other(ctx: Ctx) -> int:
        await asyncio.sleep(0)
        return 2

    flow = create_flow("f").node("a", leave, fallback=lambda ctx: 1).node("b", other)
    assert FlowRuntime([flow]).run_sync(flow).outputs == {"a": 1, "b": 2}


async def test_a_task_of_the_engines_that_somebody_cancels_fails_the_run_and_hangs_nothing() -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def show(ctx: Ctx) -> None:
        tasks.append(me())
        await asyncio.Event().wait()

    flow = create_flow("f").node("a", show)
    started = FlowRuntime([flow]).start(flow)
    while not tasks:  # noqa: ASYNC110 - the step has nothing else to tell it with
        await asyncio.sleep(0)
    tasks[0].cancel()
    result = await started.result()
    assert (result.status, result.errors[0].type) == ("failed", "CancelledError")

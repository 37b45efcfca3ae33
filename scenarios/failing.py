"""Scenarios 67 and 68: errors that cannot be written down, and errors that no ``except Exception`` catches."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowcraftError, NodeResult, SyncNodeContext, create_flow
from scenario import Scenario
from small_steps import Context, echo, gives

UNWRITABLE = Scenario(
    id=67,
    title="An error, action or name cannot be written down: the node fails or the call is refused, by name, once",
)
NOT_EXCEPTIONS = Scenario(
    id=68,
    title="A step raises what is no Exception, cancels itself, or exits: a failed attempt like any other",
)

#: Half of a pair of code units: text in Python, and nothing that UTF-8 can hold. JSON brings such text in.
LONE = "\ud83d"


# --- what cannot be written down --------------------------------------------------------------------------------------


class _NoTextError(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


class _NoNameError(Exception):
    def __repr__(self) -> str:
        raise LookupError("no name")

    __str__ = __repr__


class _OddNameError(Exception):
    """Its full name is no text."""


_OddNameError.__qualname__ = f"Odd{LONE}Error"


async def _text(ctx: Context) -> None:
    raise ValueError(f"cannot parse {LONE}")


async def _no_text(ctx: Context) -> None:
    raise _NoTextError


async def _no_name(ctx: Context) -> None:
    raise _NoNameError


async def _class_name(ctx: Context) -> None:
    raise _OddNameError("of a class with an odd name")


async def _large(ctx: Context) -> None:
    raise ValueError("x" * 20_000_000)


async def _action(ctx: Context) -> NodeResult[int]:
    return NodeResult(1, action=LONE)


async def _value_name(ctx: Context) -> None:
    await ctx.context.set(LONE, 1)


async def _value(ctx: Context) -> None:
    await ctx.context.set("value", {"text": LONE})


async def _output(ctx: Context) -> Any:
    return [LONE]


_UNWRITABLE = (_text, _no_text, _no_name, _class_name, _large, _action, _value_name)


async def _result_of(backend: Backend, step: Callable[[Context], Any]) -> tuple[Any, int]:
    """The result of a run with a step that is followed by another, and how often it was executed."""
    executed = 0

    async def counted(ctx: Context) -> Any:
        nonlocal executed
        executed += 1
        return await step(ctx)

    flow = create_flow("unwritable").node("odd", counted).node("next", echo).edge("odd", "next")
    return await backend.run(flow), executed


@UNWRITABLE.check
async def of_a_step(backend: Backend) -> None:
    """Its node fails, with an error that names it, after one execution."""
    for step in _UNWRITABLE:
        result, executed = await _result_of(backend, step)
        try:
            expect.failed(result, "odd")
            expect.equal("the executions", executed, 1)
        except AssertionError as error:
            raise AssertionError(f"{step.__name__}: {error}") from error


@UNWRITABLE.check
async def of_a_value(backend: Backend) -> None:
    """Text that is no text arrives as it was, or fails its node; whichever it is, after one execution."""
    for step in (_value, _output):
        result, executed = await _result_of(backend, step)
        if result.status != "completed":
            expect.failed(result, "odd")
        elif step is _output:
            expect.equal("what arrived", result.outputs["next"], [LONE])
        expect.equal(f"{step.__name__}: the executions", executed, 1)


@UNWRITABLE.check
async def of_a_call(backend: Backend) -> None:
    """A run with such an id, or with a value of such a name, is refused before it is there."""
    backend.deploy(create_flow("plain").node("only", gives(1)))
    with expect.refused(FlowcraftError, "id"):
        await backend.start("plain", run_id=f"run {LONE}")
    with expect.refused(FlowcraftError, "name"):
        await backend.start("plain", {LONE: 1}, run_id="named")


@UNWRITABLE.check_durable
async def of_a_clients_call(backend: Durable) -> None:
    """So are such tags, and whatever else a client is asked for by such an id."""
    backend.deploy(create_flow("plain").node("only", gives(1)).wait("pause").edge("only", "pause"))
    client = await backend.client()
    for tags in ({LONE: "value"}, {"name": LONE}):
        with expect.refused(FlowcraftError, "tag"):
            await client.start("plain", run_id="tagged", tags=tags)
    run = await backend.start("plain", run_id="waits")
    expect.status(await run.result(), "awaiting")
    with expect.refused(FlowcraftError, "action"):
        await client.resume("waits", "pause", action=LONE)
    with expect.refused(FlowcraftError):
        await client.resume("waits", LONE)
    with expect.refused(FlowcraftError):
        await client.cancel("waits", reason=LONE)
    for call in (client.status, client.result, client.cancel, client.redrive, client.purge):
        with expect.refused(FlowcraftError):
            await call(LONE)
    expect.equal("the dead letters", await backend.dead_letters(), [])
    await run.resume("pause")
    expect.completed(await run.result(), ran=["only", "pause"])


# --- what is no Exception ---------------------------------------------------------------------------------------------


class _Panic(BaseException):
    """As libraries written in other languages raise."""


async def _panics(ctx: Context) -> None:
    raise _Panic("index out of bounds")


async def _cancels_itself(ctx: Context) -> None:
    raise asyncio.CancelledError("by itself")


async def _awaits_a_cancelled(ctx: Context) -> None:
    child = asyncio.create_task(asyncio.Event().wait())
    child.cancel()
    await child


async def _closes(ctx: Context) -> None:
    raise GeneratorExit("closed")


async def _exits(ctx: Context) -> None:
    sys.exit("no licence")


def _panics_plainly(ctx: SyncNodeContext[Any, Any]) -> None:
    raise _Panic("index out of bounds")


def _cancels_plainly(ctx: SyncNodeContext[Any, Any]) -> None:
    raise asyncio.CancelledError("by itself")


def _exits_plainly(ctx: SyncNodeContext[Any, Any]) -> None:
    sys.exit("no licence")


def _interrupts_plainly(ctx: SyncNodeContext[Any, Any]) -> None:
    raise KeyboardInterrupt("in a thread")


#: Each with the error's type, and part of its text. One that ends an event loop comes last.
_RAISED: tuple[tuple[Any, str, str], ...] = (
    (_panics, "_Panic", "index out of bounds"),
    (_panics_plainly, "_Panic", "index out of bounds"),
    (_cancels_itself, "", "cancel"),
    (_awaits_a_cancelled, "", "cancel"),
    (_cancels_plainly, "", ""),
    (_closes, "GeneratorExit", "closed"),
    (_exits_plainly, "SystemExit", "no licence"),
    (_interrupts_plainly, "KeyboardInterrupt", "in a thread"),
    (_exits, "SystemExit", "no licence"),
)


@NOT_EXCEPTIONS.check
async def it_fails_its_node(backend: Backend) -> None:
    """The error names the node, the type and the text."""
    for step, kind, text in _RAISED:
        name = step.__name__
        flow = create_flow("bad").node("bad", step)
        result = await backend.run(flow)
        try:
            expect.failed(result, "bad")
            error = result.errors[0]
            if kind:
                expect.equal("the type", error.type, kind)
            expect.mentions("the error", f"{error.type}: {error.message}".lower(), text.lower())
        except AssertionError as failure:
            raise AssertionError(f"{name}: {failure}") from failure


@NOT_EXCEPTIONS.check
async def retries_and_fallbacks_apply(backend: Backend) -> None:
    """It is tried so often, and then the fallback stands in."""
    for step, _, _ in _RAISED:
        attempts: list[int] = []
        flow = create_flow("stood in").node("bad", _noting(step, attempts), retries=2, fallback=gives("stood in"))
        result = await backend.run(flow.node("next", echo).edge("bad", "next"))
        try:
            expect.completed(result)
            expect.equal("what stood in", result.outputs["next"], "stood in")
            expect.equal("the attempts", attempts, [1, 2, 3])
        except AssertionError as failure:
            raise AssertionError(f"{step.__name__}: {failure}") from failure


@NOT_EXCEPTIONS.check
async def it_is_contained(backend: Backend) -> None:
    """A batch that tolerates a failure tolerates this one, and the other items are there."""
    for step in (_panics, _awaits_a_cancelled, _exits):

        async def one(ctx: Context, step: Any = step) -> Any:
            return await step(ctx) if ctx.input == 2 else ctx.input

        flow = create_flow("contained").node("list", gives([1, 2, 3])).batch("each", one, tolerated_failure_count=1)
        result = await backend.run(flow.edge("list", "each"))
        try:
            expect.completed(result)
            each = result.outputs["each"]
            expect.equal("the other items", [each[0], each[2]], [1, 3])
        except AssertionError as failure:
            raise AssertionError(f"{step.__name__}: {failure}") from failure


def _noting(step: Any, attempts: list[int]) -> Any:
    if inspect.iscoroutinefunction(step):

        async def note(ctx: Context) -> Any:
            attempts.append(ctx.attempt)
            return await step(ctx)

        return note

    def note_plainly(ctx: SyncNodeContext[Any, Any]) -> Any:
        attempts.append(ctx.attempt)
        return step(ctx)

    return note_plainly

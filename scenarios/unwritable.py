"""Scenario 67: errors, actions and names that cannot be written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import FlowcraftError, NodeResult, create_flow
from scenario import Scenario
from small_steps import Context, echo, gives

UNWRITABLE = Scenario(
    id=67,
    title="An error, action or name cannot be written down: the node fails or the call is refused, by name, once",
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
    calls: dict[str, Callable[[], Awaitable[Any]]] = {"resume": lambda: client.resume("waits", LONE)}
    for call in (client.status, client.result, client.cancel, client.redrive, client.purge):
        calls[call.__name__] = partial(call, LONE)
    for what, asked in calls.items():
        try:
            await asked()
        except FlowcraftError:
            continue
        raise AssertionError(f"{what}: nothing was refused")
    await backend.start("plain", run_id="unreasoned")
    try:
        await client.cancel("unreasoned", reason=f"for {LONE}")
    except FlowcraftError:
        pass  # a reason is for people: it may be refused, or be mended
    else:
        expect.equal("its state", (await client.status("unreasoned")).state, "cancelled")
    expect.equal("the dead letters", await backend.dead_letters(), [])
    await run.resume("pause")
    expect.completed(await run.result(), ran=["only", "pause"])

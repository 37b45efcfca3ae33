"""Scenario 68: steps that raise what no ``except Exception`` catches."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Any

import expect
from backend import Backend
from flowcraft_core import SyncNodeContext, create_flow
from scenario import Scenario
from small_steps import Context, echo, gives

NOT_EXCEPTIONS = Scenario(
    id=68,
    title="A step raises what is no Exception, cancels itself, or exits: a failed attempt like any other",
)


# --- the steps --------------------------------------------------------------------------------------------------------


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


# --- what becomes of them ---------------------------------------------------------------------------------------------


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

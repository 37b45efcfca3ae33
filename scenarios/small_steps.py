"""Steps that flows in scenarios are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from flowcraft_core import Clock, NodeContext, NodeResult

Context: TypeAlias = NodeContext[Any, Any]
AsyncStep: TypeAlias = Callable[[Context], Awaitable[Any]]


async def echo(ctx: Context) -> Any:
    """Hand the input on."""
    return ctx.input


async def double(ctx: Context) -> Any:
    """Give twice the input."""
    return 2 * ctx.input


async def total(ctx: Context) -> Any:
    """Add up what came in: a list, or the branches of a join."""
    return sum(ctx.input.values() if isinstance(ctx.input, dict) else ctx.input)


def gives(value: Any, *, action: str | None = None) -> AsyncStep:
    """A step with this result."""

    async def give(ctx: Context) -> NodeResult[Any]:
        return NodeResult(value, action)

    return give


def takes(clock: Clock, seconds: float, value: Any = None, *, action: str | None = None) -> AsyncStep:
    """A step that takes its time before it gives its result."""

    async def take(ctx: Context) -> NodeResult[Any]:
        await clock.sleep(seconds)
        return NodeResult(value, action)

    return take


def fails(message: str, *, error: type[Exception] = ValueError) -> AsyncStep:
    """A step that fails each time."""

    async def fail(ctx: Context) -> None:
        raise error(message)

    return fail


def sets(clock: Clock, seconds: float = 0, **values: Any) -> AsyncStep:
    """A step that sets context values after a time."""

    async def set_all(ctx: Context) -> None:
        await clock.sleep(seconds)
        for name, value in values.items():
            await ctx.context.set(name, value)

    return set_all


def adds(name: str) -> AsyncStep:
    """A step that adds one to a context value, and gives the new one."""

    async def add(ctx: Context) -> int:
        value: int = await ctx.context.get(name, 0) + 1
        await ctx.context.set(name, value)
        return value

    return add


class Tally:
    """Counts how often steps are executed, which a trace, having one entry per instance, does not tell."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    async def step(self, ctx: Context) -> Any:
        """Hand the input on, and note the instance's key."""
        self.executed.append(ctx.key)
        return ctx.input

"""Middleware: what stands around each call of a step, to time it, trace it, cache it, or translate its errors."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import attrs

from .blueprint import Node
from .calling import Isolated
from .contexts import UNDO, NodeContext, SyncNodeContext
from .errors import ConfigurationError
from .graph.facts import DELETED
from .steps import Implementation

#: What a call is to its node: the step itself, what stands in for it, what takes back what it did, what a wait reminds
#: with, or what makes one value of a batch's results.
Role: TypeAlias = Literal["step", "fallback", "undo", "reminder", "reduce"]

_ROLES: dict[str, Role] = {"fallback": "fallback", UNDO[1:]: "undo", "reminder": "reminder", "reduce": "reduce"}


@attrs.frozen
class Call:
    """A call of a step that is about to be made.

    Attributes:
        flow: The id of the flow that the node stands in; of a called flow, that one's.
        node: The node as the blueprint has it: ``id``, ``uses``, ``params``, ``config``. Where a fallback node stands
            in, that one.
        role: What it is to its node.
        ctx: What the step is given. What is set here before the call goes on, such as ``ctx.input``, the step finds.
    """

    flow: str
    node: Node
    role: Role
    ctx: NodeContext[Any, Any] | SyncNodeContext[Any, Any]
    _implementation: Implementation = attrs.field(repr=False)

    @property
    def key(self) -> str:
        """The instance's key: the node's id with the passes, items and calls around it."""
        return self.ctx.key

    @property
    def step(self) -> object:
        """The function, or class, that is called; of decorated flows what was made of the function."""
        return self._implementation.step

    async def value(self, name: str, default: Any = None) -> Any:
        """A copy of the context value of that name as the step would see it, or ``default``."""
        value = await self.ctx._values.fetch(name)
        return default if value is DELETED else value


#: Goes on with the call: with the middleware further in, and the step. Gives what the step has returned, a value or a
#: ``NodeResult``, and raises what it raised. To be called once at most.
Proceed: TypeAlias = Callable[[], Awaitable[Any]]


class Middleware(Protocol):
    """Stands around each call of a step; an ``async def`` function, or an object with an ``async def __call__``.

    It runs in the event loop, which it must not block, also around plain steps. What it returns is the step's result,
    whether it has gone on with the call or not; what it raises is a failed attempt. Context variables that it sets are
    seen by the step. The node's timeout is the step's alone. It may run at the same time for many calls, and like a
    step it may be run again for the same attempt, after a crash.
    """

    async def __call__(self, call: Call, proceed: Proceed, /) -> Any:
        """Make the call, or do something in its place."""


class _Once:
    """Goes on with a call, once."""

    __slots__ = ("_begin", "_call", "_is_spent")

    def __init__(self, call: Call, begin: Proceed) -> None:
        self._call, self._begin, self._is_spent = call, begin, False

    def __call__(self) -> Awaitable[Any]:
        if self._is_spent:
            raise ConfigurationError(
                f"node {self._call.key!r}: a middleware has called proceed() twice: leave further attempts to the "
                "node's retries"
            )
        self._is_spent = True
        return self._begin()


def around(middleware: Sequence[Middleware], call: Call, begin: Proceed) -> Awaitable[Any]:
    """A call within its middleware, to be awaited.

    Args:
        middleware: From the outside in.
        call: The call.
        begin: Calls the step.
    """
    for each in reversed(middleware):
        begin = partial(Isolated, partial(each, call), _Once(call, begin))
    return begin()


def role_of(role: str) -> Role:
    """What a call is, by what its idempotency key has behind the instance's."""
    return _ROLES[role.split(":")[1]] if role else "step"


def checked(middleware: Iterable[Middleware]) -> tuple[Middleware, ...]:
    """Middleware, as it was given.

    Raises:
        ConfigurationError: One is no ``async def`` callable.
    """
    given = tuple(middleware)
    for each in given:
        called = getattr(type(each), "__call__", None)  # noqa: B004 - an object whose class has an async __call__
        if not (inspect.iscoroutinefunction(each) or inspect.iscoroutinefunction(called)):
            raise ConfigurationError(f"middleware is `async def middleware(call, proceed)`, not {each!r:.80}")
    return given

"""What a step may be: a function, or a class with phases.

An ``async def`` step gets a ``NodeContext`` and runs in the event loop; a plain ``def`` step gets a
``SyncNodeContext`` and runs in a thread. Both return a plain value or a ``NodeResult``.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeAlias

import attrs
from typing_extensions import TypeVar

from .contexts import InputT, NodeContext, SyncNodeContext
from .errors import ConfigurationError, StepEndedError
from .logging.catalogue import RECOVER_FAILED
from .logging.journal import Journal

OutputT = TypeVar("OutputT", default=Any)


@attrs.frozen
class NodeResult(Generic[OutputT]):
    """A step's result, where a plain value does not say enough.

    Attributes:
        output: The value that the node's edges carry.
        action: Chooses among the node's edges.
    """

    output: OutputT = None  # type: ignore[assignment]
    action: str | None = None


class BaseNode(ABC, Generic[InputT, OutputT]):
    """A step with phases. Override ``exec`` at least; make all that you override ``async def``, or all plain ``def``.

    Only a failure of ``exec`` is tried again. Each attempt has an instance of its own.

    Attributes:
        params: The node's static parameters.
        node_id: The node's id.
    """

    def __init__(self, params: Mapping[str, Any], node_id: str) -> None:
        self.params = params
        self.node_id = node_id

    def prep(self, ctx: Any) -> Any:
        """Gather what ``exec`` needs; its input, unless overridden."""
        return ctx.input

    def exec(self, prepared: Any, ctx: Any) -> OutputT | NodeResult[OutputT] | Awaitable[OutputT | NodeResult[OutputT]]:
        """Do the work on what ``prep`` returned."""
        raise NotImplementedError(f"{type(self).__name__} must define exec")

    def post(self, result: Any, ctx: Any) -> Any:
        """Turn what ``exec`` or ``fallback`` returned into the node's result."""
        return result

    def fallback(self, error: Exception, ctx: Any) -> Any:
        """Give a result in ``exec``'s place once all attempts have failed; raises ``error``, unless overridden.

        What is no ordinary exception, such as an exit, is given as a ``StepEndedError`` with that as its cause.
        """
        raise error

    def recover(self, error: Exception, ctx: Any) -> Any:
        """Clean up after a failed attempt; what it returns or raises changes nothing."""


class AsyncStep(Protocol):
    """An ``async def`` step."""

    def __call__(self, ctx: NodeContext[Any, Any], /) -> Awaitable[Any]:
        """Run the step."""


class PlainStep(Protocol):
    """A plain ``def`` step."""

    def __call__(self, ctx: SyncNodeContext[Any, Any], /) -> Any:
        """Run the step."""


Step: TypeAlias = AsyncStep | PlainStep | type[BaseNode[Any, Any]]


class Placed:
    """A step that has its place in a flow already, so that it is none for another place.

    Attributes:
        id: Its id there.
        flow_id: The flow.
    """

    id: str
    flow_id: str


class FinalError(Exception):
    """Carries an exception that is not worth another attempt out of a step's phases."""


@attrs.frozen
class Implementation:
    """A step, made ready to be called.

    Attributes:
        name: Under which it is registered.
        is_async: Whether it runs in the event loop.
        call: The step, as a function of its node context.
        step: What it was made of.
        fallback: What gives a result once all attempts have failed, as a function of the error and the node context.
        shape: Builds what it takes of plain data, as its annotations say; given the input, and what that is, for
            messages.
    """

    name: str
    is_async: bool
    call: Callable[[Any], Any]
    step: object
    fallback: Callable[[Exception, Any], Any] | None = None
    shape: Callable[[Any, str], Any] | None = attrs.field(default=None, eq=False)

    @property
    def takes_lists(self) -> bool:
        """Whether its annotations promise it lists, so that it gets no results that are read page by page."""
        return bool(getattr(self.call, "takes_lists", False))

    @classmethod
    def of(cls, name: str, step: object) -> Implementation:
        """Look at a step once, so that running it needs no looking.

        Raises:
            ConfigurationError: It is no step; the message says why.
        """
        if isinstance(step, type):
            if not issubclass(step, BaseNode):
                raise ConfigurationError(f"step {name!r}: class {step.__name__} must derive from BaseNode")
            return _of_class(name, step)
        if isinstance(step, Placed):
            raise ConfigurationError(
                f"step {name!r} is step {step.id!r} of flow {step.flow_id!r} already: call that flow, or give a "
                "function that is not decorated"
            )
        if not callable(step):
            raise ConfigurationError(f"step {name!r} must be a function or a BaseNode class, not {step!r:.80}")
        called = getattr(type(step), "__call__", None)  # noqa: B004 - an object whose class has an async __call__
        is_async = inspect.iscoroutinefunction(step) or inspect.iscoroutinefunction(called)
        is_async = is_async or getattr(step, "is_async", None) is True  # it gives a coroutine of somebody else's
        return cls(name, is_async, step, step)


_PHASES = ("prep", "exec", "post", "fallback", "recover")


def _of_class(name: str, step: type[BaseNode[Any, Any]]) -> Implementation:
    own = [phase for phase in _PHASES if getattr(step, phase) is not getattr(BaseNode, phase)]
    if "exec" not in own:
        raise ConfigurationError(f"step {name!r}: {step.__name__} must define exec")
    is_async = inspect.iscoroutinefunction(step.exec)
    for phase in own:
        if inspect.iscoroutinefunction(getattr(step, phase)) is not is_async:
            raise ConfigurationError(
                f"step {name!r}: {step.__name__}.exec is {'async' if is_async else 'plain'} and {phase} is not: "
                "make all phases that you define async def, or all plain def"
            )
    phases = _AsyncPhases(step, own) if is_async else _PlainPhases(step, own)
    return Implementation(name, is_async, phases.call, step, phases.stand_in if "fallback" in own else None)


class _Phases:
    def __init__(self, step: type[BaseNode[Any, Any]], own: list[str]) -> None:
        self._step = step
        self._prepares, self._ends, self._recovers = "prep" in own, "post" in own, "recover" in own

    def _node(self, ctx: Any) -> BaseNode[Any, Any]:
        return self._step(ctx.params, ctx.node_id)


class _AsyncPhases(_Phases):
    async def call(self, ctx: Any) -> Any:
        node = self._node(ctx)
        phase = "prep"
        try:
            prepared = await node.prep(ctx) if self._prepares else ctx.input
            phase = "exec"
            result = await node.exec(prepared, ctx)  # type: ignore[misc]
            phase = "post"
            return await node.post(result, ctx) if self._ends else result
        except (asyncio.CancelledError, GeneratorExit):
            raise  # perhaps the engine's, which is no failure: whoever awaits this can tell
        except BaseException as error:
            if self._recovers:
                await _quietly(node.recover(StepEndedError.of(error), ctx), ctx)
            if phase == "exec":
                raise
            raise FinalError from error

    async def stand_in(self, error: Exception, ctx: Any) -> Any:
        node = self._node(ctx)
        result = await node.fallback(error, ctx)
        return await node.post(result, ctx) if self._ends else result


async def _quietly(recovery: Awaitable[Any], ctx: Any) -> None:
    try:
        await recovery
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # an exit from here would hide what is to be told
        _tell_of_recover(error, ctx)


def _tell_of_recover(error: BaseException, ctx: Any) -> None:
    Journal({"run_id": ctx.run_id}).tell(RECOVER_FAILED, error, at=ctx.key, attempt=ctx.attempt)


class _PlainPhases(_Phases):
    def call(self, ctx: Any) -> Any:
        node = self._node(ctx)
        phase = "prep"
        try:
            prepared = node.prep(ctx)
            phase = "exec"
            result = node.exec(prepared, ctx)
            phase = "post"
            return node.post(result, ctx)
        except BaseException as error:
            if self._recovers:
                try:
                    node.recover(StepEndedError.of(error), ctx)
                except BaseException as failed:  # an exit from here would hide what is to be told
                    _tell_of_recover(failed, ctx)
            if phase == "exec":
                raise
            raise FinalError from error

    def stand_in(self, error: Exception, ctx: Any) -> Any:
        node = self._node(ctx)
        return node.post(node.fallback(error, ctx), ctx)

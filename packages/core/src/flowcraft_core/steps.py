"""What a step is given and what it may be: a function, or a class with phases.

An ``async def`` step gets a ``NodeContext`` and runs in the event loop; a plain ``def`` step gets a
``SyncNodeContext`` and runs in a thread. Both return a plain value or a ``NodeResult``.
"""

from __future__ import annotations

import inspect
import logging
from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeAlias

import attrs
from typing_extensions import TypeVar

from .errors import ConfigurationError, RunCancelledError
from .graph.facts import DELETED
from .graph.instances import Instance, ScopeState
from .serialization import Serializer

InputT = TypeVar("InputT", default=Any)
DependenciesT = TypeVar("DependenciesT", default=Any)
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


class Values:
    """The context values as one attempt sees them: what was applied before, and what the attempt set itself.

    Each value is copied on its way in and out, so that nothing is shared between steps.
    """

    __slots__ = ("_scope", "_serializer", "sets")

    def __init__(self, scope: ScopeState, serializer: Serializer) -> None:
        self._scope = scope
        self._serializer = serializer
        self.sets: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        """The value, or ``DELETED`` if there is none."""
        if name in self.sets:
            return self._serializer.copy(self.sets[name]) if self.sets[name] is not DELETED else DELETED
        entry = self._scope.namespace.values.get(name)
        if entry is None or entry[1] is DELETED:
            return DELETED
        return self._serializer.copy(entry[1])

    async def fetch(self, name: str) -> Any:
        """``find`` for values that may have to be read from somewhere first."""
        return self.find(name)

    def put(self, name: str, value: Any) -> None:
        """Keep a value back until the attempt's outcome is committed."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"a context value's name is a string that is not empty, not {name!r}")
        self.sets[name] = self._serializer.copy(value)


class ContextValues:
    """The run's shared context, for ``async def`` steps.

    What a step sets is seen by itself at once, and by others once the step's outcome stands.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    async def get(self, name: str, default: Any = None) -> Any:
        """A copy of the value of that name, or ``default``."""
        value = await self._values.fetch(name)
        return default if value is DELETED else value

    async def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: The value cannot be stored.
        """
        self._values.put(name, value)

    async def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return await self._values.fetch(name) is not DELETED

    async def delete(self, name: str) -> None:
        """Remove a value; nothing happens if there is none."""
        self._values.sets[name] = DELETED


class SyncContextValues:
    """The run's shared context, for plain ``def`` steps; see ``ContextValues``."""

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, name: str, default: Any = None) -> Any:
        """A copy of the value of that name, or ``default``."""
        value = self._values.find(name)
        return default if value is DELETED else value

    def set(self, name: str, value: Any) -> None:
        """Set a value.

        Raises:
            SerializationError: The value cannot be stored.
        """
        self._values.put(name, value)

    def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        return self._values.find(name) is not DELETED

    def delete(self, name: str) -> None:
        """Remove a value; nothing happens if there is none."""
        self._values.sets[name] = DELETED


_logger = logging.getLogger("flowcraft.step")


class _BaseContext(Generic[InputT, DependenciesT]):
    """What both kinds of steps are given.

    Attributes:
        run_id: The run.
        attempt: Which attempt this is: 1, 2, ...
        input: What the taken edge, the join or ``inputs`` gives; a copy that the step may change.
        params: The node's static parameters, from the blueprint.
        dependencies: What the runtime was given for all steps.
    """

    __slots__ = ("_cancelled", "_instance", "_values", "attempt", "dependencies", "input", "params", "run_id")

    def __init__(
        self,
        run_id: str,
        instance: Instance,
        attempt: int,
        input: InputT,  # noqa: A002 - the name that steps read
        params: Mapping[str, Any],
        dependencies: DependenciesT,
        values: Values,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.input = input
        self.params = params
        self.dependencies = dependencies
        self._instance = instance
        self._values = values
        self._cancelled = False

    @property
    def node_id(self) -> str:
        """The node's id in its blueprint."""
        return self._instance.vertex.id

    @property
    def key(self) -> str:
        """The instance's key: the node's id with the passes, items and calls around it, as in ``pages[17].ocr``."""
        return self._instance.key

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and redelivery of this instance, and for no other: hand it to other services."""
        return f"{self.run_id}:{self._instance.identity}"

    @property
    def cancelled(self) -> bool:
        """Whether the result is of no use any more: the run was cancelled or failed, time is up, or a race is lost."""
        return self._cancelled or self._instance.scope.is_moot(self._instance.vertex)

    def raise_if_cancelled(self) -> None:
        """Leave the step if its result is of no use any more.

        Raises:
            RunCancelledError: It is not.
        """
        if self.cancelled:
            raise RunCancelledError(f"run {self.run_id!r}: node {self.key!r} need not go on")

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Writes to ``flowcraft.step`` with the run, the instance and the attempt in each record's ``extra``."""
        extra = {"run_id": self.run_id, "node_id": self.node_id, "instance": self.key, "attempt": self.attempt}
        return logging.LoggerAdapter(_logger, extra)


class NodeContext(_BaseContext[InputT, DependenciesT]):
    """What an ``async def`` step is given."""

    __slots__ = ()

    @property
    def context(self) -> ContextValues:
        """The run's shared context."""
        return ContextValues(self._values)

    async def heartbeat(self) -> None:
        """Say that a long step is alive; raises where going on is of no use.

        Raises:
            RunCancelledError: The run was cancelled or failed, or time is up.
        """
        self.raise_if_cancelled()


class SyncNodeContext(_BaseContext[InputT, DependenciesT]):
    """What a plain ``def`` step is given."""

    __slots__ = ()

    @property
    def context(self) -> SyncContextValues:
        """The run's shared context."""
        return SyncContextValues(self._values)

    def heartbeat(self) -> None:
        """Say that a long step is alive; raises where going on is of no use.

        Raises:
            RunCancelledError: The run was cancelled or failed, or time is up.
        """
        self.raise_if_cancelled()


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
        """Give a result in ``exec``'s place once all attempts have failed; raises ``error``, unless overridden."""
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


class FinalError(Exception):
    """Carries an exception that is not worth another attempt out of a step's phases."""


@attrs.frozen
class Implementation:
    """A step, made ready to be called.

    Attributes:
        name: Under which it is registered.
        is_async: Whether it runs in the event loop.
        call: The step itself, as a function of its node context.
        fallback: What gives a result once all attempts have failed, as a function of the error and the node context.
    """

    name: str
    is_async: bool
    call: Callable[[Any], Any]
    fallback: Callable[[Exception, Any], Any] | None = None

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
        if not callable(step):
            raise ConfigurationError(f"step {name!r} must be a function or a BaseNode class, not {step!r:.80}")
        called = getattr(type(step), "__call__", None)  # noqa: B004 - an object whose class has an async __call__
        is_async = inspect.iscoroutinefunction(step) or inspect.iscoroutinefunction(called)
        return cls(name, is_async, step)


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
    return Implementation(name, is_async, phases.call, phases.stand_in if "fallback" in own else None)


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
        except Exception as error:
            if self._recovers:
                await _quietly(node.recover(error, ctx))
            if phase == "exec":
                raise
            raise FinalError from error

    async def stand_in(self, error: Exception, ctx: Any) -> Any:
        node = self._node(ctx)
        result = await node.fallback(error, ctx)
        return await node.post(result, ctx) if self._ends else result


async def _quietly(recovery: Awaitable[Any]) -> None:
    try:
        await recovery
    except Exception:
        _logger.exception("recover failed; the step's own error stands")


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
        except Exception as error:
            if self._recovers:
                try:
                    node.recover(error, ctx)
                except Exception:
                    _logger.exception("recover failed; the step's own error stands")
            if phase == "exec":
                raise
            raise FinalError from error

    def stand_in(self, error: Exception, ctx: Any) -> Any:
        node = self._node(ctx)
        return node.post(node.fallback(error, ctx), ctx)

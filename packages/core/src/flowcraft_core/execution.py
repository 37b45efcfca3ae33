"""One attempt at one instance: from its input to an outcome, or to a park record if it has to wait.

Shared by everything that executes: the in-process runtime and, with stores around it, a worker. It decides nothing
about what runs next; it asks the graph's pure code for the input and the edges.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from .blueprint import SLEEP, WAIT, Node
from .clock import Clock
from .contexts import BaseContext, NodeContext, SyncNodeContext, Values
from .errors import (
    ConfigurationError,
    ExpressionError,
    ImplementationMissingError,
    NonRetryableError,
    RunCancelledError,
    SerializationError,
    StepTimeoutError,
)
from .graph import decisions
from .graph.durations import parse_duration
from .graph.facts import NodeError, Outcome, Park
from .graph.instances import Instance, ScopeState
from .graph.scopes import Graph, Kind
from .retries import RetryPolicy
from .serialization import Serializer
from .steps import FinalError, Implementation, NodeResult
from .threads import StepThreads

T = TypeVar("T")

#: The action of a wait that nobody resumed in time.
TIMEOUT_ACTION = "timeout"

# The value, the expression or the set-up is wrong: another attempt would fail in the same way.
_NEVER_RETRIED = (
    SerializationError,
    ExpressionError,
    decisions.InputError,
    NonRetryableError,
    ConfigurationError,
    RunCancelledError,
)


@attrs.define(eq=False)
class Executor:
    """Executes the instances of one run.

    Attributes:
        run_id: The run.
        implementations: Finds an implementation by the blueprint's id and the name that a node of it uses.
        graphs: Finds a called blueprint by id.
        dependencies: Handed to every step.
        serializer: Copies values at the border of each step.
        clock: Tells the time.
        threads: Where plain steps run.
        values: Makes the view on the context that one attempt has.
        before_deciding: Awaited before expressions of an instance are evaluated, to get what they may name.
        under_way: The contexts of the attempts under way.
        kept_keys: The instances that act under the idempotency keys of another run: that run's id, by key.
    """

    run_id: str
    implementations: Callable[[str, str], Implementation]
    graphs: Callable[[str], Graph]
    dependencies: Any
    serializer: Serializer
    clock: Clock
    threads: StepThreads
    values: Callable[[ScopeState, Serializer], Values] = Values
    before_deciding: Callable[[Instance], Awaitable[None]] | None = None
    under_way: set[BaseContext[Any, Any]] = attrs.field(factory=set)
    kept_keys: Mapping[str, str] = attrs.field(factory=dict)

    async def attempt(self, instance: Instance, number: int = 1, *, standing_in: bool = False) -> Outcome | Park:
        """Make one attempt at a ready instance.

        Args:
            instance: What to run.
            number: Which attempt this is: 1, 2, ...
            standing_in: Try the fallback node instead of the node itself.

        Returns:
            The outcome, failed or not; or a park record, if the instance has to wait, also for its next attempt.

        Raises:
            ImplementationMissingError: This program has no implementation of the step.
        """
        scope, vertex = instance
        started = self.clock.now()
        if vertex.kind is Kind.STEP:
            uses = vertex.node.uses
            if uses in (SLEEP, WAIT):
                return self._park(instance, started)
            node = vertex.fallback if standing_in and vertex.fallback is not None else vertex.node
            try:
                implementation = self.implementations(scope.scope.blueprint, node.uses)
                output, action, sets = await self._call(implementation, instance, node, number)
                if self.before_deciding is not None:
                    await self.before_deciding(instance)
                taken = decisions.take_edges(scope, vertex, output, action, sets)
                outcome = Outcome(output, action, None, taken, sets, attempts=number, started=started)
            except ImplementationMissingError:
                raise  # no fault of the step's: another worker may have it
            except Exception as error:
                return await self._failed(error, instance, node, number, started)
            if standing_in:
                outcome.via = node.id
        else:
            try:
                if self.before_deciding is not None:
                    await self.before_deciding(instance)
                outcome = self._structure(instance)
            except Exception as error:
                outcome = self.failure(error, instance, number)
            outcome.started = started
        outcome.ended = self.clock.now()
        return outcome

    def resume(self, instance: Instance, output: Any, action: str | None) -> Outcome:
        """The outcome of a wait that goes on with a given result.

        Raises:
            SerializationError: The output cannot be stored.
            ExpressionError: A condition or transform failed on it.
        """
        output = self.serializer.copy(output)
        taken = decisions.take_edges(instance.scope, instance.vertex, output, action)
        now = self.clock.now()
        return Outcome(output=output, action=action, taken=taken, started=now, ended=now)

    def due(self, instance: Instance) -> Outcome:
        """The outcome of a wait or sleep whose time has come: a sleep hands on its input, a wait times out."""
        try:
            if instance.vertex.node.uses == WAIT:
                return self.resume(instance, None, TIMEOUT_ACTION)
            return self.resume(instance, decisions.input_of(instance.scope, instance.vertex), None)
        except Exception as error:
            return self.failure(error, instance, 1)

    def failure(self, error: Exception, instance: Instance, number: int) -> Outcome:
        """The outcome of an instance that failed for good."""
        now = self.clock.now()
        return Outcome(error=_node_error(error, instance, number), attempts=number, started=now, ended=now)

    def cancel(self) -> None:
        """Tell every step under way that its result is of no use any more."""
        for context in self.under_way:
            context._cancelled = True

    def _park(self, instance: Instance, now: float) -> Park:
        vertex = instance.vertex
        if vertex.node.uses == SLEEP:
            return Park("sleep", due=now + parse_duration(vertex.params["duration"]))
        return Park("wait", due=None if vertex.timeout is None else now + vertex.timeout)

    def _structure(self, instance: Instance) -> Outcome:
        scope, vertex = instance
        if vertex.kind is Kind.EXIT:
            outcome = decisions.leave(scope, vertex)
            outcome.taken = decisions.take_edges(scope, vertex, outcome.output, outcome.action, outcome.sets)
            return outcome
        value = self.serializer.copy(decisions.input_of(scope, vertex))
        if vertex.kind is Kind.VERDICT:
            return decisions.verdict(scope, vertex, value)
        called = vertex.construct.calls if vertex.construct else None
        return decisions.enter(scope, vertex, value, self.graphs(called) if called else None)

    async def _call(
        self,
        implementation: Implementation,
        instance: Instance,
        node: Node,
        number: int,
        failed_with: Exception | None = None,
    ) -> tuple[Any, str | None, dict[str, Any] | None]:
        scope, vertex = instance
        copy = self.serializer.copy
        values = self.values(scope, self.serializer)
        kind = NodeContext if implementation.is_async else SyncNodeContext
        value = copy(decisions.input_of(scope, vertex))
        context = kind(self.run_id, instance, number, value, node.params or {}, self.dependencies, values)
        if self.kept_keys:
            context._keyed_by = self.kept_keys.get(instance.key, self.run_id)
        self.under_way.add(context)
        try:
            timeout = vertex.timeout if node is vertex.node else _timeout(node)
            if timeout is not None:
                result = await self._within(timeout, implementation, context, failed_with)
            elif implementation.is_async and failed_with is None:
                result = await _Isolated(implementation.call(context))
            else:
                result = await self._invoke(implementation, context, failed_with)
        finally:
            self.under_way.discard(context)
        action = None
        if type(result) is NodeResult:
            result, action = result.output, result.action
        elif inspect.iscoroutine(result):
            result.close()
            raise ConfigurationError(
                f"step {implementation.name!r} of node {instance.key!r} is a plain function that returned a coroutine: "
                "make it async def, so that the engine awaits it"
            )
        try:
            return copy(result), action, values.sets or None
        except SerializationError as error:
            raise SerializationError(f"the output of node {instance.key!r} cannot be stored: {error}") from error

    async def _invoke(
        self, implementation: Implementation, context: BaseContext[Any, Any], failed_with: Exception | None
    ) -> Any:
        stand_in = implementation.fallback if failed_with is not None else None

        def call() -> Any:
            if stand_in is not None and failed_with is not None:
                return stand_in(failed_with, context)
            return implementation.call(context)

        return await (_Isolated(call()) if implementation.is_async else self.threads.run(call))

    async def _within(
        self,
        seconds: float,
        implementation: Implementation,
        context: BaseContext[Any, Any],
        failed_with: Exception | None,
    ) -> Any:
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await self._invoke(implementation, context, failed_with)
        except TimeoutError as error:
            if not timer.expired():
                raise  # the step's own
            context._cancelled = True
            left = "" if implementation.is_async else "; its thread was given up and may still be running"
            raise StepTimeoutError(
                f"node {context.key!r} ran longer than its timeout of {seconds:g} s{left}"
            ) from error

    async def _failed(
        self, raised: Exception, instance: Instance, node: Node, number: int, started: float
    ) -> Outcome | Park:
        """What follows a failed attempt: another one, the class's own fallback, the fallback node, or the failure."""
        vertex = instance.vertex
        standing_in = node is not vertex.node
        error, final = raised, isinstance(raised, _NEVER_RETRIED)
        if isinstance(raised, FinalError) and isinstance(raised.__cause__, Exception):
            error, final = raised.__cause__, True
        policy = RetryPolicy.from_config(node.config) if standing_in else vertex.retry
        if not final and number < policy.max_attempts and policy.retries(error):
            delay = policy.delay_after(number, f"{self.run_id}:{instance.key}:{node.id}")
            parked = _node_error(error, instance, number)
            return Park("retry", self.clock.now() + delay, number, standing_in, error=parked)
        if not standing_in:
            try:
                implementation = self.implementations(instance.scope.scope.blueprint, node.uses)
                if implementation.fallback is not None:
                    output, action, sets = await self._call(implementation, instance, node, number, failed_with=error)
                    taken = decisions.take_edges(instance.scope, vertex, output, action, sets)
                    return Outcome(
                        output, action, None, taken, sets, attempts=number, started=started, ended=self.clock.now()
                    )
            except Exception as second:
                error = second
            if vertex.fallback is not None:
                return await self.attempt(instance, standing_in=True)
        outcome = self.failure(error, instance, number)
        outcome.started = started
        return outcome


class _Isolated(Generic[T]):
    """Awaits a coroutine in a copy of the context, at a fraction of a task's cost.

    The context variables that a step sets stay with the step, as they would in a task of its own.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        run = contextvars.copy_context().run
        step, argument = self._coroutine.send, None
        while True:
            try:
                awaited = run(step, argument)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            try:
                step, argument = self._coroutine.send, (yield awaited)
            except BaseException as error:
                step, argument = self._coroutine.throw, error


def _timeout(node: Node) -> float | None:
    return None if node.config is None or not node.config.timeout else node.config.timeout / 1000


def _node_error(error: Exception, instance: Instance, number: int) -> NodeError:
    return NodeError(
        key=instance.key,
        node_id=instance.vertex.id,
        type=type(error).__name__,
        message=str(error),
        attempts=number,
        traceback="".join(traceback.format_exception(error)),
    )

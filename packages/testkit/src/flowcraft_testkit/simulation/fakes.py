"""What stands in for steps in a test: a function, a value, or a failure; and who writes down what is called with what.

A step keeps its kind: an ``async def`` one is awaited in the event loop, and a plain one runs in a thread, whatever
stands in for it. A decorated step's stand-in is called as the step's function is, with what its parameters need.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import attrs
from flowcraft_core.contexts import BaseContext
from flowcraft_core.decorated.calls import FunctionCall
from flowcraft_core.errors import SerializationError
from flowcraft_core.graph.facts import Attempt
from flowcraft_core.serialization import Serializer
from flowcraft_core.steps import Implementation

from .references import Place, StepRef

#: As what a step is called.
Role: TypeAlias = Literal["step", "fallback", "undo", "reminder", "reducer"]


@attrs.frozen(eq=False)
class Fake:
    """Stands in for a step.

    Attributes:
        step: The step that is meant.
        function: Called in its place, as it is called; None for the step itself.
        error: Raised in its place.
        times: In so many first attempts at each instance; None for all of them.
    """

    step: StepRef
    function: Callable[..., Any] | None = None
    error: BaseException | type[BaseException] | None = None
    times: int | None = None


@attrs.define(eq=False)
class Call:
    """One call of a step, or of what stood in for it.

    Attributes:
        key: The instance's key, such as ``charge``, or ``pages[2].pages`` of an item of a batch.
        attempt: Which attempt it was, from 1; of a reminder, which one.
        role: As what it was called.
        input: What the step was given as ``ctx.input``.
        arguments: What the function of a decorated step was given, by parameter; its node context is left out.
        returned: What it returned.
        raised: What it raised instead.
    """

    key: str
    attempt: int
    role: Role
    input: Any
    place: Place = attrs.field(repr=False)
    arguments: dict[str, Any] = attrs.field(factory=dict)
    returned: Any = None
    raised: BaseException | None = None


@attrs.define(eq=False)
class Recorder:
    """Writes down what happens in a run, in order.

    Attributes:
        serializer: Copies what steps are given, which they may change; the runtime's, as soon as there is one.
        calls: Every call of a step.
        ended: The keys of the steps, waits and sleeps that have come to an end.
        under_way: The calls that have not.
        waits: The waits that were reached, by key.
    """

    serializer: Serializer = attrs.field(factory=Serializer)
    calls: list[Call] = attrs.field(factory=list)
    ended: dict[str, None] = attrs.field(factory=dict)
    under_way: list[Call] = attrs.field(factory=list)
    waits: dict[str, Place] = attrs.field(factory=dict)

    def is_wait(self, key: str, ref: StepRef) -> bool:
        """Whether a wait that was reached is meant: by its key, or by what it is an instance of."""
        return key == ref or self.waits[key].is_meant(ref)

    def begins(self, place: Place, role: Role, ctx: BaseContext[Any, Any]) -> Call:
        """A step is called."""
        call = Call(ctx.key, ctx.attempt, role, self.copy(ctx.input), place)
        self.calls.append(call)
        self.under_way.append(call)
        return call

    def copy(self, value: Any) -> Any:
        """A value as it is now; itself, if it is none that could be stored, as a dependency is not."""
        try:
            return self.serializer.copy(value)
        except SerializationError:
            return value


def standing_in(
    implementation: Implementation,
    place: Place,
    role: Role,
    attempt: Attempt,
    fakes: Sequence[Fake],
    recorder: Recorder | None,
) -> Implementation:
    """A step as it is called in a test.

    Args:
        implementation: The step.
        place: Where it stands.
        role: As what it is called.
        attempt: Which attempt it is.
        fakes: What may stand in for it; of several the last one holds.
        recorder: Told of the call.
    """
    meant = [fake for fake in fakes if place.is_meant(fake.step)]
    function = next((fake.function for fake in reversed(meant) if fake.function is not None), None)
    failing = next((fake for fake in reversed(meant) if fake.error is not None), None)
    error = None
    if failing is not None and (failing.times is None or attempt.number <= failing.times):
        error = failing.error
    if function is None and error is None and recorder is None:
        return implementation
    call = _Called(implementation, place, role, function, error, recorder)
    return attrs.evolve(implementation, call=call.wait_for if implementation.is_async else call)


@attrs.frozen(eq=False)
class _Called:
    implementation: Implementation
    place: Place
    role: Role
    function: Callable[..., Any] | None
    error: BaseException | type[BaseException] | None
    recorder: Recorder | None

    def __call__(self, ctx: Any) -> Any:
        """Call a plain step."""
        call = self._begin(ctx)
        try:
            result = self._prepared(ctx, call)(ctx)
            if self.function is not None and inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError(f"step {ctx.key!r} is a plain def, and so is what replaces it: it gave a coroutine")
        except BaseException as error:
            self._end(call, raised=error)
            raise
        self._end(call, result)
        return result

    async def wait_for(self, ctx: Any) -> Any:
        """Call an ``async def`` step."""
        call = self._begin(ctx)
        try:
            result = await _awaited(self._prepared(ctx, call)(ctx))
        except BaseException as error:
            self._end(call, raised=error)
            raise
        self._end(call, result)
        return result

    def _begin(self, ctx: Any) -> Call | None:
        return None if self.recorder is None else self.recorder.begins(self.place, self.role, ctx)

    def _end(self, call: Call | None, returned: Any = None, raised: BaseException | None = None) -> None:
        if call is not None and self.recorder is not None:
            call.returned, call.raised = self.recorder.copy(returned), raised
            self.recorder.under_way.remove(call)

    def _prepared(self, ctx: Any, call: Call | None) -> Callable[[Any], Any]:
        """What is to be called with the node context."""
        step = self.implementation.step
        if not isinstance(step, FunctionCall):
            if self.error is not None:
                raise _fresh(self.error)
            return self.function or self.implementation.call
        function = self.function or step.signature.function

        def called(**named: Any) -> Any:
            if call is not None and self.recorder is not None:
                call.arguments = {name: self.recorder.copy(each) for name, each in named.items() if each is not ctx}
            if self.error is not None:
                raise _fresh(self.error)
            return function(**named)

        async def awaited(**named: Any) -> Any:
            return await _awaited(called(**named))

        replaced = self.function is not None or self.error is not None
        return step.instead(awaited if self.implementation.is_async else called, may_lack=replaced)


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _fresh(error: BaseException | type[BaseException]) -> BaseException:
    """An error without the traceback of the last time that it was raised."""
    return error() if isinstance(error, type) else error.with_traceback(None)

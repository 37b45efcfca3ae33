"""What a flow's decorators and calls give back: nodes, whose outputs later steps name by reference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, cast, overload

from ..durations import Duration
from ..errors import ConfigurationError
from ..steps import Placed
from .calls import ReducingCall
from .needs import Signature
from .plans import Plan
from .references import Reference, condition_of, term_of
from .terms import FirstOf, OutputOf, Term, TimedOut, root_of

P = ParamSpec("P")
OutputT = TypeVar("OutputT")
CallT = TypeVar("CallT")
T = TypeVar("T")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class ErrorData(TypedDict):
    """A failure as plain data: the key of what failed, the exception's class and text, and how often it was tried."""

    node: str
    type: str
    message: str
    attempts: int


class FailedItem(TypedDict):
    """What stands in the place of the result of a batch's item that has failed."""

    error: ErrorData


class Node(Placed, Generic[OutputT]):
    """A node of a flow.

    Attributes:
        id: Its id in the blueprint.
        flow_id: The flow that it belongs to.
        plan: What it needs; for the flow's own use.
        changed: Tells the flow that the plan has changed.
    """

    def __init__(self, flow_id: str, node_id: str, plan: Plan) -> None:
        self.id = node_id
        self.flow_id = flow_id
        self.plan = plan
        self.changed: Callable[[], object] = lambda: None
        self._led_on: dict[str, Node[Any]] = {}

    @property
    def output(self) -> OutputT:
        """Its output, to be needed by another step, which then runs only if this one did."""
        return cast(OutputT, Reference(OutputOf(self)))

    @property
    def maybe(self) -> OutputT | None:
        """Its output, or None if it did not run, for a step that can do without."""
        return cast("OutputT | None", Reference(OutputOf(self, optional=True)))

    @property
    def failed(self) -> Node[ErrorData]:
        """That it has failed for good, whose ``output`` is the error.

        Who needs it, or comes after it, handles the failure: it then fails nothing.
        """
        return self._leading_on("failed", ErrorData)

    def failed_with(self, kind: type[BaseException] | str, /) -> Node[ErrorData]:
        """That it has failed with errors of a class; any other error is not handled by who needs this.

        Args:
            kind: The class, or its name. It is compared by name, so classes derived from it are others.
        """
        if not isinstance(kind, str) and not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ConfigurationError(
                f"{self.id}.failed_with takes one class of errors, or its name, not {kind!r:.80}: write one for each"
            )
        name = kind if isinstance(kind, str) else kind.__name__
        return self._leading_on(f"failed.{name}", ErrorData, error=name)

    @property
    def ended(self) -> Node[None]:
        """That it has completed or failed for good, for ``after=``. Who comes after that handles the failure, too."""
        return self._leading_on("ended", None)

    def _leading_on(self, way: str, gives: Any, **options: Any) -> Node[Any]:
        # No node of the flow as long as nobody names it, since to look at it is not to handle anything.
        if way not in self._led_on:
            plan = Plan(kind=way.partition(".")[0], after=(self,), options=options, type=gives)
            self._led_on[way] = Node(self.flow_id, f"{self.id}.{way}", plan)
        return self._led_on[way]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.flow_id!r}, {self.id!r})"


class _Function(Node[OutputT], Generic[P, CallT, OutputT]):
    """A node that is a function: calling it calls the function, as if it had never been decorated."""

    __name__: str

    def __init__(self, flow_id: str, node_id: str, plan: Plan, function: Callable[..., Any]) -> None:
        super().__init__(flow_id, node_id, plan)
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> CallT:
        """Call the function, in a test for example; what comes from other steps in a flow must be given.

        Raises:
            TypeError: It is not given.
        """
        assert self.plan.signature is not None
        missing = self.plan.signature.missing(args, kwargs)
        if missing:
            raise TypeError(
                f"{self.id}() is called by hand, so say what it gets as {', '.join(map(repr, missing))}: only in a run "
                "does that come from other steps"
            )
        return cast(CallT, self._function(*args, **kwargs))

    def _with_fallback(self, function: Callable[..., Any]) -> None:
        assert self.plan.signature is not None
        if self.plan.fallback is not None:
            raise ConfigurationError(f"step {self.id!r} of flow {self.flow_id!r} has two fallbacks: leave one out")
        self.plan.fallback = self.plan.signature.of_fallback(function)
        self.changed()


class Step(_Function[P, CallT, OutputT]):
    """A step: an ordinary function, and its place in a flow."""

    @overload
    def fallback(self, function: Callable[..., Coroutine[Any, Any, OutputT]], /) -> Callable[..., Any]: ...
    @overload
    def fallback(self, function: Callable[..., OutputT], /) -> Callable[..., Any]: ...
    def fallback(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Decorate the function that stands in once all attempts have failed; it gives the same kind of output.

        Its parameters are some of the step's, by name, and get what the step's get; a parameter annotated as a node
        context finds in ``ctx.error`` why it is needed.

        Raises:
            ConfigurationError: It has a parameter that the step has not, or there is a fallback already.
        """
        self._with_fallback(function)
        return function


class Batch(_Function[P, CallT, list[OutputT]], Generic[P, CallT, OutputT]):
    """A step that runs once per item; its output is the list of results, in the order of the items."""

    @property
    def output(self) -> list[OutputT]:
        """The results."""
        if self.plan.tolerates:
            raise ConfigurationError(
                f"batch {self.id!r} tolerates failures, so some of its results may be errors: need {self.id}.results"
            )
        return super().output

    @property
    def results(self) -> list[OutputT | FailedItem]:
        """The results of a batch that tolerates failures: a failed item has ``{"error": ...}`` in its place."""
        return cast("list[OutputT | FailedItem]", Reference(OutputOf(self)))

    @overload
    def reduce(self, function: Callable[[T | None, list[OutputT]], Coroutine[Any, Any, T]], /) -> Reduced[T]: ...
    @overload
    def reduce(self, function: Callable[[T | None, list[OutputT]], T], /) -> Reduced[T]: ...
    def reduce(self, function: Callable[..., Any], /) -> Reduced[Any]:
        """Decorate a function that makes one value of the results, which is the batch's output then.

        It is called for a page of results after the other, in the order of the items, with what it gave for those
        before (None at first) and these; without any result once. What it raises fails the batch. Of a batch that
        tolerates failures some results may be ``FailedItem``.

        Raises:
            ConfigurationError: There is one already.
        """
        if "reduce" in self.plan.options:
            raise ConfigurationError(f"batch {self.id!r} of flow {self.flow_id!r} is reduced twice: leave one out")
        reducer = ReducingCall(function)
        self.plan.options["reduce"], self.plan.type = reducer, reducer.gives
        self.changed()
        return Reduced(self)


class Reduced(Generic[OutputT]):
    """What stands for the value that a batch's results are reduced to."""

    def __init__(self, batch: Batch[Any, Any, Any]) -> None:
        self._batch = batch

    @property
    def output(self) -> OutputT:
        """The value, to be needed by another step, which then runs only if the batch did."""
        return cast(OutputT, Reference(OutputOf(self._batch)))

    @property
    def maybe(self) -> OutputT | None:
        """The value, or None if the batch did not run, for a step that can do without."""
        return cast("OutputT | None", Reference(OutputOf(self._batch, optional=True)))


class Wait(Node[OutputT]):
    """A point where the run waits until it is resumed from outside."""

    @property
    def timed_out(self) -> bool:
        """Whether nobody answered in time: a condition for what comes right after the wait."""
        if self.plan.settings.timeout is None:
            raise ConfigurationError(f"wait {self.id!r} has no timeout=, so it never times out")
        return cast(bool, Reference(TimedOut(self)))

    def remind(self, *, after: Duration | Sequence[Duration]) -> Callable[[FunctionT], FunctionT]:
        """Decorate a function that is called while nobody has answered, and whose result is of no account.

        Its parameters are as a step's: what it needs comes before the wait. ``ctx.attempt`` of its node context tells
        which reminder it is, and each has an ``idempotency_key`` of its own.

        Args:
            after: When: again and again after so long, or once after each of several delays.

        Raises:
            ConfigurationError: The times cannot mean anything, nothing says where a parameter comes from, or the wait
                has a reminder already.
        """

        def decorate(function: FunctionT) -> FunctionT:
            where = f"the reminder of wait {self.id!r} of flow {self.flow_id!r}"
            if self.plan.signature is not None:
                raise ConfigurationError(f"{where} is there already: give several delays, or do both in one function")
            signature = Signature.of(where, function)
            for parameter, term in signature.needs.items():
                if isinstance(root_of(term), FirstOf):
                    raise ConfigurationError(f"{where}: parameter {parameter!r} cannot be a race: need a step after it")
            self.plan.signature, self.plan.needs = signature, dict(signature.needs)
            self.plan.options = {"remind_after": after}
            self.changed()
            return function

        return decorate


class Loop(Node[OutputT]):
    """A part of a flow that is repeated.

    Its ``value`` is what a pass begins with: what the loop was given, and then what the pass before handed on. Its
    ``output`` is what the last pass handed on.
    """

    def __init__(self, flow_id: str, node_id: str, plan: Plan, start: Node[Any]) -> None:
        super().__init__(flow_id, node_id, plan)
        self.start = start
        self._close: Callable[[Loop[Any], Term, Term], None] | None = None

    @property
    def value(self) -> OutputT:
        """What a pass begins with."""
        return cast(OutputT, Reference(OutputOf(self.start)))

    def again(self, value: OutputT, *, when: bool) -> None:
        """End a pass: begin another one with a value as long as a condition holds, and go on with that value else.

        Args:
            value: The output of the pass's last step.
            when: Such as ``review.output.score < 80``.

        Raises:
            ConfigurationError: The value is no step's output, or the loop has ended already.
        """
        if self._close is None:
            where = f"loop {self.id!r} of flow {self.flow_id!r}"
            raise ConfigurationError(f"{where} ends twice: leave one again() out")
        close, self._close = self._close, None
        term = term_of(value)
        if not isinstance(term, OutputOf) or term.optional or term.node is self.start:
            raise ConfigurationError(
                f"loop {self.id!r} of flow {self.flow_id!r}: again() takes the output of a pass's last step, as in "
                "again(review.output, when=...)"
            )
        close(self, term, condition_of(when, f"loop {self.id!r}: again(): when="))

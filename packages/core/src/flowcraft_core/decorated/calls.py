"""Calls a decorated function in a run, with what its parameters need; and what the wiring's own nodes do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Self

from ..annotations import gives_of
from ..contexts import BaseContext
from ..errors import ConfigurationError
from ..graph.decisions import called_with
from ..graph.facts import DELETED
from ..graph.scopes import Vertex
from ..shaping import shape_of
from .needs import Signature, is_async_function
from .terms import Constant, FirstOf, InputOf, ItemOf, Member, OutputOf, Provided, Term, ValueOf, root_of
from .terms import shown as shown_term

#: Gets one parameter's value, given the node context.
Getter = Callable[[Any], Any]

#: Under which key of a step's input the output of each node is found, by node id; None for the input as it is.
Handed = Mapping[str, "str | None"]


def handed_to(vertex: Vertex) -> Handed:
    """What a node is handed in the blueprint that a run is of: by what it says of its inputs, or by its edges."""
    inputs = vertex.inputs
    if isinstance(inputs, dict):
        return {ref.node: key for key, ref in inputs.items() if ref.node is not None and not ref.path}
    if inputs is not None:
        return {} if inputs.node is None or inputs.path else {inputs.node: None}
    if len(vertex.incoming) == 1:
        return {vertex.incoming[0].source_id: None}
    return {link.source_id: link.source_id for link in vertex.incoming}


class FunctionCall:
    """A function as a step: called with what its parameters need.

    Attributes:
        is_async: Whether what it gives is to be awaited: it hands on the function's own coroutine, which costs less
            than one around it.
        takes_lists: Its annotations say of the results of a batch that they are a list.
        asks: What it asks of the runtime's dependencies, by parameter.
    """

    takes_lists = True

    def __init__(self, signature: Signature, getters: Mapping[str, Getter], wiring: Handed | None = None) -> None:
        self.asks = signature.asks
        self.signature = signature
        self._getters = tuple(getters.items())
        self._function, self._context = signature.function, signature.context
        self.is_async = signature.is_async
        self._wiring = wiring
        self._vertex: Vertex | None = None  # the last one that it is wired as
        self._as_handed: Callable[[Mapping[str, str] | None], Any] = partial(call_of, signature)

    def _fitting(self, ctx: Any) -> Self | None:
        """The same step for a run of an older version of its flow, which hands it its needs otherwise; else None.

        Raises:
            ConfigurationError: That version does not hand it all that it needs.
        """
        vertex: Vertex = ctx._instance.vertex
        if (why := self.misfit(vertex)) is not None:
            raise ConfigurationError(why)
        if vertex is self._vertex or self._wiring is None:
            return None
        handed = handed_to(vertex)
        keys = {node: key for node in self._wiring if (key := handed[node]) is not None}
        other: Self = self._as_handed(keys or None)
        other._function, other._vertex = self._function, vertex
        return other

    def misfit(self, vertex: Vertex) -> str | None:
        """Why it cannot be the step of a node: that is of another version of the flow, and not handed all it needs."""
        if vertex is self._vertex:
            return None
        if self._wiring is None or (handed := handed_to(vertex)).items() >= self._wiring.items():
            self._vertex = vertex
            return None
        missing = [node for node in self._wiring if node not in handed]
        if not missing:
            return None
        hands = ", ".join(map(repr, handed)) or "nothing"
        return (
            f"{self.signature.where}: in this version it needs the output of {missing[0]!r}, and the run's version of "
            f"the flow hands it {hands}: let a worker with that version finish the run, or redrive it onto this one"
        )

    def __call__(self, ctx: Any) -> Any:
        """Run the step."""
        if ctx._instance.vertex is not self._vertex and (other := self._fitting(ctx)) is not None:
            return other(ctx)
        named = {name: get(ctx) for name, get in self._getters}
        if self._context is not None:
            named[self._context] = ctx
        return self._function(**named)

    def instead(self, function: Callable[..., Any], *, may_lack: bool = False) -> Self:
        """The same step with another function, which gets what this one gets, by name; in tests.

        Args:
            function: The other one.
            may_lack: Whether what is asked of the runtime's dependencies may be missing; then it gets None.
        """
        found = copy.copy(self)
        found._function = function
        if may_lack:
            found._getters = tuple((name, _or_none(get) if name in self.asks else get) for name, get in self._getters)
        return found

    @property
    def gives(self) -> Any:
        """What is known of the type of its output."""
        return self.signature.gives


def _or_none(get: Getter) -> Getter:
    def found(ctx: Any) -> Any:
        try:
            return get(ctx)
        except ConfigurationError:
            return None

    return found


class InputCall(FunctionCall):
    """A function of one parameter, which gets the step's input as it is: by far the most do.

    It costs one call more than a function that takes a node context, where the general way costs four.
    """

    def __init__(self, signature: Signature, getters: Mapping[str, Getter], wiring: Handed | None = None) -> None:
        super().__init__(signature, getters, wiring)
        [self._name] = getters

    def __call__(self, ctx: Any) -> Any:
        """Run the step."""
        if ctx._instance.vertex is not self._vertex and (other := self._fitting(ctx)) is not None:
            return other(ctx)
        return self._function(**{self._name: ctx.input})


class ReducingCall:
    """A function as the reducer of a batch: called with what it gave before, None at first, and a page of results.

    Attributes:
        function: The function.
        is_async: As for ``FunctionCall``.
        gives: Likewise.
        takes_lists: Likewise.
    """

    takes_lists = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.is_async = is_async_function(function)
        self.gives = gives_of(function)
        self.function = function

    def __call__(self, ctx: Any) -> Any:
        """Reduce a page."""
        return self.function(ctx.input["value"], ctx.input["results"])


class ReadingCall(FunctionCall):
    """An ``async def`` function that needs context values, which have to be read first."""

    async def __call__(self, ctx: Any) -> Any:
        """Run the step."""
        if ctx._instance.vertex is not self._vertex and (other := self._fitting(ctx)) is not None:
            return await other(ctx)
        named = {}
        for name, get in self._getters:
            got = get(ctx)
            named[name] = await got if isinstance(got, _Later) else got
        if self._context is not None:
            named[self._context] = ctx
        return await self._function(**named)


class _Later:
    """A context value that has to be read first."""

    __slots__ = ("_ctx", "_members", "_wanted")

    def __init__(self, ctx: Any, wanted: ValueOf, members: Callable[[Any], Any]) -> None:
        self._ctx, self._wanted, self._members = ctx, wanted, members

    def __await__(self) -> Any:
        value = yield from self._ctx.context.get(self._wanted.value.name, DELETED).__await__()
        return self._members(_or_default(self._ctx, self._wanted, value))


def _or_default(ctx: Any, wanted: ValueOf, value: Any) -> Any:
    """A context value as it was found, or else a copy of its default: what a step does to that, nobody else sees."""
    return ctx._values.copy(wanted.value.default) if value is DELETED else value


def call_of(
    signature: Signature,
    inputs: Mapping[str, str] | None,
    *,
    undoes: bool = False,
    whole: str | None = None,
) -> FunctionCall:
    """A function as a step.

    Args:
        signature: Of the function.
        inputs: Under which key of the step's input the output of each needed node is found, by node id; None if the
            input is the one output that is needed.
        undoes: It undoes another: its ``item`` is what that gave.
        whole: The node whose output is the input as it is, if there is one.
    """
    getters: dict[str, Getter] = {
        name: _getter(signature, name, term, inputs) for name, term in signature.needs.items()
    }
    if signature.item is not None:
        item = _shaping(signature, signature.item)
        getters = {signature.item: _of_output(item) if undoes else _of_input(item), **getters}
    wiring: Handed | None = {whole: None} if whole is not None else inputs
    if signature.is_async and any(isinstance(root_of(term), ValueOf) for term in signature.needs.values()):
        return ReadingCall(signature, getters, wiring)
    is_input = signature.context is None and list(getters.values()) == [_WHOLE]
    call = (InputCall if is_input else FunctionCall)(signature, getters, wiring)
    if undoes:
        call._as_handed = partial(call_of, signature, undoes=True)
    return call


#: Gets the input as it is.
_WHOLE: Getter = attrgetter("input")


def _of_input(members: Callable[[Any], Any]) -> Getter:
    return _WHOLE if members is _as_it_is else lambda ctx: members(ctx.input)


def _of_output(members: Callable[[Any], Any]) -> Getter:
    return lambda ctx: members(ctx.output)


def _getter(signature: Signature, name: str, term: Term, inputs: Mapping[str, str] | None) -> Getter:
    root = root_of(term)
    members = _parts(signature, name, term)
    match root:
        case OutputOf(node) if inputs is not None:
            key = inputs[node.id]
            return lambda ctx: members(ctx.input[key])
        case OutputOf() | FirstOf() | ItemOf():
            return _of_input(members)
        case InputOf(flow_id):
            return lambda ctx: members(_input_of(ctx, flow_id))
        case Constant(value):
            return lambda ctx: value
        case Provided():
            taken = _members(f"{signature.where}: parameter {name!r} is {shown_term(term)}, and", term)
            asked = signature.asks[name]
            return lambda ctx: taken(asked.of(ctx.dependencies))
        case ValueOf(value) if signature.is_async:
            return lambda ctx: _Later(ctx, root, members)
        case ValueOf(value):
            return lambda ctx: members(_or_default(ctx, root, ctx.context.get(value.name, DELETED)))
    raise AssertionError(term)  # _checked lets nothing else through


def _shaping(signature: Signature, name: str) -> Callable[[Any], Any]:
    """What builds what a parameter is annotated with, of plain data."""
    shape, where = shape_of(signature.types.get(name, Any)), f"{signature.where}: {name}"
    return _as_it_is if shape is None else lambda value: shape(value, where)


def _as_it_is(value: Any) -> Any:
    return value


def _parts(signature: Signature, name: str, term: Term) -> Callable[[Any], Any]:
    """What takes what a parameter needs from a root's value, and builds of plain data what annotations say."""
    shaped, root = _shaping(signature, name), root_of(term)
    if term is root:
        return shaped
    taken = _members(f"{signature.where}: parameter {name!r} is {shown_term(term)}, and", term)
    match root:  # what comes from outside may be plain data still, if whoever started the run does not know its flow
        case InputOf(_, wanted):
            shape = shape_of(wanted)
        case ValueOf(value):
            shape = shape_of(value.type)
        case OutputOf(node) if node.plan.kind == "wait":
            shape = shape_of(node.plan.type)
        case _:
            shape = None
    if shape is None:
        return lambda value: shaped(taken(value))
    where = f"{signature.where}: {shown_term(root)}"
    return lambda value: shaped(taken(shape(value, where)))


def _input_of(ctx: BaseContext[Any, Any], flow_id: str) -> Any:
    found, value = called_with(ctx._instance.scope)
    if not found:
        raise ConfigurationError(
            f"run {ctx.run_id!r}: flow {flow_id!r} was started without its input: start it as run(flow, input)"
        )
    return ctx._values.copy(value)


def _members(where: str, term: Term) -> Callable[[Any], Any]:
    """What takes from a root's value the member that a term is."""
    keys: list[tuple[str | int, bool]] = []
    while isinstance(term, Member):
        keys.append((term.key, term.is_field))
        term = term.owner
    if not keys:
        return lambda value: value
    keys.reverse()

    def take(value: Any) -> Any:
        for key, is_field in keys:
            try:
                value = getattr(value, str(key)) if is_field else value[key]
            except (AttributeError, LookupError, TypeError) as error:
                raise ConfigurationError(f"{where} the value has no such member: {error}") from error
        return value

    return take


class Carry:
    """A step that hands its input on."""

    async def __call__(self, ctx: Any) -> Any:
        """Run the step."""
        return ctx.input


class Gate:
    """A step that says whether all of some nodes have led to it."""

    def __init__(self, required: frozenset[str], *, of_many: bool) -> None:
        self.required, self._of_many = required, of_many

    async def __call__(self, ctx: Any) -> bool:
        """Run the step."""
        return not self._of_many or self.required <= ctx.input.keys()  # of many ways, the input is by source

    @property
    def gives(self) -> Any:
        """What it gives."""
        return bool


async def fetch(**named: Any) -> Any:
    """A step that hands on what its one parameter, ``value``, needs."""
    return named["value"]


def is_wiring(step: object) -> bool:
    """Whether a step is nobody's, but part of how the wiring leads values from one node to another."""
    function = step.signature.function if isinstance(step, FunctionCall) else None
    return function is fetch or isinstance(step, (Carry, Gate))

"""What stands for a value that is not there yet, while a flow is described.

To a type checker ``step.output`` *is* the step's output: so it sees what is handed to whom. In truth it is a
``Reference``: it remembers which members are asked of it and what it is compared with, and becomes a need of a step,
or an expression of the blueprint. Whatever else is done with it is refused, since a program that describes a flow has
no values to look at.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast, overload

import attrs

from ..contexts import BaseContext
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .nodes import Node

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")

#: The context value that a run's input is kept under; a called flow finds the call's input under it.
INPUT = "input"


# --- terms: what a reference is made of -------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class OutputOf:
    """A node's output; an optional one is None where the node did not run."""

    node: Node[Any]
    optional: bool = False


@attrs.frozen(eq=False)
class TimedOut:
    """Whether nobody has answered a wait in time."""

    node: Node[Any]


@attrs.frozen(eq=False)
class InputOf:
    """What a flow was started or called with."""

    flow_id: str
    type: Any


@attrs.frozen(eq=False)
class ValueOf:
    """A context value as it stands."""

    value: ContextValue[Any]


@attrs.frozen(eq=False)
class Provided:
    """What the runtime was given for all steps."""

    type: Any


@attrs.frozen(eq=False)
class FirstOf:
    """The first of several outputs to be there."""

    terms: tuple[Term, ...]


@attrs.frozen(eq=False)
class Member:
    """A field, or an item, of a value."""

    owner: Term
    key: str | int
    is_field: bool


@attrs.frozen(eq=False)
class Operation:
    """What is computed of other terms."""

    symbol: str
    operands: tuple[Term, ...]


@attrs.frozen(eq=False)
class Constant:
    """A value that is there already."""

    value: Any


Term = OutputOf | TimedOut | InputOf | ValueOf | Provided | FirstOf | Member | Operation | Constant


def root_of(term: Term) -> Term:
    """The term whose members a term is, or itself."""
    while isinstance(term, Member):
        term = term.owner
    return term


def nodes_in(term: Term) -> Iterator[Node[Any]]:
    """The nodes that a term names, each as often as it does."""
    match term:
        case OutputOf(node) | TimedOut(node):
            yield node
        case Member(owner):
            yield from nodes_in(owner)
        case Operation(_, operands) | FirstOf(operands):
            for operand in operands:
                yield from nodes_in(operand)


def shown(term: Term) -> str:
    """A term as a person wrote it, more or less."""
    match term:
        case OutputOf(node, optional):
            return f"{node.id}.{'maybe' if optional else 'output'}"
        case TimedOut(node):
            return f"{node.id}.timed_out"
        case InputOf(flow_id):
            return f"the input of flow {flow_id!r}"
        case ValueOf(value):
            return f"context value {value.name!r}"
        case Provided():
            return "dependencies"
        case FirstOf(terms):
            return f"first_of({', '.join(map(shown, terms))})"
        case Member(owner, key, is_field):
            return f"{shown(owner)}.{key}" if is_field else f"{shown(owner)}[{key!r}]"
        case Operation(symbol, operands):
            return f" {symbol} ".join(map(shown, operands)) if len(operands) > 1 else f"{symbol}({shown(operands[0])})"
        case Constant(value):
            return repr(value)


# --- expressions ------------------------------------------------------------------------------------------------------


def render(term: Term, deciding: Node[Any] | None = None, *, at: str = "result.output") -> str:
    """A term as an expression of the blueprint's language.

    Args:
        term: The term.
        deciding: The node whose result the expression is evaluated on; what else it names must have come before.
        at: How that node's output is named.

    Raises:
        ConfigurationError: It cannot be said in that language.
    """
    match term:
        case OutputOf(node):
            return at if node is deciding else f"context[{json.dumps(node.id)}]"
        case TimedOut(node):
            if node is not deciding:
                raise ConfigurationError(
                    f"{shown(term)} can be asked only right after the wait: let the step come after {node.id!r} alone"
                )
            return '(result.action == "timeout")'
        case InputOf():
            return f'context["{INPUT}"]'
        case ValueOf(value):
            return f"context[{json.dumps(value.name)}]"
        case Member(owner, key):
            inside = render(owner, deciding, at=at)
            return f"{inside}.{key}" if isinstance(key, str) and key.isidentifier() else f"{inside}[{json.dumps(key)}]"
        case Operation(symbol, operands):
            parts = [render(operand, deciding, at=at) for operand in operands]
            return f"({f' {symbol} '.join(parts)})" if len(parts) > 1 else f"{symbol}({parts[0]})"
        case Constant(value):
            return _constant(value)
        case Provided() | FirstOf():
            raise ConfigurationError(
                f"{shown(term)} can be handed to a step, but no condition can look at it: look at it in a step, and "
                "let the condition look at that step's output"
            )


def _constant(value: Any) -> str:
    if isinstance(value, enum.Enum) and isinstance(value, (str, int)):
        value = value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_constant, value))}]"
    raise ConfigurationError(
        f"a condition compares with text, numbers, booleans, None and lists of those, not with {value!r:.80}: "
        "compare in a step"
    )


# --- references: what a user has in hand ------------------------------------------------------------------------------


class Reference:
    """Stands for a value that is not there yet. Members and comparisons give further references."""

    __slots__ = ("_term",)

    def __init__(self, term: Term) -> None:
        object.__setattr__(self, "_term", term)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{shown(self._term)} stands for a value that is not there yet, and has no {name!r}")
        return Reference(Member(self._term, name, is_field=True))

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            self._refuse(f"[{key!r}]")
        return Reference(Member(self._term, key, is_field=False))

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigurationError(
            f"{shown(self._term)} stands for a value that is not there yet, so {what} cannot be done with it while the "
            "flow is described: do it in a step. In conditions write & for and, | for or, unless= for not"
        )

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse(f"setting {name!r}")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never does
        self._refuse("a decision (if, and, or, not, in)")

    def __iter__(self) -> Iterator[Any]:
        self._refuse("a loop over it")

    def __len__(self) -> int:  # noqa: PLE0303 - it never does
        self._refuse("len()")

    def __call__(self, *_args: Any, **_named: Any) -> Any:
        """Refuse a call."""
        self._refuse("a call")

    def __contains__(self, item: object) -> bool:
        self._refuse(f"{item!r} in it")

    def __format__(self, spec: str) -> str:
        self._refuse("formatting")

    def __repr__(self) -> str:
        return f"<{shown(self._term)}>"

    __hash__ = object.__hash__


def _binary(symbol: str, *, is_reversed: bool = False) -> Callable[[Reference, object], Any]:
    def operate(self: Reference, other: object) -> Any:
        operands = (self._term, term_of(other))
        return Reference(Operation(symbol, operands[::-1] if is_reversed else operands))

    return operate


for _name, _symbol in {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&&", "or": "||",
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
}.items():  # fmt: skip
    setattr(Reference, f"__{_name}__", _binary(_symbol))
    if _name in ("and", "or", "add", "sub", "mul", "truediv", "floordiv", "mod"):
        setattr(Reference, f"__r{_name}__", _binary(_symbol, is_reversed=True))


def term_of(value: object) -> Term:
    """The term that a reference is made of; a constant for anything else."""
    return cast(Term, object.__getattribute__(value, "_term")) if isinstance(value, Reference) else Constant(value)


def negated(value: object) -> Term:
    """That a condition does not hold."""
    return Operation("!", (term_of(value),))


class ContextValue(Generic[T]):
    """A context value of a flow, by one object instead of its name in many places.

    Attributes:
        name: Under which the run keeps it.
        type: What it is.
        default: What a step gets while nobody has set it.
    """

    def __init__(self, name: str, type_: type[T], default: T) -> None:
        self.name = name
        self.type = type_
        self.default = default

    @property
    def value(self) -> T:
        """The value as it stands when a step begins, as a need of a step or in a condition."""
        return cast(T, Reference(ValueOf(self)))

    def set(self, ctx: BaseContext[Any, Any], value: T) -> None:
        """Set it, from inside of a step; it becomes part of the step's outcome.

        Raises:
            SerializationError: The value cannot be stored.
        """
        ctx._values.put(self.name, value)

    def __repr__(self) -> str:
        return f"ContextValue({self.name!r})"


@overload
def first_of(one: T1, two: T2, /) -> T1 | T2: ...
@overload
def first_of(one: T1, two: T2, three: T3, /) -> T1 | T2 | T3: ...
@overload
def first_of(one: T1, two: T2, three: T3, four: T4, /) -> T1 | T2 | T3 | T4: ...
@overload
def first_of(*outputs: T) -> T: ...
def first_of(*outputs: Any) -> Any:
    """The first of some outputs to be there: of a race the winner, of branches that exclude each other the one taken.

    Args:
        outputs: Outputs of steps, such as ``first_of(post.output, freight.output)``.

    Raises:
        ConfigurationError: One of them is none.
    """
    terms = tuple(term_of(output) for output in outputs)
    for term in terms:
        if not isinstance(root_of(term), OutputOf):
            raise ConfigurationError(
                f"first_of takes outputs of steps, as in first_of(a.output, b.output), not {shown(term)}"
            )
    if len(terms) < 2:
        raise ConfigurationError("first_of takes two outputs at least")
    return Reference(FirstOf(terms))

"""Terms: what references are made of, and how they are said in the blueprint's expressions."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .nodes import Node
    from .references import ContextValue

#: The context value that a run's input is kept under; a called flow finds the call's input under it.
INPUT = "input"


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
    """What the runtime was given for a type; by an annotation, or by a member of what ``flow.dependencies`` gives."""

    type: Any
    is_asked: bool = False


@attrs.frozen(eq=False)
class FirstOf:
    """The first of several outputs to be there; or the first so many, by the ids of the nodes that they are of."""

    terms: tuple[Term, ...]
    number: int | None = None


@attrs.frozen(eq=False)
class ItemOf:
    """A batch's item, for what undoes its worker."""


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


Term = OutputOf | TimedOut | InputOf | ValueOf | Provided | FirstOf | ItemOf | Member | Operation | Constant


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
        case FirstOf(terms, number):
            said = map(shown, terms)
            return f"first_of({', '.join(said)})" if number is None else f"some_of({number}, {', '.join(said)})"
        case Member(owner, key, is_field):
            return f"{shown(owner)}.{key}" if is_field else f"{shown(owner)}[{key!r}]"
        case Operation(symbol, operands):
            return f" {symbol} ".join(map(shown, operands)) if len(operands) > 1 else f"{symbol}({shown(operands[0])})"
        case Constant(value):
            return repr(value)
        case ItemOf():
            return "the item"


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
            name = json.dumps(value.name)
            if value.default is None:
                return f"context[{name}]"
            return f"({name} in context ? context[{name}] : {_constant(value.default)})"
        case Member(owner, key):
            inside = render(owner, deciding, at=at)
            return f"{inside}.{key}" if isinstance(key, str) and key.isidentifier() else f"{inside}[{json.dumps(key)}]"
        case Operation(symbol, operands):
            parts = [render(operand, deciding, at=at) for operand in operands]
            return f"({f' {symbol} '.join(parts)})" if len(parts) > 1 else f"{symbol}({parts[0]})"
        case Constant(value):
            return _constant(value)
        case Provided() | FirstOf() | ItemOf():
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
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return f"{{{', '.join(f'{json.dumps(key)}: {_constant(each)}' for key, each in value.items())}}}"
    raise ConfigurationError(
        f"a condition compares with text, numbers, booleans, None, and lists and dicts of those, not with "
        f"{value!r:.80}: compare in a step"
    )

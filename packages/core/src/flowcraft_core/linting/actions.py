"""Which actions a step may give, as its code says."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

import attrs

from ..annotations import hints_of
from ..decorated.calls import FunctionCall
from ..steps import BaseNode, NodeResult

# What is no result with an action, whatever it is made of.
_VALUES = (
    ast.Attribute,
    ast.BinOp,
    ast.Compare,
    ast.Constant,
    ast.Dict,
    ast.DictComp,
    ast.GeneratorExp,
    ast.JoinedStr,
    ast.Lambda,
    ast.List,
    ast.ListComp,
    ast.Set,
    ast.SetComp,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@attrs.frozen
class Actions:
    """The actions that a step may give.

    Attributes:
        given: Those that its code names.
        complete: Whether there are no others.
    """

    given: frozenset[str] = frozenset()
    complete: bool = True

    def __or__(self, other: Actions) -> Actions:
        """Those of either."""
        return Actions(self.given | other.given, self.complete and other.complete)


_NONE = Actions()
_ANY = Actions(complete=False)


def actions_of(step: Any) -> Actions:
    """The actions that a step may give."""
    if isinstance(step, FunctionCall):
        step = step.signature.function
    if isinstance(step, type) and issubclass(step, BaseNode):
        own: list[Any] = [step.post if step.post is not BaseNode.post else step.exec]
        own += [step.fallback] if step.fallback is not BaseNode.fallback and step.post is BaseNode.post else []
        return _any(map(_of_function, own))
    return _of_function(step)


def _of_function(function: Any) -> Actions:
    if _gives_a_value(function):
        return _NONE
    tree = tree_of(function)
    if isinstance(tree, ast.Lambda):
        return _Reading(function, []).of(tree.body)
    if tree is None:
        return _ANY
    body = list(_own(tree))
    returned = [node.value for node in body if isinstance(node, ast.Return) and node.value is not None]
    return _any(map(_Reading(function, body).of, returned))


def _gives_a_value(function: Any) -> bool:
    """Whether it is annotated to return what is no ``NodeResult``."""
    given = hints_of(function).get("return", Any)
    while get_origin(given) in (collections.abc.Awaitable, collections.abc.Coroutine):
        given = get_args(given)[-1]
    parts = {get_origin(part) or part for part in (get_args(given) or (given,)) + (given,)}
    return parts.isdisjoint({Any, object, NodeResult})


def tree_of(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """The source of a function, parsed; None where there is none, or it does not say which function it is."""
    if hasattr(function, "__wrapped__"):  # what is around it may give something else
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    if function.__name__ != "<lambda>":
        (first, *_) = tree.body
        return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return lambdas[0] if len(lambdas) == 1 else None  # which of several it is, its source does not say


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, but for those of functions inside of it."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, _INNER):
            yield node
            yield from _own(node)


def _any(actions: Iterable[Actions]) -> Actions:
    found = _NONE
    for each in actions:
        found |= each
    return found


class _Reading:
    """Reads what a function returns."""

    def __init__(self, function: Any, body: list[ast.AST]) -> None:
        self._globals = getattr(function, "__globals__", {})
        self._parameters = set(function.__code__.co_varnames[: function.__code__.co_argcount])
        self._assigned: dict[str, list[ast.expr]] = {}
        stored = Counter(node.id for node in body if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        for node in body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._assigned.setdefault(target.id, []).append(node.value)
        # Names that get values in other ways, too: by a loop, say.
        self._unclear = {name for name, count in stored.items() if count > len(self._assigned.get(name, ()))}
        self._under_way: set[str] = set()

    def of(self, value: ast.expr) -> Actions:
        """The actions of a value that is returned."""
        match value:
            case ast.Call(func=called) if self._global(called) is NodeResult:
                return self._of_result(value)
            case ast.Call(func=ast.Name(id=name)) if name not in self._globals and hasattr(builtins, name):
                return _NONE
            case ast.IfExp(body=one, orelse=other):
                return self.of(one) | self.of(other)
            case ast.BoolOp(values=values):
                return _any(map(self.of, values))
            case ast.Name(id=name) if name in self._under_way:
                return _NONE
            case ast.Name(id=name) if name in self._assigned and name not in self._unclear:
                self._under_way.add(name)
                found = _any(map(self.of, self._assigned[name]))
                self._under_way.remove(name)
                return found
            case ast.Name(id=name) if name in self._parameters and name not in self._unclear:
                return _NONE
        return _NONE if isinstance(value, _VALUES) else _ANY

    def _of_result(self, call: ast.Call) -> Actions:
        named = [keyword.value for keyword in call.keywords if keyword.arg == "action"]
        if any(keyword.arg is None for keyword in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
            return _ANY
        given = named or call.args[1:2]
        return _any(map(_constants, given))

    def _global(self, called: ast.expr) -> Any:
        match called:
            case ast.Name(id=name):
                return self._globals.get(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                return getattr(self._globals.get(module), name, None)
        return None


def _constants(value: ast.expr) -> Actions:
    match value:
        case ast.Constant(value=str(action)):
            return Actions(frozenset({action}))
        case ast.Constant(value=None):
            return _NONE
        case ast.IfExp(body=one, orelse=other):
            return _constants(one) | _constants(other)
    return _ANY

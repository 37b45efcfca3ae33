r"""The expression language of conditions and transforms: data in, data out, nothing else.

An edge's ``condition`` and ``transform`` and a loop's ``condition`` are expressions, such as ``count < 5``,
``result.output.ok && !input.draft`` or ``{"id": input.user.id}``. A blueprint may come from the TypeScript builder
or from Python, so both spellings are read. Expressions only look at data: there are no calls, no attributes of Python
objects, no assignments and no comprehensions, so an expression by an untrusted author reaches nothing but its scope.

================  ==============================================  ===================================================
What              Spelling                                        Meaning
================  ==============================================  ===================================================
constants         ``1`` ``1.5e3`` ``"a"`` ``'a'`` ``true``        ``null``, ``undefined`` and ``None`` are one value;
                  ``True`` ``null`` ``undefined`` ``None``        escapes in strings are ``\\ \" \' \/ \n \r \t \b
                  ``[a, b]`` ``{"key": a}``                       \f \v \xHH \uHHHH``
names             ``count`` ``result`` ``input`` ``context``      the scope's value, ``None`` if it has none
members           ``a.b`` ``a["b"]`` ``a[i]`` ``a?.b``            ``a.b`` is ``a["b"]``; see below
logic             ``&&`` ``and``, ``||`` ``or``, ``!`` ``not``,   ``a || b`` gives an operand; the truth is Python's,
                  ``??``, ``c ? a : b``, ``a if c else b``        so ``[]`` and ``{}`` are false
equality          ``==`` ``!=``                                   by value, without conversion: ``1 != "1"``
strict equality   ``===`` ``!==`` ``is`` ``is not``               the same, but ``1 !== true``
order             ``<`` ``<=`` ``>`` ``>=``                       numbers, strings, dates; false if a side is ``None``
membership        ``in`` ``not in``                               Python's: a value of a list or set, a key of a
                                                                  mapping, a part of a string
arithmetic        ``+ - * / % //``, unary ``-``                   numbers, as in Python; ``+`` also joins two strings
================  ==============================================  ===================================================

Operators bind as they do in both languages: ``!a == b`` is ``(!a) == b``, and ``not a == b`` is ``not (a == b)``.

A **member** of a mapping is the value under that key; of a list or string, the item at that index or its ``length``;
of an attrs or dataclass instance, a named tuple or a pydantic model, a declared field without a leading underscore; of
a member of an enum, its ``name`` and ``value``. Properties are none: no code runs. Whatever does not exist is ``None``,
and so is a member of ``None``. Keys are not converted: ``a[1]`` is not ``a["1"]``.

**Refused, since the languages read it differently**: ``a < b < c`` (write ``a < b and b < c``), ``{key: 1}`` (quote the
key), ``(a, b)`` and ``{a, b}`` (write a list), a negative index (write ``a[a.length - 1]``), arithmetic on anything but
numbers, and the names ``NaN`` and ``Infinity``. Refused as well: names that begin with two underscores; as a key,
``a["__x"]``, they are data.

**Not as in JavaScript**: ``[]`` and ``{}`` are false, lists and mappings are equal by value, ``==`` does not convert,
``null < 1`` is false, ``-1 % 3`` is 2, ``//`` divides, ``in`` looks for values of a list. **Not as in Python**: ``is``
compares values, ``None < 1`` is false, a mapping has no methods.

**Bounds.** When compiled: 1,000 characters, 250 tokens, 32 levels of nesting. When evaluated: arithmetic stays with
whole numbers below 2**63 and finite decimals, joined strings within 100,000 characters. An evaluation is thus at most
some 250 steps, and the longest step looks once through a value of the scope, to compare it or to search it.

Operators take data only: ``None``, booleans, numbers, strings, bytes, dates and times, UUIDs, enums, lists, tuples,
sets and mappings; ``==`` takes records too. The only code of the application that can run is what
its own classes define for equality, order, hashing, truth and fields. A value may be a part of the scope, not a copy.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

import attrs

from ..errors import ExpressionError, FlowcraftError
from ._evaluation import evaluate
from ._grammar import parse
from ._tokens import shortened

__all__ = ["Expression", "compile_expression"]

_ROOTS = frozenset({"result", "input", "context"})


@attrs.frozen
class Expression:
    """A compiled expression: immutable, and shared freely by threads.

    Attributes:
        source: The text it was compiled from.
        names: The bare names it reads, such as ``result``, ``context`` or ``count``.
        context_names: The context values it can read: its bare names other than ``result``, ``input`` and
            ``context``, and the keys it takes from ``context``. None if a key is known only when it is evaluated
            (``context[input.key]``, or ``context`` on its own).
    """

    source: str
    names: frozenset[str]
    context_names: frozenset[str] | None
    _tree: ast.expr = attrs.field(repr=False, eq=False)

    @property
    def paths(self) -> frozenset[tuple[str | int, ...]]:
        """The members that it takes, as far as it says which: of ``a.b[0]`` ``("a", "b")`` and ``("a", "b", 0)``."""
        paths = (_path(node) for node in ast.walk(self._tree) if isinstance(node, ast.Subscript))
        return frozenset(path for path in paths if path is not None)

    def evaluate(self, scope: Mapping[str, object]) -> object:
        """Give the value of the expression.

        Args:
            scope: The values of the bare names. Only those that the evaluation comes to are looked up.

        Raises:
            ExpressionError: The data does not fit the expression. Errors that the scope raises of its own, if they
                are Flowcraft's, pass unchanged.
        """
        try:
            return evaluate(self._tree, scope)
        except FlowcraftError:
            raise
        # Data is the application's: its classes may raise anything when compared or asked for their truth.
        except Exception as error:
            raise ExpressionError(
                f"expression {shortened(self.source)} failed on its data: {error} ({type(error).__name__}); "
                "let it check the data first, or compute the value in a step"
            ) from error


def _path(node: ast.expr) -> tuple[str | int, ...] | None:
    keys: list[str | int] = []
    while isinstance(node, ast.Subscript):
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, (str, int)):
            return None
        keys.append(node.slice.value)
        node = node.value
    return (node.id, *reversed(keys)) if isinstance(node, ast.Name) else None


def compile_expression(source: str) -> Expression:
    """Compile the text of an expression; the last 1,024 different texts are kept.

    Raises:
        ExpressionError: The text is malformed, beyond a bound or not part of the language; the message names the
            expression, the place and the remedy.
    """
    if not isinstance(source, str):
        raise ExpressionError(f"an expression is a string, not {type(source).__name__}; write it in quotes")
    return _compile(source)


@lru_cache(maxsize=1024)
def _compile(source: str) -> Expression:
    tree = parse(source)
    nodes = list(ast.walk(tree))
    names = frozenset(node.id for node in nodes if isinstance(node, ast.Name))
    return Expression(source, names, _context_names(nodes, names), tree)


def _context_names(nodes: list[ast.AST], names: frozenset[str]) -> frozenset[str] | None:
    keys: set[str] = set()
    unexplained = sum(isinstance(node, ast.Name) and node.id == "context" for node in nodes)
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id="context"), slice=ast.Constant(value=str(key))):
                keys.add(key)
                unexplained -= 1
    return None if unexplained else (names - _ROOTS) | keys

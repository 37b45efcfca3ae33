"""From text to tree: the one grammar behind the JavaScript and the Python spelling of an expression.

The grammar is written out, rather than translated to Python text and parsed as such, because the languages bind the
same operators differently (``!a == b``), and because a tree then holds only what this module can build. What it does
not build, such as a call or an attribute, does not exist. The tree is made of `ast` nodes, which `_evaluation` walks.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..errors import ExpressionError
from ._tokens import Token, refusal, tokenize

MAX_NESTING = 32

_T = TypeVar("_T")

_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "null": None, "undefined": None, "None": None}


class Coalesce(ast.boolop):
    """The operator ``??``, which Python lacks."""


# How tightly operators bind, loosest first.
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN = range(1, 8)
_LEVELS: dict[int, dict[str, type[ast.boolop | ast.cmpop | ast.operator]]] = {
    _OR: {"||": ast.Or, "or": ast.Or, "??": Coalesce},
    _AND: {"&&": ast.And, "and": ast.And},
    _COMPARISON: {
        "==": ast.Eq,
        "!=": ast.NotEq,
        "===": ast.Is,
        "is": ast.Is,
        "!==": ast.IsNot,
        "is not": ast.IsNot,
        "<": ast.Lt,
        "<=": ast.LtE,
        ">": ast.Gt,
        ">=": ast.GtE,
        "in": ast.In,
        "not in": ast.NotIn,
    },
    _SUM: {"+": ast.Add, "-": ast.Sub},
    _PRODUCT: {"*": ast.Mult, "/": ast.Div, "%": ast.Mod, "//": ast.FloorDiv},
}
_INFIX = {text: (level, operator) for level, symbols in _LEVELS.items() for text, operator in symbols.items()}
_PREFIX: dict[str, tuple[int, type[ast.unaryop]]] = {
    "not": (_NOT, ast.Not),
    "!": (_SIGN, ast.Not),
    "-": (_SIGN, ast.USub),
}
_NEVER_NAMES = frozenset({"and", "or", "not", "in", "is", "if", "else", "NaN", "Infinity"})


def parse(source: str) -> ast.expr:
    """Parse an expression.

    Raises:
        ExpressionError: The text is malformed, beyond a bound or not part of the language.
    """
    return _Parser(source).whole()


class _Parser:
    """Recursive descent with operator precedence; each method reads one construct and leaves the next token ahead."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._position = 0
        self._nesting = 0

    def whole(self) -> ast.expr:
        tree = self._expression()
        self._expect("", "an operator or the end")
        return tree

    def _expression(self) -> ast.expr:
        with self._nested():
            chosen = self._operation(_OR)
            if self._accept("?"):
                body = self._expression()
                self._expect(":", "':' and the other choice")
                return ast.IfExp(test=chosen, body=body, orelse=self._expression())
            if self._accept("if"):
                test = self._operation(_OR)
                self._expect("else", "'else' and the other choice")
                return ast.IfExp(test=test, body=chosen, orelse=self._expression())
            return chosen

    def _operation(self, loosest: int) -> ast.expr:
        left = self._operand(loosest)
        compared = False
        while True:
            token = self._ahead
            level, operator = _INFIX.get(token.text, (0, ast.Or))
            if level < loosest:
                return left
            if level == _COMPARISON and compared:
                raise self._refused(token, "comparisons do not chain; write 'a < b and b < c', or use parentheses")
            compared = level == _COMPARISON
            self._position += 1
            right = self._operation(level + 1)
            if issubclass(operator, ast.boolop):
                left = ast.BoolOp(op=operator(), values=[left, right])
            elif issubclass(operator, ast.cmpop):
                left = ast.Compare(left=left, ops=[operator()], comparators=[right])
            else:
                left = ast.BinOp(left=left, op=operator(), right=right)

    def _operand(self, loosest: int) -> ast.expr:
        level, operator = _PREFIX.get(self._ahead.text, (0, ast.Not))
        if level < loosest:
            return self._with_members(self._value())
        self._position += 1
        with self._nested():
            return ast.UnaryOp(op=operator(), operand=self._operation(level))

    def _with_members(self, owner: ast.expr) -> ast.expr:
        while True:
            optional = self._accept("?.")  # no different from ".": a member of None is None
            if self._accept("["):
                owner = ast.Subscript(value=owner, slice=self._expression())
                self._expect("]", "']'")
            elif optional or self._accept("."):
                name = self._advance()
                if name.kind != "word":
                    raise self._refused(name, f"expected the name of a member, found {name}")
                owner = ast.Subscript(value=owner, slice=ast.Constant(self._plain_name(name)))
            elif self._ahead.text == "(":
                raise self._refused(self._ahead, "nothing can be called; compute the value in a step")
            else:
                return owner

    def _value(self) -> ast.expr:
        token = self._advance()
        match token.kind, token.text:
            case (("number" | "string"), _):
                return ast.Constant(token.value)
            case "word", text if text in _CONSTANTS:
                return ast.Constant(_CONSTANTS[text])
            case "word", text if text not in _NEVER_NAMES:
                return ast.Name(id=self._plain_name(token))
            case _, "(":
                inner = self._expression()
                self._expect(")", "')' (a list is written in brackets)")
                return inner
            case _, "[":
                return ast.List(elts=self._until("]", self._expression))
            case _, "{":
                entries = self._until("}", self._entry)
                return ast.Dict(keys=[key for key, _ in entries], values=[value for _, value in entries])
        raise self._refused(token, f"expected a value, found {token}")

    def _until(self, end: str, item: Callable[[], _T]) -> list[_T]:
        items: list[_T] = []
        while not self._accept(end):
            items.append(item())
            if not self._accept(","):
                self._expect(end, f"',' or {end!r}")
                break
        return items

    def _entry(self) -> tuple[ast.expr, ast.expr]:
        key = self._advance()
        if key.kind != "string":
            raise self._refused(key, f'expected a key in quotes, as in {{"key": 1}}, found {key}')
        self._expect(":", "':' and a value (a list is written in brackets)")
        return ast.Constant(key.value), self._expression()

    def _plain_name(self, token: Token) -> str:
        if token.text.startswith("__"):
            raise self._refused(token, f'{token.text} begins with "__"; a key of that name is read as a["__key"]')
        return token.text

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._refused(self._ahead, f"nested more than {MAX_NESTING} deep; compute a part of it in a step")
        yield
        self._nesting -= 1

    @property
    def _ahead(self) -> Token:
        return self._tokens[self._position]

    def _advance(self) -> Token:
        token = self._ahead
        if token.kind != "end":
            self._position += 1
        return token

    def _accept(self, text: str) -> bool:
        accepted = self._ahead.text == text
        self._position += accepted
        return accepted

    def _expect(self, text: str, wanted: str) -> None:
        token = self._advance()
        if token.text != text:
            raise self._refused(token, f"expected {wanted}, found {token}")

    def _refused(self, token: Token, problem: str) -> ExpressionError:
        return refusal(self._source, token.at, problem)

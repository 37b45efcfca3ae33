"""From text to tokens: what numbers, strings, names and marks look like, and how much of them there may be."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import NamedTuple

from ..errors import ExpressionError

MAX_CHARACTERS = 1_000
MAX_TOKENS = 250

# Possessive throughout, so that no text can make the matching go back over what it has read.
_TOKEN = re.compile(
    r"""
      (?P<space>  [ \t\r\n]++ )
    | (?P<number> (?: (?: 0 | [1-9][0-9]*+ ) (?: \.[0-9]*+ )?+ | \.[0-9]++ ) (?: [eE][+-]?+[0-9]++ )?+ )
    | (?P<string> "(?: [^"\\\r\n] | \\. )*+" | '(?: [^'\\\r\n] | \\. )*+' )
    | (?P<mark>   (?: not [ \t\r\n]++ in | is [ \t\r\n]++ not ) (?![\w$])
                | [=!]==?+ | [<>]=?+ | && | \|\| | \?\? | \?\.(?![0-9]) | // | [-+*/%!?:.,(){}\[\]] )
    | (?P<word>   (?: [^\W\d] | \$ ) [\w$]*+ )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "/": "/", "\\": "\\", '"': '"', "'": "'"}


class Token(NamedTuple):
    """A token of an expression.

    Attributes:
        kind: "number", "string", "word", "mark" or, after the last, "end".
        text: As written, quotes included; operators of two words with one space between them.
        at: Where it begins, characters from the start.
        value: What a number or string stands for.
    """

    kind: str
    text: str
    at: int
    value: int | float | str | None = None

    def __str__(self) -> str:
        return repr(self.text) if self.text else "the end"


def tokenize(source: str) -> list[Token]:
    """Split an expression into tokens.

    Raises:
        ExpressionError: A character or literal is not part of the language, or there is too much of them.
    """
    if len(source) > MAX_CHARACTERS:
        raise refusal(source, MAX_CHARACTERS, f"more than {MAX_CHARACTERS} characters; compute the value in a step")
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        text = found[0] if found else source[at]
        match found.lastgroup if found else "unknown":
            case "number":
                tokens.append(Token("number", text, at, _number(source, at, text)))
            case "string":
                tokens.append(Token("string", text, at, _string(source, at, text)))
            case "word":
                tokens.append(Token("word", text, at))
            case "mark":
                tokens.append(Token("mark", " ".join(text.split()), at))
            case "unknown":
                what = (
                    "begins a string that does not end on its line" if text in "\"'" else "is not part of the language"
                )
                raise refusal(source, at, f"{text!r} {what}; flowcraft_core.expressions says what is")
        at += len(text)
    if len(tokens) > MAX_TOKENS:
        raise refusal(source, tokens[MAX_TOKENS].at, f"more than {MAX_TOKENS} tokens; compute the value in a step")
    return [*tokens, Token("end", "", at)]


def refusal(source: str, at: int, problem: str) -> ExpressionError:
    """The error for a problem at a place of an expression."""
    return ExpressionError(f"expression {shortened(source)}, character {at + 1}: {problem}")


def shortened(source: str) -> str:
    """The expression in quotes, cut to a length that suits a message."""
    return repr(source if len(source) <= 80 else source[:77] + "...")


def within_bound(number: int | float | Decimal) -> bool:
    """Whether expressions may use a number: a whole one below 2**63, or any other that is finite."""
    bound = 2**63 if isinstance(number, int) else math.inf
    return -bound < number < bound


def _number(source: str, at: int, text: str) -> int | float:
    number = int(text) if text.isdigit() else float(text)
    if not within_bound(number):
        raise refusal(source, at, "too large; whole numbers are below 2**63, decimals below 1e308")
    return number


def _string(source: str, at: int, text: str) -> str:
    def unescaped(found: re.Match[str]) -> str:
        digits = found[1] or found[2]
        character = chr(int(digits, 16)) if digits else _ESCAPED.get(found[3])
        if character is None:
            raise refusal(source, at, f"{found[0]} is not an escape of the language; write the character itself")
        return character

    value = _ESCAPE.sub(unescaped, text[1:-1])
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise refusal(source, at, "half of a surrogate pair is not a character; write the character itself")
    return value

"""Expressions that mean harm, what must become of each, and a program that tries them all.

Run as a program, it limits its own memory and processor time, tries every case, and prints one line of JSON for each.
With the argument ``permissive`` it tries them on a language that accepts everything, to show that the cases can fail.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import attrs
from flowcraft_core.errors import ExpressionError
from flowcraft_core.expressions import compile_expression

MEMORY_BYTES = 256 * 1024**2
PROCESSOR_SECONDS = 20

# Refused when compiled.
REFUSED: dict[str, list[str]] = {
    "ways out through attributes": [
        "().__class__.__mro__",
        "().__class__.__bases__[0].__subclasses__()",
        "''.__class__.__mro__[1].__subclasses__()",
        "result.__class__",
        "result.__class__.__init__.__globals__",
        "context.__init__.__globals__",
        "context.__dict__",
        "input.__reduce_ex__(2)",
        "items.__len__",
        "work.__code__.co_consts",
        "work.__globals__['__builtins__']",
        "__builtins__",
        "__import__('os')",
        "__name__",
        "result?.__class__",
        "result . __class__",
        "result.\n__class__",
    ],
    "calls": [
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "getattr(result, '__class__')",
        "globals()",
        "breakpoint()",
        "work()",
        "(work)()",
        "[work][0]()",
        "items.append(1)",
        "context.clear()",
        "context.get('a')",
        "context['clear']()",
        "'{0.__class__}'.format(result)",
        "'a'.join(items)",
        "text.encode()",
        "'x'.repeat(1e9)",
        "items.constructor.constructor('return process')()",
        "result?.(1)",
        "new Function('return 1')()",
        "require('child_process')",
        "import('os')",
        "print`x`",
    ],
    "formats and templates": [
        "f'{result.__class__}'",
        'f"{9**9**9}"',
        "rb'x'",
        "`${process.env}`",
        "'%1000000000d' %",
        "'''a'''",
        "'a' 'b'",
    ],
    "powers, shifts and bits": [
        "9**9**9**9",
        "2 ** 100000",
        "1 << 1000000000",
        "1 >> -1",
        "1 >>> 0",
        "[0]*9**9",
        "~1",
        "1 | 2",
        "1 & 2",
        "1 ^ 2",
        "items @ items",
    ],
    "comprehensions, functions and assignments": [
        "[x for x in items]",
        "[[y for y in items] for x in items]",
        "{x: x for x in items}",
        "(x for x in items)",
        "{x for x in items}",
        "lambda: 1",
        "(lambda f: f(f))(lambda f: f(f))",
        "() => 1",
        "function() { while (true) {} }",
        "(x := 9)",
        "count = 1",
        "count += 1",
        "count++",
        "context.a = 1",
        "context['a'] = 1",
        "delete context.a",
        "await result",
        "yield 1",
        "(yield from items)",
        "[*items, *items]",
        "{**context}",
        "{...context}",
        "[...items]",
        "typeof result",
        "void 0",
        "new Date",
    ],
    "statements": [
        "import os",
        "from os import system",
        "del context",
        "return 1",
        "assert False",
        "raise ValueError",
        "global count",
        "while True: pass",
        "for (;;) {}",
        "1; 2",
        "1\n2",
        "@count",
        "pass;",
        "match count: pass",
        "with open('x'): pass",
    ],
    "text that is not what it seems": [
        "",
        " \n\t ",
        "\0",
        "1\0",
        "count # comment",
        "count \\\n + 1",
        "count /* comment */",
        "\ufeffcount",
        "count\u00a0+\u00a01",
        "count\u2028+ 1",
        "count\u200b",
        "\u202ecount",
        "result.__\uff43\uff4c\uff41\uff53\uff53__",
        "result.\uff3f\uff3fclass\uff3f\uff3f",
        "__\U0001d41c\U0001d425\U0001d41a\U0001d42c\U0001d42c__",
        "\ud800",
        "'\ud800'",
        "'\\ud83d'",
        "'\\N{LATIN SMALL LETTER A}'",
        "'\\101'",
        "'\\",
        "'",
        '"abc',
        "'a\nb'",
        "count \uff1c 5",
        "count\u037e",
        "\u0661 + 1",
        "1_000",
        "0x7f",
        "010",
        "1j",
        "10n",
    ],
    "too much of it": [
        "(" * 10_000 + "1" + ")" * 10_000,
        "(" * 10_000,
        "(" * 400 + "1" + ")" * 400,
        "(" * 100 + "1" + ")" * 100,
        "[" * 10_000 + "]" * 10_000,
        "[" * 100 + "]" * 100,
        "{'a':" * 10_000 + "1" + "}" * 10_000,
        "{'a':" * 50 + "1" + "}" * 50,
        "not " * 10_000 + "count",
        "not " * 200 + "count",
        "-" * 10_000 + "1",
        "-" * 200 + "1",
        "!" * 10_000 + "count",
        "!" * 200 + "count",
        "!-" * 100 + "count",
        "count" + "[0" * 100 + "]" * 100,
        "count" + "[0]" * 300,
        "result" + ".a" * 5_000,
        "result" + ".a" * 250,
        "1" * 10_000,
        "1" * 900,
        "9223372036854775808",
        "1e999",
        "1e" + "9" * 900,
        "'" + "a" * 10_000_000 + "'",
        "'" + "\\" * 999,
        " " * 100_000 + "1",
        " + ".join(["count"] * 5_000),
        "+".join(["a"] * 200),
        "count < " * 5_000 + "5",
        "1 < 2 < 3",
        "1 < 2 == 2",
        "1 == 1 == 1",
        "1 in [1] in [[1]]",
        "1 ? 2 : " * 2_000 + "3",
        "1 ? " * 60 + "2" + " : 3" * 60,
        "1 ? " * 125 + "2",
        "1 if 1 else " * 500 + "2",
        "a or " * 500 + "a",
        "[" + "1," * 5_000 + "]",
        "{" + "'a':1," * 200 + "}",
        "{1, 2}",
        "{" + ",".join(["items"] * 100) + "}",
        "{[1]: 2}",
        "{result: 1}",
        "(1, 2)",
        "(" + "1," * 120 + ")",
    ],
}

# Compiled, but refused on the data.
FAILING: dict[str, list[str]] = {
    "repetition": [
        "'a' * 1000000000",
        "1000000000 * 'a'",
        "[0] * 1000000000",
        "items * 2",
        "text * count",
        "{'a': 1} * 2",
        "true * 'a'",
    ],
    "growth": [
        "text + text",
        "long + 'a' + long",
        "items + items",
        "4611686018427387904 * 2",
        "9223372036854775807 + 1",
        "-9223372036854775807 - 2",
        "3037000500 * 3037000500",
        "1e308 * 10",
        "0 - 1e308 - 1e308",
        "huge * 1",
        "huge % 7",
        "huge / 3",
        "infinite - infinite",
    ],
    "formats": ["'%1000000000d' % 1", "'%s' % result", "'%(a)s' % context", "text % items"],
    "operands that are no data": [
        "work == 1",
        "module == module",
        "module + 1",
        "spiteful == 1",
        "1 === spiteful",
        "spiteful < 1",
        "spiteful in items",
        "1 in spiteful",
        "-spiteful",
        "!spiteful",
        "spiteful && 1",
        "spiteful ? 1 : 2",
        "context[spiteful]",
        "context[items]",
        "context[context]",
        "items < items",
        "context < 1",
        "1 < 'a'",
        "1 + 'a'",
        "null + 1",
        "1 in null",
        "[] in context",
        "endless == also_endless",
        "broken.secret == 1",
        "broken.field",
    ],
    "sums without a result": ["1 / 0", "1 // 0", "1 % 0", "1.5 % 0", "items[-1]", "text[0 - 5]"],
}

# Compiled and evaluated, and no harm done.
HARMLESS: dict[str, object] = {
    "context['__class__']": None,
    "result['__class__']": None,
    "result['__dict__']['secret']": None,
    "items['__len__']": None,
    "context['__init__']['__globals__']": None,
    "context['__proto__']": None,
    "context.constructor": None,
    "items.constructor.prototype": None,
    "items.append": None,
    "text.format": None,
    "text.encode": None,
    "context.get": None,
    "context.clear": None,
    "result._secret": None,
    "result['_secret']": None,
    "result.spend": None,
    "result.balance": None,
    "plain._hidden": None,
    "plain.shared": None,
    "work.func_globals": None,
    "work.gi_frame": None,
    "module.path": None,
    "module['modules']": None,
    "spiteful.anything": None,
    "eval": None,
    "exec": None,
    "open": None,
    "process.env": None,
    "globalThis.process": None,
    "yield": None,
    "lambda": None,
    "mro": None,
    "'{0.__class__.__init__.__globals__}'": "{0.__class__.__init__.__globals__}",
    "'__import__(\"os\")'": '__import__("os")',
    "'a && b' === 'a and b'": False,
    "'\\x5f\\x5fclass\\x5f\\x5f'": "__class__",
    "result['\\x5f\\x5fclass\\x5f\\x5f']": None,
    "result['\\u005f_class__']": None,
    "r\u0435sult": None,  # the second letter is Cyrillic
    "\uff43ontext": None,  # a fullwidth letter, which Python would take for "context"
    "infinite < 1": False,
    "null < 1": False,
    "null.a.b.c": None,
    "items[99999999999]": None,
    "items[1e300]": None,
    "items['0']": None,
    "text['length']": 60_000,
    "many.length": 1_000_000,
    "1000001 in many": False,
    "many == many": True,
    "[many, many, many, many].length": 4,
    "endless[0][0][0].length": 1,
    "'" + "a" * 900 + "' == 1": False,
    "1" + " + 1" * 100: 101,
    "(" * 30 + "1" + ")" * 30: 1,
    "!" * 30 + "true": True,
    "a" * 1_000: None,
    "a.b" + ".c" * 120: None,
    "[" + "text," * 120 + "].length": 120,
}


class Spiteful:
    """An object of the application whose every operator fails."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("an operator of a foreign object ran")

    __eq__ = __lt__ = __add__ = __neg__ = __contains__ = __hash__ = __bool__ = __len__ = _fail


@attrs.define
class Account:
    """An attrs class with more than its fields to it."""

    name: str = "Ada"
    _secret: str = "hidden"

    def spend(self) -> str:
        """Do what an expression must not be able to."""
        raise AssertionError("a method ran")

    @property
    def balance(self) -> int:
        """Compute what is not a field."""
        raise AssertionError("a property ran")


@dataclasses.dataclass
class Plain:
    """A dataclass with more than its fields to it."""

    name: str = "Ada"
    _hidden: str = "hidden"
    shared = "not a field"


class Broken:
    """A scope's own mistake: a mapping that fails when it is read."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("reading failed")


def bait() -> dict[str, object]:
    """A scope with everything that a hostile expression could wish for."""
    endless: list[object] = []
    endless.append(endless)
    also_endless: list[object] = []
    also_endless.append(also_endless)
    return {
        "context": {"a": 1, "key": "a"},
        "input": {"user": {"name": "Ada"}},
        "result": Account(),
        "plain": Plain(),
        "spiteful": Spiteful(),
        "broken": Broken(),
        "work": bait,
        "module": sys,
        "items": [1, 2, 3],
        "many": list(range(1_000_000)),
        "endless": endless,
        "also_endless": also_endless,
        "text": "x" * 60_000,
        "long": "x" * 50_000,
        "count": 3,
        "huge": 10**100_000,
        "infinite": float("inf"),
    }


class Case(NamedTuple):
    """A hostile expression and what must become of it: "refused", "fails", or "gives" and a value."""

    group: str
    expression: str
    expected: str


class Outcome(NamedTuple):
    """What became of a case, and how long that took."""

    group: str
    expression: str
    expected: str
    actual: str
    seconds: float


class Compiled(Protocol):
    """What a language makes of an expression."""

    def evaluate(self, scope: Mapping[str, object]) -> object:
        """Give its value."""


class Permissive:
    """A language that takes anything for true, to show that the cases can fail."""

    def evaluate(self, scope: Mapping[str, object]) -> object:
        """Give True, whatever the scope."""
        return True


def cases() -> Iterator[Case]:
    """Every case of the corpus."""
    for group, expressions in REFUSED.items():
        yield from (Case(group, expression, "refused") for expression in expressions)
    for group, expressions in FAILING.items():
        yield from (Case(group, expression, "fails") for expression in expressions)
    yield from (Case("harmless", expression, f"gives {value!r}") for expression, value in HARMLESS.items())


def outcome(case: Case, compile_: Callable[[str], Compiled], scope: Mapping[str, object]) -> Outcome:
    """Try one case."""
    start = time.perf_counter()
    actual = "refused"
    try:
        compiled = compile_(case.expression)
        actual = "fails"
        actual = f"gives {compiled.evaluate(scope)!r}"
    except ExpressionError:
        pass
    except BaseException as error:  # an exit and an exhausted memory are outcomes too
        actual = f"raises {type(error).__name__}"
    seconds = time.perf_counter() - start
    return Outcome(case.group, case.expression[:60], case.expected, actual[:200], seconds)


def main(language: str) -> None:
    """Try every case within the limits and print what became of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    if language == "greedy":
        bytes(MEMORY_BYTES)
    permissive = Permissive()
    scope = bait()
    for case in cases():
        tried = outcome(case, (lambda _: permissive) if language == "permissive" else compile_expression, scope)
        sys.stdout.write(json.dumps(tried._asdict()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")

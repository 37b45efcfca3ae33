"""Measures one file. Pure: source in, plain JSON data out; nothing here knows of flows, files or other files.

The flow and the plain loop that checks it share this module and nothing else.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib.util
import threading
import warnings
from typing import Final, TypedDict

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BRANCHES: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)

#: Some files warn when they are parsed, and to silence that means to change the process's warning filters: one thread
#: at a time. Parsing holds the interpreter's lock anyway.
_parsing = threading.Lock()


class Definition(TypedDict):
    """A function or class: its dotted name in the module, where it begins, its length, and the branches of its own."""

    kind: str
    name: str
    line: int
    lines: int
    branches: int


class Import(TypedDict):
    """An import statement: the leading dots, the module, and the names if it is ``from ... import ...``."""

    level: int
    module: str
    names: list[str]


class Outline(TypedDict):
    """What a module's syntax tree says, in the order of the source; ``branches`` are those outside definitions."""

    definitions: list[Definition]
    imports: list[Import]
    branches: int


class Size(TypedDict):
    """A file in lines; code, comments and blank lines add up to all of them."""

    lines: int
    code: int
    comments: int
    blank: int


def decode(source: bytes) -> str:
    """The text of a source file, in the encoding that it declares.

    Raises:
        SyntaxError: It declares an encoding that does not exist.
        ValueError: Its bytes are not in the encoding that it declares.
    """
    return importlib.util.decode_source(source)


def outline(text: str) -> Outline:
    """Parse a module and keep what the measures need, since a syntax tree cannot travel between steps.

    A branch is an ``if``, a loop, an ``except`` or a ``case``; those inside expressions do not count.

    Raises:
        SyntaxError: It is not Python, or not of this version.
        ValueError: The same, for some texts, such as those with null bytes.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except SystemError:
            # CPython 3.11 miscounts its own depth ("AST constructor recursion depth mismatch") where a garbage
            # collection in the middle runs finalizers. The text is not at fault: once more, with none.
            gc.disable()
            try:
                tree = ast.parse(text)
            finally:
                gc.enable()
    found = Outline(definitions=[], imports=[], branches=0)
    open_nodes: list[tuple[ast.AST, Definition | None]] = [(tree, None)]
    while open_nodes:
        node, inside = open_nodes.pop()
        if isinstance(node, _DEFINITIONS):
            inside = _definition(node, inside)
            found["definitions"].append(inside)
        elif isinstance(node, ast.Import):
            found["imports"] += [Import(level=0, module=alias.name, names=[]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            found["imports"].append(Import(level=node.level, module=node.module or "", names=names))
        elif isinstance(node, _BRANCHES):
            if inside is None:
                found["branches"] += 1
            else:
                inside["branches"] += 1
        for block in _blocks(node._fields):
            open_nodes += [(child, inside) for child in reversed(getattr(node, block))]
    return found


@functools.cache
def _blocks(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a statement's fields that hold other statements, last in the source first.

    The rest is expressions: seven of eight nodes, and nothing in them is measured.
    """
    return tuple(field for field in ("finalbody", "orelse", "cases", "handlers", "body") if field in fields)


def _definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, inside: Definition | None) -> Definition:
    return Definition(
        kind="class" if isinstance(node, ast.ClassDef) else "function",
        name=node.name if inside is None else f"{inside['name']}.{node.name}",
        line=node.lineno,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        branches=0,
    )


def size(text: str) -> Size:
    """Count the lines of a file."""
    lines = [line.strip() for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()  # what follows the last line break is no line
    blank, comments = lines.count(""), sum(line.startswith("#") for line in lines)
    return Size(lines=len(lines), code=len(lines) - blank - comments, comments=comments, blank=blank)


def module_name(path: str) -> str:
    """The dotted name of a module by its path from the library's root: ``json`` for ``json/__init__.py``."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def is_test(path: str) -> bool:
    """Whether a file belongs to the library's tests, by its path from the library's root."""
    return not {"test", "tests", "idle_test"}.isdisjoint(path.split("/")[:-1])


def imported_names(path: str, imports: list[Import]) -> list[str]:
    """The absolute dotted names that a module imports, sorted, each once.

    ``from a import b`` gives ``a.b``, whether ``b`` is a module or something in one.

    Args:
        path: Of the importing module, from the library's root; relative imports start there.
        imports: From its outline.
    """
    package = module_name(path).split(".")
    if not path.endswith("/__init__.py"):
        package.pop()
    names: set[str] = set()
    for statement in imports:
        above = package[: len(package) - statement["level"] + 1] if statement["level"] else []
        base = [*above, *filter(None, [statement["module"]])]
        for name in statement["names"] or ["*"]:
            names.add(".".join(base if name == "*" else [*base, name]))
    return sorted(names - {""})

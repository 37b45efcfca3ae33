"""Counts the lines of a flow, and plants mistakes in it."""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from pathlib import Path

from ten import MISTAKES, NAMES, Form

_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    tokenize.ENCODING,
}  # fmt: skip


def code_lines(text: str) -> int:
    """How many lines of a program have code on them: no docstring, no comment, and not nothing."""
    said: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and first.end_lineno:
                said.update(range(first.lineno, first.end_lineno + 1))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    coded = {line for token in tokens if token.type not in _NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(coded - said)


def lines_of(form: Form) -> dict[str, int]:
    """The lines of each flow of a form."""
    return {flow: code_lines((form.folder / f"{flow}.py").read_text(encoding="utf-8")) for flow in NAMES}


def planted(form: Form) -> dict[tuple[str, str], str]:
    """The programs with mistakes, by flow and mistake.

    Raises:
        ValueError: A mistake is missing, or what it replaces does not stand in its flow just once.
    """
    said = tomllib.loads((form.folder / "mistakes.toml").read_text(encoding="utf-8"))
    found: dict[tuple[str, str], str] = {}
    for flow in NAMES:
        text = (form.folder / f"{flow}.py").read_text(encoding="utf-8")
        for mistake in MISTAKES:
            old, new = said[flow][mistake]
            if text.count(old) != 1:
                raise ValueError(f"{form.name}/{flow}: {old!r} stands there {text.count(old)} times, not once")
            found[flow, mistake] = text.replace(old, new)
    return found


def lay_out(form: Form, folder: Path) -> dict[tuple[str, str], Path]:
    """Write a form's flows into a folder, each as it is and with each mistake; the files by flow and mistake.

    The flow as it is has the mistake ``""``.
    """
    files: dict[tuple[str, str], Path] = {}
    programs = {(flow, ""): (form.folder / f"{flow}.py").read_text(encoding="utf-8") for flow in NAMES}
    for (flow, mistake), text in {**programs, **planted(form)}.items():
        files[flow, mistake] = folder / (f"{flow}_{mistake}.py" if mistake else f"{flow}.py")
        files[flow, mistake].write_text(text, encoding="utf-8")
    return files

"""Writes the rules of docs/lint.md, with what each example gives: ``python tools/lint_catalogue.py``."""

from __future__ import annotations

import contextlib
import runpy
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flowcraft_core.linting import RULES, Problem, Rule, lint
from flowcraft_core.linting.examples import EXAMPLES, PRELUDE
from flowcraft_core.rules import TOPICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lint.md"

_BEGIN, _END = "<!-- from the catalogue -->\n", "<!-- until here -->\n"


def problems_in(source: str) -> Sequence[Problem]:
    """What linting says of an example."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "example.py")  # in a file, so that what steps return can be read there
        path.write_text(f"{PRELUDE}\n\n\n{source}\n", encoding="utf-8")
        with contextlib.chdir(folder):
            return lint(lambda: runpy.run_path(str(path))["flow"])


def catalogue() -> str:
    """The rules, as Markdown."""
    parts = ["| code | name | | what is wrong |", "| --- | --- | --- | --- |"]
    parts += [
        f"| [{rule.code}](#{_anchor(rule)}) | `{rule.name}` | {rule.severity} | {rule.meaning} |"
        for rule in RULES.values()
    ]
    parts += ["", "Every example begins with", "", _block(PRELUDE)]
    for code, module in TOPICS.items():
        parts += [f"## {(module.__doc__ or '').rstrip('.')}", ""]
        for rule in RULES.values():
            if rule.code.startswith(code):
                parts += _section(rule)
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    return f"| [{rule.code}](#{_anchor(rule)}) | `{rule.name}` | {rule.severity} | {rule.meaning} |"


def _section(rule: Rule) -> list[str]:
    bad, good = EXAMPLES[rule.code]
    said = "\n".join(f"{problem.rule.severity}: {problem}" for problem in problems_in(bad))
    head = [f"### {rule.code} {rule.name}", "", f"{rule.meaning} {rule.remedy}", ""]
    return [*head, _block(bad), f"```text\n{said}\n```\n", "But so:", "", _block(good)]


def _anchor(rule: Rule) -> str:
    return f"{rule.code} {rule.name}".lower().replace(" ", "-")


def _block(source: str) -> str:
    return f"```python\n{source}\n```\n"


def page(text: str) -> str:
    """The page with its rules as they are to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n" + catalogue() + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

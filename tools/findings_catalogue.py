"""Writes the tables of docs/doctor.md from what the packages know: ``python tools/findings_catalogue.py``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from flowcraft_core.diagnosis import Symptom

PAGE = Path(__file__).resolve().parent.parent / "docs" / "doctor.md"

#: What each part of the page is about, and where its symptoms are.
PARTS = {
    "On every backend": "flowcraft_core.diagnosis",
    "SQLite": "flowcraft_sqlite.symptoms",
    "PostgreSQL": "flowcraft_postgres.symptoms",
    "AWS": "flowcraft_aws.symptoms",
    "Azure": "flowcraft_azure.symptoms",
}

_BEGIN, _END = "<!-- from the catalogue -->\n", "<!-- until here -->\n"


def symptoms_of(module: str) -> Sequence[Symptom]:
    """The symptoms in a module."""
    found: Sequence[Symptom] = importlib.import_module(module).SYMPTOMS
    return found


def tables() -> str:
    """The tables of findings, as Markdown."""
    return "\n".join(_table(title, symptoms_of(module)) for title, module in PARTS.items())


def _table(title: str, symptoms: Sequence[Symptom]) -> str:
    lines = [f"### {title}", "", "| finding | | what is wrong | what to do |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{each.code}` | {each.severity} | {_shown(each.problem)} | {_shown(each.remedy)} |" for each in symptoms
    ]
    return "\n".join(lines) + "\n"


def _shown(template: str) -> str:
    """A text with the names of what differs in italics."""
    return re.sub(r"\{(\w+)[^}]*\}", r"*\1*", template).replace("|", "\\|")


def page(text: str) -> str:
    """The page with its tables as they are to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n" + tables() + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""All clauses as a page: what a backend is held to, in the words of the clauses themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .contract import Contract

_HEAD = """\
# The clauses of the contracts

Written by `python -m flowcraft_testkit.contracts`. An id stays from release to release; new clauses come in minor
versions only. What stands behind a clause in brackets has to be declared for it to be asked.
"""


def listing(contracts: Iterable[type[Contract[Any]]]) -> str:
    """A Markdown page with a section per contract and a line per clause."""
    sections = [_HEAD]
    for contract in contracts:
        clauses = contract.clauses()
        lines = [f"## {contract.__name__}: {len(clauses)} clauses\n"]
        for clause in clauses:
            needs = f" [{', '.join(clause.needs)}]" if clause.needs else ""
            lines.append(f"- `{clause.id}`{needs}: {clause.promise}")
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)

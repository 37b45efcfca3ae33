"""``python -m flowcraft_testkit.mutants``: tries every mutant, and says which clause has caught it.

Of each mutant the clause that is named for it is asked, which takes well under a minute in all. ``--full`` asks all
that it could fail and writes the page ``docs/conformance/mutants.md``, which takes long; with names, it writes their
sections anew and leaves the others as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from ..contracts import CONTRACTS
from . import MUTANTS, Mutant, clauses_for, is_asked, primary, try_clause

_PAGE = Path("docs/conformance/mutants.md")
_HEAD = """\
# What each mutant trips

Written by `python -m flowcraft_testkit.mutants --full`. A mutant is a backend or a program with one defect. The clause
that is named for it comes first; the others are what else fails on it, of the contract of its port and of the whole
backend's.
"""


@attrs.frozen
class Caught:
    """What has come out of a mutant.

    Attributes:
        mutant: The mutant.
        why: What the clause that is named for it has failed with; None if it held.
        tripped: The ids of all clauses that failed, if all were asked.
    """

    mutant: Mutant
    why: str | None
    tripped: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "name": self.mutant.name,
            "defect": self.mutant.defect,
            "clause": self.mutant.clause,
            "killed": self.why is not None,
            "failure": self.why,
        }


def failures(place: int, full: bool = False) -> dict[str, str]:
    """What fails on the mutant at a place of the list, by clause: of the one that is named for it, or of all."""
    mutant = MUTANTS[place]
    clauses = clauses_for(mutant) if full else [primary(mutant)]
    tried = [try_clause(clause, mutant, strict=clause.id == mutant.clause) for clause in clauses]
    return {each.clause: each.why for each in tried if each.why is not None}


def page(caught: Sequence[Caught]) -> str:
    """What each mutant trips, and which clauses none does, as Markdown."""
    sections = [_HEAD]
    for each in caught:
        others = sorted(set(each.tripped) - {each.mutant.clause})
        lines = [f"## {each.mutant.name}", "", each.mutant.defect, "", f"- **`{each.mutant.clause}`**"]
        sections.append("\n".join([*lines, *(f"- `{clause}`" for clause in others), ""]))
    tripped = {clause for each in caught for clause in each.tripped}
    asked = [clause for contract in CONTRACTS.values() for clause in contract.clauses() if is_asked(clause)]
    idle = [clause.id for clause in asked if clause.id not in tripped]
    sections.append(
        "\n".join(["## Clauses that no mutant trips", "", *(f"- `{clause}`" for clause in idle or ["none"])])
    )
    return "\n".join(sections) + "\n"


def _standing(mutant: Mutant, text: str) -> Caught:
    """What the page says of a mutant that was not tried; nothing but its own clause, if it is not there."""
    found = re.search(rf"^## {re.escape(mutant.name)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    clauses = {clause.id for contract in CONTRACTS.values() for clause in contract.clauses()}
    said = re.findall(r"^- \W*`(.+?)`", found[1], re.MULTILINE) if found else []
    return Caught(mutant, None, tuple(clause for clause in said if clause in clauses))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what came out; 1 if a mutant has survived."""
    parser = argparse.ArgumentParser(prog="mutants", description="Try the contracts on deliberately broken programs.")
    parser.add_argument("names", nargs="*", help="only the mutants whose names contain one of these")
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    parser.add_argument("--full", action="store_true", help=f"ask every clause, and write {_PAGE}")
    parser.add_argument("--jobs", type=int, default=2, help="processes, 2 by default")
    options = parser.parse_args(arguments)
    wanted = options.names or [""]
    places = [place for place, mutant in enumerate(MUTANTS) if any(name in mutant.name for name in wanted)]
    with ProcessPoolExecutor(options.jobs) as pool:
        failed = list(pool.map(failures, places, [options.full] * len(places)))
    caught = [
        Caught(MUTANTS[place], found.get(MUTANTS[place].clause), tuple(found))
        for place, found in zip(places, failed, strict=True)
    ]
    if options.full:
        _PAGE.parent.mkdir(parents=True, exist_ok=True)
        text = _PAGE.read_text(encoding="utf-8") if options.names and _PAGE.exists() else ""
        tried = {each.mutant.name: each for each in caught}
        told = [tried.get(mutant.name) or _standing(mutant, text) for mutant in MUTANTS]
        _PAGE.write_text(page(told), encoding="utf-8")
    killed = sum(each.why is not None for each in caught)
    if options.json:
        data = {
            "ok": killed == len(caught),
            "total": len(caught),
            "killed": killed,
            "mutants": [each.data() for each in caught],
        }
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        for each in caught:
            sys.stdout.write(f"{'killed  ' if each.why is not None else 'SURVIVED'} {each.mutant.name}\n")
            sys.stdout.write(f"         {each.mutant.defect} Caught by {each.mutant.clause}.\n")
        sys.stdout.write(f"{killed} of {len(caught)} killed\n")
    return 0 if killed == len(caught) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The page that ``hatch run compare --write`` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ten import FORMS, NAMES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "comparison.md"

_WHAT = {
    "chain": "steps one after the other",
    "branch": "one of two ways, which meet again",
    "fan": "three steps side by side, and one that joins them",
    "loop": "until it is good",
    "batch": "each item of a list, two at a time",
    "subflow": "a flow that calls another one",
    "approval": "a person's answer, with a deadline",
    "retry": "tried again, then something stands in",
    "cleanup": "a failure made good; tidied up in any case",
    "shared": "a value that one step sets, and a later one reads",
}
_MISTAKES = {
    "wrong_type": "a wrong type handed on",
    "renamed_step": "a step renamed where it is defined",
    "misspelt_value": "a misspelt context value",
}

_PAGE = """# Ten flows, written six ways

`hatch run compare --write` wrote this page on {date}: it runs each flow in each form, in an environment of the
library's own, sees that all give the same answers, counts their lines, and asks mypy {mypy} and pyright {pyright},
both strict, what they say to three mistakes planted into each. [The flows and the mistakes](../comparing/flows) are
there to be improved by whoever knows a library better. Nothing is said of speed, of what survives a crash, or of what
it takes to run them.

| | version | how the flows were run |
| --- | --- | --- |
{ran}

{by_hand}## Lines of code

Without empty lines, comments and docstrings; with imports; formatted alike. What starts an engine is not counted.

{lines}

Where a workflow is a function, what is said in order needs no further word, and branches and loops are Python's own.
Here, each step says what it needs: that costs a name per need, and makes a graph which can be looked at, linted, and
gone on with by another version of the program.

## What checkers see

Of {count} flows each: in how many a checker complains of the mistake, mypy / pyright. A complaint counts if it is not
there without the mistake.

{refused}

Where a workflow is a function and calls its steps, a checker sees what it sees in any program. What is named in text,
in edges, transitions, `inputs`, context or state, it cannot see. Of the builder's flows, building refuses edges to
nodes that are not there and types that do not fit, before anything runs, and [lint](lint.md) finds some of the misspelt
values; and so Burr refuses a transition to an unknown action when an application is built. Burr can also type its state
by a pydantic model, which these flows do not use.

What they complain of without any mistake:

{clean}
"""


def page(answer: dict[str, Any]) -> str:
    """The page, of what the command tells."""
    told = answer["forms"]
    columns = {form.name: told[form.name] for form in FORMS}
    return _PAGE.format(
        date=answer["date"],
        **answer["checkers"],
        count=len(NAMES),
        ran="\n".join(
            f"| {form.title} | {told[form.name]['version']} | {_how(told[form.name]['how'])} |" for form in FORMS
        ),
        by_hand="".join(map(_by_hand, answer["by_hand"])),
        lines=lines_table({name: one["lines"] for name, one in columns.items()}),
        refused=_table("mistake", _MISTAKES, lambda form, mistake: _both(columns[form]["refused"], mistake)),
        clean=_table(
            "", {"complaints": "complaints"}, lambda form, _: " / ".join(map(str, columns[form]["clean"].values()))
        ),
    )


def _both(refused: dict[str, dict[str, list[str]]], mistake: str) -> str:
    return " / ".join(str(len(said[mistake])) for said in refused.values())


def lines_table(lines: dict[str, dict[str, int]]) -> str:
    """The table of lines, of forms and flows."""
    rows = {flow: f"`{flow}`: {_WHAT[flow]}" for flow in NAMES}
    totals = {form: {**each, "all": sum(each.values())} for form, each in lines.items()}
    return _table("flow", {**rows, "all": "all"}, lambda form, flow: str(totals[form][flow]))


def _table(head: str, rows: dict[str, str], cell: Callable[[str, str], str]) -> str:
    table = [f"| {head} | {' | '.join(form.title for form in FORMS)} |", f"| --- |{' ---: |' * len(FORMS)}"]
    table += [f"| {title} | {' | '.join(cell(form.name, key) for form in FORMS)} |" for key, title in rows.items()]
    return "\n".join(table)


def _how(how: str) -> str:
    return how.partition(":")[0]


def _by_hand(name: str) -> str:
    title = next(form.title for form in FORMS if form.name == name)
    return (
        f"{title}'s server could not be had where this was written, so its workflows were called with stand-ins for\n"
        "what the server does. That shows that they give the same answers, and no more.\n\n"
    )

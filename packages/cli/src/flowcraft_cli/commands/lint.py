"""``flowcraft lint``: what building a flow refuses, and hints."""

from __future__ import annotations

from typing import Any

import attrs
import click
from flowcraft_core import Blueprint, FlowRuntime
from flowcraft_core.errors import BlueprintError, FlowcraftError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.hints import hints_of
from flowcraft_core.graph.scopes import Graph

from ..command import App, Commands
from ..exits import Answer, CommandError, Exit
from ..loading import load


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "lint",
        examples="""
            flowcraft lint                  the flows of the settings
            flowcraft lint app.flows orders.json
        """,
    )(lint)


@click.argument("flows", nargs=-1, metavar="[FLOW]...")
def lint(app: App, flows: tuple[str, ...]) -> Answer:
    """Say what cannot be run in flows, and hint at what is seldom meant.

    All of it at once: cycles, unknown nodes, missing steps, bad expressions. Exits with 1 if there is something that
    cannot be run. A hint is no reason to: it is at a join that may go on without the input of a node whose failure was
    handled.
    """
    references = flows or app.settings["flows"]
    if not references:
        raise CommandError("say what to look at: FLOW on the command line, or the setting 'flows'")
    checked: list[str] = []
    problems: list[dict[str, Any]] = []
    hints: list[dict[str, Any]] = []
    for reference in references:
        looked = _look(app, reference)
        checked += looked.ids
        problems += [{"flow": reference, "problem": problem} for problem in looked.problems]
        hints += [{"flow": reference, "hint": hint} for hint in looked.hints]
    for problem in problems:
        app.out.say(f"{problem['flow']}: {problem['problem']}")
    for hint in hints:
        app.out.say(f"{hint['flow']}: hint: {hint['hint']}")
    if not problems:
        app.out.say(f"{len(checked)} flows, nothing to mend: {', '.join(checked)}")
    return Answer({"flows": checked, "problems": problems, "hints": hints}, Exit.FAILED if problems else Exit.OK)


@attrs.define
class _Looked:
    """What was found by one reference: the flows' ids, what cannot be run in them, and hints by blueprint and node."""

    ids: list[str] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    graphs: dict[str, Graph] = attrs.field(factory=dict)

    @property
    def hints(self) -> list[str]:
        return [f"flow {id_!r}, {hint}" for id_, graph in sorted(self.graphs.items()) for hint in hints_of(graph)]


def _look(app: App, reference: str) -> _Looked:
    looked = _Looked()
    try:
        for found in load(reference, app.settings):
            if isinstance(found, FlowRuntime):  # it was looked at when it was made
                looked.ids += sorted(found.catalogue.graphs)
                looked.graphs.update(found.catalogue.graphs)
                continue
            looked.ids.append(found.id)
            if isinstance(found, Blueprint):  # its steps are in nobody's registry here
                looked.graphs[found.id] = compile_blueprint(found)
            else:
                looked.graphs.update(FlowRuntime([found]).catalogue.graphs)
    except CommandError:
        raise
    except BlueprintError as error:
        looked.problems += error.problems
    except FlowcraftError as error:
        looked.problems.append(str(error))
    return looked

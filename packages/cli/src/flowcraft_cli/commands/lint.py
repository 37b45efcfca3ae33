"""``flowcraft lint``: what building a flow refuses."""

from __future__ import annotations

from typing import Any

import click
from flowcraft_core import Blueprint, FlowRuntime
from flowcraft_core.errors import BlueprintError, FlowcraftError
from flowcraft_core.graph.compile import compile_blueprint

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
    """Say what cannot be run in flows.

    All of it at once: cycles, unknown nodes, missing steps, bad expressions. Exits with 1 if there is something.
    """
    references = flows or app.settings["flows"]
    if not references:
        raise CommandError("say what to look at: FLOW on the command line, or the setting 'flows'")
    checked: list[str] = []
    problems: list[dict[str, Any]] = []
    for reference in references:
        ids, found = _problems(app, reference)
        checked += ids
        problems += [{"flow": reference, "problem": problem} for problem in found]
    for problem in problems:
        app.out.say(f"{problem['flow']}: {problem['problem']}")
    if not problems:
        app.out.say(f"{len(checked)} flows, nothing to mend: {', '.join(checked)}")
    return Answer({"flows": checked, "problems": problems}, Exit.FAILED if problems else Exit.OK)


def _problems(app: App, reference: str) -> tuple[list[str], list[str]]:
    ids: list[str] = []
    try:
        for found in load(reference, app.settings):
            if isinstance(found, FlowRuntime):  # it was looked at when it was made
                ids += sorted(found.catalogue.graphs)
                continue
            ids.append(found.id)
            if isinstance(found, Blueprint):  # its steps are in nobody's registry here
                compile_blueprint(found)
            else:
                FlowRuntime([found])
    except CommandError:
        raise
    except BlueprintError as error:
        return ids, list(error.problems)
    except FlowcraftError as error:
        return ids, [str(error)]
    return ids, []

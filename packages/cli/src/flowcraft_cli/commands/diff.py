"""``flowcraft diff``: in what two runs, or two flows, differ."""

from __future__ import annotations

import attrs
import click
from flowcraft_core.durable import differences

from ..command import App, Commands
from ..exits import Answer, Exit
from ..loading import load_flow
from ..output import brief
from ..places import place


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "diff",
        settings=("backend", "serializer", "codec"),
        examples="""
            flowcraft diff RUN OTHER
            flowcraft diff RUN "$(flowcraft redrive RUN)"
            flowcraft diff --flows deployed.json app:flow
        """,
    )(diff)


@click.argument("first", metavar="RUN")
@click.argument("second", metavar="OTHER")
@click.option("--flows", is_flag=True, help="Both are flows: module:name, file.py:name, file.json or file.yaml.")
async def diff(app: App, first: str, second: str, flows: bool) -> Answer:
    """Show in what a RUN and an OTHER differ.

    Blueprint, start, and instance by instance; of two flows, nodes and edges field by field. Exits with 1 if they do.
    """
    return _of_flows(app, first, second) if flows else await _of_runs(app, first, second)


async def _of_runs(app: App, run: str, other: str) -> Answer:
    async with place(app) as here:
        one, two = [await here.client.export(each) for each in (run, other)]
    found = [attrs.asdict(difference) for difference in differences(one, two)]
    for difference in found:
        app.out.say(f"{difference['at']}: {difference['what']}")
        for mark, value in (("-", difference["first"]), ("+", difference["second"])):
            app.out.say(f"  {mark} {brief(value, 200)}")
    return _told(app, {"differences": found}, bool(found))


def _of_flows(app: App, first: str, second: str) -> Answer:
    one, two = [load_flow(each, app.settings).blueprint for each in (first, second)]
    found = one.diff(two)
    for change in found:
        app.out.say(str(change))
    return _told(app, {"changes": [attrs.asdict(change) for change in found]}, bool(found))


def _told(app: App, fields: dict[str, object], differ: bool) -> Answer:
    if not differ:
        app.out.say("they do not differ")
    return Answer(fields, Exit.FAILED if differ else Exit.OK)

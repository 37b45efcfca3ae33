"""``flowcraft diff``: in what two runs differ."""

from __future__ import annotations

import attrs
import click
from flowcraft_core.durable import differences

from ..command import App, Commands
from ..exits import Answer, Exit
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
        """,
    )(diff)


@click.argument("run")
@click.argument("other")
async def diff(app: App, run: str, other: str) -> Answer:
    """Show in what a RUN and an OTHER differ.

    Blueprint, start, and instance by instance. Exits with 1 if they do.
    """
    async with place(app) as here:
        first, second = [await here.client.export(each) for each in (run, other)]
    found = [attrs.asdict(difference) for difference in differences(first, second)]
    for difference in found:
        app.out.say(f"{difference['at']}: {difference['what']}")
        for mark, value in (("-", difference["first"]), ("+", difference["second"])):
            app.out.say(f"  {mark} {brief(value, 200)}")
    if not found:
        app.out.say("they do not differ")
    return Answer({"differences": found}, Exit.FAILED if found else Exit.OK)

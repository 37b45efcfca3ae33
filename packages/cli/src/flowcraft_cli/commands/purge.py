"""``flowcraft purge``: removes all that is stored of runs that have ended."""

from __future__ import annotations

import contextlib
from typing import Any

import click
from flowcraft_core.durations import parse_seconds
from flowcraft_core.errors import ConfigurationError

from ..command import App, Commands
from ..exits import Answer, CommandError, Exit
from ..places import place
from ..values import TIME, sure, yes_option


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "purge",
        settings=("backend", "serializer", "codec"),
        examples="""
            flowcraft purge RUN --yes
            flowcraft purge --older-than 30d --yes      or let workers do it: the setting 'retention'
            flowcraft purge RUN --damaged --yes         though something of it cannot be read
        """,
    )(purge)


@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--older-than", type=TIME, metavar="TIME", help="Every run that ended at least so long ago, such as 30d.")
@click.option("--damaged", is_flag=True, help="Of the runs that are named also those of which something is unreadable.")
@yes_option
async def purge(
    app: App, runs: tuple[str, ...], older_than: str | None, damaged: bool, yes: bool
) -> Answer | dict[str, Any]:
    """Remove all that is stored of ended runs."""
    if bool(runs) == (older_than is not None) or (damaged and not runs):
        raise click.UsageError("name the runs, with --damaged or not, or give --older-than")
    if older_than is not None:
        parse_seconds("--older-than", older_than, zero=True)
        sure(f"Remove every run that ended {older_than} ago or earlier, for good?", yes)
        async with place(app) as here:
            purged = await here.client.purge_older(older_than)
        app.out.say(f"{purged.count} runs purged")
        for run, why in purged.left.items():
            app.out.say(f"{run} is left: {why}")
        return Answer({"purged": purged.count, "left": dict(purged.left)}, Exit.FAILED if purged.left else Exit.OK)
    sure(f"Remove {len(runs)} runs for good?", yes)
    async with place(app) as here:
        for run in () if damaged else runs:  # of a damaged one the status may be what is missing
            await here.client.status(run)
        for run in runs:
            with _allowed():
                await here.client.purge(run, damaged=damaged)
            app.out.say(f"purged {run}")
    return {"purged": len(runs), "runs": list(runs)}


@contextlib.contextmanager
def _allowed() -> Any:
    try:
        yield
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.REFUSED) from error

"""``flowcraft dead-letters``: messages that could not be understood or acted on."""

from __future__ import annotations

from typing import Any

import click
from flowcraft_core.durable import Client, UnknownRunError

from ..command import App, Commands, unknown
from ..output import brief, moment
from ..places import place
from ..values import sure, yes_option

_HERE = ("backend",)


def register(main: Commands) -> None:
    """Add the commands."""
    group = main.group("dead-letters", help="Look after messages that nobody could act on.")(lambda: None)
    group.command("list", settings=_HERE, examples="flowcraft dead-letters list")(list_letters)
    group.command("show", settings=_HERE, examples="flowcraft dead-letters show LETTER")(show)
    group.command("send-back", settings=_HERE, examples="flowcraft dead-letters send-back --all --yes")(send_back)
    group.command("drop", settings=_HERE, examples="flowcraft dead-letters drop LETTER --yes")(drop)


async def list_letters(app: App) -> dict[str, Any]:
    """List dead letters, with why each was put aside."""
    letters: list[dict[str, Any]] = []
    app.out.heading(["LETTER", "CREATED", "REASON"], [34, 19])
    async with place(app, reads_values=False) as here:
        async for letter in here.client.runs("dead"):
            app.out.row([letter.run_id, moment(letter.created), brief(letter.reason or "")], [34, 19])
            letters.append({"id": letter.run_id, "created": letter.created, "reason": letter.reason})
    if not letters:
        app.out.note("there are none")
    return {"dead_letters": letters}


@click.argument("letter")
async def show(app: App, letter: str) -> dict[str, Any]:
    """Show a dead LETTER, with the message itself."""
    async with place(app, reads_values=False) as here:
        try:
            found = await here.client.status(letter)
        except UnknownRunError:
            raise unknown(f"there is no dead letter {letter!r}") from None
    if found.state != "dead":
        raise unknown(f"there is no dead letter {letter!r}: that is a run")
    app.out.say(f"{found.run_id}\ncreated  {moment(found.created)}\nreason   {brief(found.reason or '', 2_000)}\n")
    app.out.say(brief(found.body or "", 100_000))
    return {"id": found.run_id, "created": found.created, "reason": found.reason, "body": found.body}


def _which(function: Any) -> Any:
    function = yes_option(function)
    function = click.option("--all", "everything", is_flag=True, help="All that there are.")(function)
    return click.argument("letters", nargs=-1, metavar="[LETTER]...")(function)


async def _named(client: Client, letters: tuple[str, ...], everything: bool) -> list[str]:
    if bool(letters) == everything:
        raise click.UsageError("name the dead letters, or give --all")
    return [letter.run_id for letter in await client.dead_letters()] if everything else list(letters)


@_which
async def send_back(app: App, letters: tuple[str, ...], everything: bool, yes: bool) -> dict[str, Any]:
    """Send dead letters to the queue again."""
    async with place(app, reads_values=False) as here:
        named = await _named(here.client, letters, everything)
        if everything:
            sure(f"Send {len(named)} dead letters back to the queue?", yes)
        for letter in named:
            await here.client.send_back(letter)
            app.out.say(f"sent back {letter}")
    return {"sent_back": named}


@_which
async def drop(app: App, letters: tuple[str, ...], everything: bool, yes: bool) -> dict[str, Any]:
    """Forget dead letters for good.

    A run that one was for goes on by the reconciler.
    """
    async with place(app, reads_values=False) as here:
        named = await _named(here.client, letters, everything)
        sure(f"Forget {len(named)} dead letters for good?", yes)
        for letter in named:
            await here.client.drop_dead_letter(letter)
            app.out.say(f"dropped {letter}")
    return {"dropped": named}

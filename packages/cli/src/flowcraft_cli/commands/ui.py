"""``flowcraft ui``: a page to look at runs, which the distribution ``flowcraft-ui`` brings."""

from __future__ import annotations

import inspect
import webbrowser
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from typing import Any

import click
from flowcraft_core.urls import hide_secrets

from ..command import App, Commands
from ..exits import CommandError
from ..loading import load_object
from ..places import place, url_of

#: The group of entry points under which a distribution brings such a page: a function of a client, of how it is to be
#: served, by name, and of what is to be told the address.
GROUP = "flowcraft.pages"


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "ui",
        settings=("backend", "serializer", "codec"),
        examples="""
            flowcraft ui
            flowcraft ui --allow-writes --open
            FLOWCRAFT_UI_TOKEN=... flowcraft ui --host 0.0.0.0 --allow-host runs.example.org
        """,
    )(ui)


@click.option("--host", default="127.0.0.1", help="Where to listen; beyond this machine only with a token.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8484, help="The port, 8484 by default; 0 for any.")
@click.option("--allow-writes", is_flag=True, help="Resume, cancel, redrive, fork and send back, too.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Serve it under this name, too.")
@click.option("--redact", metavar="REF", help="module:name of the function that says what is shown for a value.")
@click.option("--open", "is_opened", is_flag=True, help="Open it in a browser.")
async def ui(
    app: App,
    host: str,
    port: int,
    allow_writes: bool,
    allow_hosts: tuple[str, ...],
    redact: str | None,
    is_opened: bool,
) -> dict[str, Any]:
    """Serve a page to look at runs.

    It looks, and changes nothing, unless --allow-writes says so; and only on this machine, unless --host says
    otherwise: then it asks for the token that FLOWCRAFT_UI_TOKEN, or ui_token in the settings file, says. Until
    Ctrl-C.
    """
    serve = _page()
    redacts = None if redact is None else _redaction(app, redact)
    served: list[str] = []

    def listening(address: str) -> None:
        served.append(address)
        app.out.event({"event": "listening", "address": address})
        app.out.say(f"{address} {'can change runs' if allow_writes else 'only looks'}; Ctrl-C ends it")
        if is_opened:
            webbrowser.open(address)

    async with place(app) as here:
        await serve(
            here.client,
            listening,
            host=host,
            port=port,
            allow_writes=allow_writes,
            token=app.settings["ui_token"],
            allow_hosts=allow_hosts,
            redact=redacts,
            title=hide_secrets(url_of(app)),
        )
    return {"address": served[0] if served else None}


def _redaction(app: App, reference: str) -> Any:
    """The function that says what is shown for a value, if it can be called as one."""
    found = load_object(reference, app.settings)
    try:
        inspect.signature(found).bind("where", "value")
    except TypeError as error:
        raise CommandError(f"--redact: {reference} cannot be called with a place and a value: {error}") from error
    except ValueError:
        pass  # it does not say what it takes
    return found


def _page() -> Callable[..., Awaitable[None]]:
    points = tuple(entry_points(group=GROUP, name="ui"))
    if not points:
        raise CommandError("the page is a distribution of its own: pip install 'flowcraft-cli[ui]'")
    found: Callable[..., Awaitable[None]] = points[0].load()
    return found

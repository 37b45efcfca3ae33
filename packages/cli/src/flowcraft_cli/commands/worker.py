"""``flowcraft worker``: processes that work on runs until they are stopped."""

from __future__ import annotations

import asyncio
import json
import os

import click
from flowcraft_core import Serializer
from flowcraft_core.durable import Worker, backend_from_url, collect_seldom, open_url
from flowcraft_core.errors import BackendGoneError

from .. import logs
from ..command import App, Commands
from ..exits import Answer, Exit
from ..loading import load_all, runtime_of
from ..places import codec_of, own, url_of
from ..settings import SETTINGS
from ..signals import stop_when_alone, stopping
from ..supervisor import GONE, Supervisor, this_program

_SETTINGS = tuple(name for name in SETTINGS if name != "flows")


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "worker",
        settings=_SETTINGS,
        examples="""
            flowcraft worker app.flows --processes 4
            flowcraft worker --reload              in development: begins anew when code changes
            flowcraft worker --retention 30d       purges what ended so long ago
            flowcraft worker --queue urgent --queue default   jobs of the first before those of the second
        """,
    )(worker)


@click.argument("flows", nargs=-1, metavar="[FLOW]...")
@click.option("--reload", is_flag=True, help="Begin anew when a file of code below the project's folder changes.")
@click.option("--no-reconcile", is_flag=True, help="Leave it to others to look for runs that nobody works on.")
@click.option("--supervised", is_flag=True, hidden=True, help="Stop when standard input ends.")
def worker(app: App, flows: tuple[str, ...], reload: bool, no_reconcile: bool, supervised: bool) -> Answer:
    """Work on runs until stopped.

    SIGTERM and Ctrl-C take no new jobs and let steps under way finish; once more ends at once. With
    several processes, or --reload, those that die are begun again; one alone is begun again by what has started it,
    such as systemd or a container's restart policy.
    """
    number = app.settings["processes"]
    if supervised or (number == 1 and not reload):
        try:
            return asyncio.run(_work(app, flows, not no_reconcile, supervised))
        except BackendGoneError as error:
            if not supervised:
                raise
            app.out.problem(str(error))
            raise click.exceptions.Exit(GONE) from error
    logs.set_up(app.settings)
    backend = backend_from_url(url_of(app))
    if not reload:
        load_all(flows, app.settings)  # what is wrong is said once, and not by each process
    arguments = ["worker", *flows, "--supervised", *(["--no-reconcile"] if no_reconcile else [])]
    supervisor = Supervisor(
        command=this_program(*arguments),
        environment={**os.environ, **_in_environment(app)},
        number=number,
        grace=app.settings["grace"],
        watched=app.settings.root if reload else None,
        missing=getattr(backend, "missing", None),
    )
    code = supervisor.run()
    if code not in list(Exit):  # by a signal
        raise click.exceptions.Exit(code)
    return Answer({"processes": number, "restarts": supervisor.restarts}, Exit(code))


def _in_environment(app: App) -> dict[str, str]:
    """The settings for the processes: not on their command line, which everybody on the machine can see."""
    found: dict[str, str] = {}
    for name in SETTINGS:
        value = app.settings[name]
        if value not in (None, ()):
            # A list as JSON: a path may have a comma.
            found[f"FLOWCRAFT_{name.upper()}"] = json.dumps(value) if isinstance(value, tuple) else str(value)
    return found


async def _work(app: App, flows: tuple[str, ...], reconcile: bool, supervised: bool) -> Answer:
    settings = app.settings
    logs.set_up(settings)
    collect_seldom()  # before what the flows' code may say of it
    codec = codec_of(app)
    serializer = own(app, "serializer", Serializer)
    runtime = runtime_of(load_all(flows, settings), **({} if serializer is None else {"serializer": serializer}))
    async with open_url(url_of(app)) as backend:
        working = Worker(
            backend,
            runtime,
            concurrency=settings["concurrency"],
            visibility=settings["visibility"],
            poll=settings["poll"],
            grace=settings["grace"],
            codec=codec,
            reconcile=reconcile,
            reconcile_interval=settings["reconcile_interval"],
            retention=settings["retention"],
            queues=settings["queues"],
            memory=settings["memory"],
        )
        if supervised:
            stop_when_alone(working.stop)
        with stopping(working.stop, settings["grace"], says=not supervised):
            await working.run()
    return Answer({"processes": 1, "restarts": 0})

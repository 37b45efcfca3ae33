"""``flowcraft resume``, ``cancel``, ``redrive``, ``fork`` and ``reconcile``: what changes the course of runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
import click
from flowcraft_core.durable import Reconciler, Started
from flowcraft_core.errors import ConfigurationError

from ..command import App, Commands
from ..exits import Answer, CommandError, Exit
from ..places import place
from ..values import read_json
from ..waiting import wait_for

_HERE = ("backend", "serializer", "codec")


def register(main: Commands) -> None:
    """Add the commands."""
    main.command(
        "resume",
        settings=_HERE,
        examples="""
            flowcraft resume RUN approve --output '{"ok": true}'
            flowcraft resume RUN approve --action rejected
        """,
    )(resume)
    main.command("cancel", settings=_HERE, examples='flowcraft cancel RUN --reason "ordered twice"')(cancel)
    main.command("redrive", settings=_HERE, examples="flowcraft redrive RUN --wait")(redrive)
    main.command(
        "fork",
        settings=_HERE,
        examples="""
            flowcraft fork RUN --from pay
            flowcraft fork RUN --from 'pages[17].ocr' --id second-try
        """,
    )(fork)
    main.command(
        "reconcile",
        settings=(*_HERE, "reconcile_interval"),
        examples="""
            flowcraft reconcile         every run that is due for a look
            flowcraft reconcile RUN     this one, due or not
        """,
    )(reconcile)


@contextlib.contextmanager
def _allowed() -> Iterator[None]:
    """What the run's state does not allow is no mistake of the command line's."""
    try:
        yield
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.REFUSED) from error


@click.argument("run")
@click.argument("wait")
@click.option("--output", "-o", metavar="JSON", help="The wait's output; @file or - to read it.")
@click.option("--action", metavar="NAME", help="The wait's action, which chooses its edges.")
async def resume(app: App, run: str, wait: str, output: str | None, action: str | None) -> dict[str, Any]:
    """End a WAIT of a RUN with a result.

    The run goes on. WAIT is its key, or its node's id if only one is open.
    """
    value = read_json(output, "--output")
    async with place(app) as here:
        await here.client.resume(run, wait, output=value, action=action)
    app.out.say(f"run {run}: {wait} resumed")
    return {"run_id": run, "wait": wait}


@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--reason", help="Why; it is shown with the run.")
async def cancel(app: App, runs: tuple[str, ...], reason: str | None) -> Answer:
    """Cancel runs.

    Nothing new starts in them, and steps under way are told.
    """
    ended: dict[str, bool] = {}
    async with place(app) as here:
        for run in runs:
            ended[run] = await here.client.cancel(run, reason=reason)
            app.out.say(f"run {run} {'cancelled' if ended[run] else 'had ended already'}")
    return Answer({"cancelled": ended}, Exit.OK if all(ended.values()) else Exit.REFUSED)


def _fork_options(function: Any) -> Any:
    for option in (
        click.option("--timeout", metavar="TIME", help="With --wait: for how long; the run goes on."),
        click.option("--wait", is_flag=True, help="Wait until the new run has ended."),
        click.option("--new-keys", is_flag=True, help="Give what had not completed new idempotency keys."),
        click.option("--id", "new_id", metavar="RUN", help="The new run's id."),
    ):
        function = option(function)
    return function


@click.argument("run")
@_fork_options
async def redrive(app: App, run: str, new_id: str | None, new_keys: bool, wait: bool, timeout: str | None) -> Answer:
    """Try again what failed a RUN.

    It is a new run, which keeps all that is done; its id is printed. A run is redriven once: who asks again gets that.
    """
    async with place(app) as here:
        with _allowed():
            started = await here.client.redrive(run, new_run_id=new_id, new_idempotency_keys=new_keys)
        return await _begun(app, here.client, run, started, wait, timeout)


@click.argument("run")
@click.option(
    "--from", "nodes", multiple=True, required=True, metavar="NODE", help="Where to begin again; may be repeated."
)
@_fork_options
async def fork(
    app: App, run: str, nodes: tuple[str, ...], new_id: str | None, new_keys: bool, wait: bool, timeout: str | None
) -> Answer:
    """Begin a RUN again from some of its nodes.

    It is a new run, which keeps what the old one has done, but for these nodes and all that follows from them.
    """
    async with place(app) as here:
        with _allowed():
            started = await here.client.fork(run, *nodes, new_run_id=new_id, new_idempotency_keys=new_keys)
        return await _begun(app, here.client, run, started, wait, timeout)


async def _begun(app: App, client: Any, old: str, started: Started, wait: bool, timeout: str | None) -> Answer:
    app.out.note(f"begun from {old}" if started.created else "it was begun already")
    app.out.say(started.run_id)
    fields = {"run_id": started.run_id, "created": started.created, "redrive_of": old}
    if not wait:
        return Answer(fields)
    answer = await wait_for(app, client, started.run_id, timeout)
    return Answer({**fields, **answer.fields}, answer.code)


@click.argument("runs", nargs=-1, metavar="[RUN]...")
async def reconcile(app: App, runs: tuple[str, ...]) -> Answer:
    """Have the facts say what is due in runs.

    Lost jobs are sent again, and runs are ended whose end nobody wrote. Workers do this by themselves.
    """
    totals: dict[str, Any] = {}
    async with place(app) as here:
        reconciler = Reconciler(
            here.backend, serializer=here.serializer, codec=here.codec, interval=app.settings["reconcile_interval"]
        )
        for run in runs:
            await here.client.status(run)
        for done in [await reconciler.reconcile(run) for run in runs] or [await reconciler.run_once()]:
            for name, count in attrs.asdict(done).items():
                totals[name] = totals[name] + count if name in totals else count
    told = [f"{count} {name}" for name, count in totals.items() if isinstance(count, int) and count]
    app.out.say(", ".join(told) or "nothing is due")
    for run in totals["unstarted_runs"]:
        app.out.say(f"not started, as its first message has not come: {run}")
    return Answer(totals, Exit.FAILED if totals["errors"] else Exit.OK)

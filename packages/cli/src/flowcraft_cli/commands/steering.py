"""``flowcraft resume``, ``cancel``, ``abandon``, ``redrive``, ``fork``, ``reconcile``: what changes a run's course."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import click
from flowcraft_core.durable import Client, Reconciler, Started, UnknownRunError
from flowcraft_core.errors import ConfigurationError, LostActionError, UnknownNodeError

from ..command import App, Commands
from ..exits import Answer, CommandError, Exit
from ..loading import load_flow
from ..places import place
from ..values import TIME, read_context, read_json
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
            flowcraft resume RUN 'pages[17].approve' --early
        """,
    )(resume)
    main.command("cancel", settings=_HERE, examples='flowcraft cancel RUN --reason "ordered twice"')(cancel)
    main.command("abandon", settings=_HERE, examples='flowcraft abandon RUN --reason "undone by hand"')(abandon)
    main.command(
        "redrive",
        settings=(*_HERE, "flows"),
        examples="""
            flowcraft redrive RUN --wait
            flowcraft redrive RUN --onto app:flow --input '{"currency": "USD"}'
        """,
    )(redrive)
    main.command(
        "fork",
        settings=(*_HERE, "flows"),
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
    except UnknownNodeError:
        raise
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.REFUSED) from error


@click.argument("run")
@click.argument("wait")
@click.option("--output", "-o", metavar="JSON", help="The wait's output; @file or - to read it.")
@click.option("--action", metavar="NAME", help="The wait's action, which chooses its edges.")
@click.option("--early", is_flag=True, help="Also if the run has not come to it; inside a batch, say, by its key.")
@click.option("--any-action", is_flag=True, help="Also with an action that no edge of the wait takes: its path ends.")
async def resume(
    app: App, run: str, wait: str, output: str | None, action: str | None, early: bool, any_action: bool
) -> dict[str, Any]:
    """End a WAIT of a RUN with a result.

    The run goes on. WAIT is its key, or its node's id if only one is open. An action that none of its edges takes is
    refused.
    """
    value = read_json(output, "--output")
    async with place(app, strict=not any_action) as here:
        try:
            await here.client.resume(run, wait, output=value, action=action, early=early)
        except LostActionError as error:
            raise CommandError(f"{error}; --any-action ends the wait with it all the same", Exit.REFUSED) from error
    app.out.say(f"run {run}: {wait} {'answered' if early else 'resumed'}")
    return {"run_id": run, "wait": wait}


@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--reason", help="Why; it is shown with the run.")
async def cancel(app: App, runs: tuple[str, ...], reason: str | None) -> Answer:
    """Cancel runs.

    Nothing new starts in them, and steps under way are told.
    """
    ended: dict[str, bool] = {}
    unknown: list[str] = []
    async with place(app) as here:
        for run in runs:
            try:
                ended[run] = await here.client.cancel(run, reason=reason)
                how = "cancelled" if ended[run] else await _why_not(here.client, run)
                app.out.say(f"run {run} {how}")
            except UnknownRunError as error:
                unknown.append(run)
                app.out.problem(str(error))
    code = Exit.UNKNOWN if unknown else Exit.OK if all(ended.values()) else Exit.REFUSED
    return Answer({"cancelled": ended, "unknown": unknown}, code)


async def _why_not(client: Client, run: str) -> str:
    """Why a run was not cancelled."""
    is_ended = (await client.status(run)).state in ("completed", "failed", "cancelled")
    return "had ended already" if is_ended else "is being undone already"


@click.argument("run", metavar="RUN")
@click.option("--reason", help="Why; it is shown with the run.")
async def abandon(app: App, run: str, reason: str | None) -> Answer:
    """Undo no more of a run that is being undone.

    No undo begins any more, and the run ends; what is under way comes to its end.
    """
    async with place(app) as here:
        is_abandoned = await here.client.abandon(run, reason=reason)
    app.out.say(f"run {run} {'is undone no further' if is_abandoned else 'is not being undone'}")
    return Answer({"run_id": run, "abandoned": is_abandoned}, Exit.OK if is_abandoned else Exit.REFUSED)


def _fork_options(function: Any) -> Any:
    for option in (
        click.option("--timeout", type=TIME, metavar="TIME", help="With --wait: for how long; the run goes on."),
        click.option("--wait", is_flag=True, help="Wait until the new run has ended."),
        click.option("--new-keys", is_flag=True, help="Give what had not completed new idempotency keys."),
        click.option(
            *("--input", "-i", "input_"),
            metavar="JSON",
            help="Initial context values in the place of the run's own; @file or - to read them.",
        ),
        click.option(
            "--onto", metavar="FLOW", help="Go on in this version of the run's flow, where what is kept fits."
        ),
        click.option("--id", "new_id", metavar="RUN", help="The new run's id."),
    ):
        function = option(function)
    return function


@click.argument("run")
@_fork_options
async def redrive(app: App, run: str, wait: bool, timeout: str | None, **options: Any) -> Answer:
    """Try again what failed a RUN.

    It is a new run, which keeps all that is done; its id is printed. A run is redriven once: who asks again gets that.
    """
    async with _forking(app, **options) as (client, changes):
        with _allowed():
            started = await client.redrive(run, **changes)
        return await _begun(app, client, run, started, wait, timeout)


@click.argument("run")
@click.option(
    "--from", "nodes", multiple=True, required=True, metavar="NODE", help="Where to begin again; may be repeated."
)
@_fork_options
async def fork(app: App, run: str, nodes: tuple[str, ...], wait: bool, timeout: str | None, **options: Any) -> Answer:
    """Begin a RUN again from some of its nodes.

    It is a new run, which keeps what the old one has done, but for these nodes and all that follows from them.
    """
    if not all(nodes):
        raise click.UsageError("--from: name a node, or an instance's key")
    async with _forking(app, **options) as (client, changes):
        with _allowed():
            started = await client.fork(run, *nodes, **changes)
        return await _begun(app, client, run, started, wait, timeout)


@contextlib.asynccontextmanager
async def _forking(
    app: App, *, new_id: str | None, onto: str | None, input_: str | None, new_keys: bool
) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    found, context = onto and load_flow(onto, app.settings), read_context(input_)
    async with place(app, [found.source] if found else ()) as here:
        changes = {"new_run_id": new_id, "context": context, "new_idempotency_keys": new_keys}
        yield here.client, changes | {"flow": found.id if found else None}


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

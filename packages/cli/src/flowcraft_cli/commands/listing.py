"""``flowcraft list`` and ``waits``: the runs on a backend, and what they wait for."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

import click
from flowcraft_core.durations import lasting, parse_seconds
from flowcraft_core.errors import ConfigurationError, SerializationError
from flowcraft_core.ports import State

from ..command import App, Commands
from ..exits import CommandError
from ..output import brief, moment
from ..places import place
from ..values import read_tags, tags_option

if TYPE_CHECKING:
    from flowcraft_core.durable import StoredRun

_STATES = [state for state in get_args(State) if state not in ("dead", "schedule")]
_WIDTHS = [32, 9, 20, 19]
_HERE = ("backend", "serializer", "codec")


def register(main: Commands) -> None:
    """Add the commands."""
    main.command(
        "list",
        settings=("backend",),
        examples="""
            flowcraft list
            flowcraft list --state failed --flow letters --tag kind=nightly --since 1d
            flowcraft list --state completed --limit 0 | cut -f1
        """,
    )(list_runs)
    main.command(
        "waits",
        settings=_HERE,
        examples="""
            flowcraft waits
            flowcraft waits RUN
        """,
    )(waits)


@click.option("--state", "-s", "states", multiple=True, type=click.Choice(_STATES), help="In this state.")
@click.option("--flow", "-f", "flow_id", metavar="ID", help="Of this flow.")
@tags_option
@click.option("--since", metavar="TIME", help="Started since then: so long ago, such as 2h, or a date, in UTC.")
@click.option("--until", metavar="TIME", help="Started before then, likewise.")
@click.option("--limit", "-L", type=click.IntRange(0), default=50, help="At most so many, 50 by default; 0 for all.")
async def list_runs(
    app: App,
    states: tuple[State, ...],
    flow_id: str | None,
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> dict[str, Any]:
    """List runs, the newest first where the backend can.

    They come page by page: a long list begins at once.
    """
    found: list[dict[str, Any]] = []
    more = False
    wanted, first, last = read_tags(tags), _when("--since", since), _when("--until", until)
    app.out.heading(["RUN", "STATE", "FLOW", "STARTED", "FOR"], _WIDTHS)
    async with place(app, reads_values=False) as here:
        async for run in here.client.runs(*states, flow=flow_id, tags=wanted, created_since=first, created_until=last):
            if limit and len(found) == limit:
                more = True
                break
            app.out.row([run.run_id, run.state, run.blueprint_id, moment(run.created), _lasted(run)], _WIDTHS)
            found.append(run_fields(run))
    if more:
        app.out.note(f"there are more than {limit}: --limit 0 lists all")
    elif not found:
        app.out.note("there are none")
    return {"runs": found, "more": more}


@click.argument("run", required=False)
@click.option("--limit", "-L", type=click.IntRange(1), default=50, help="Into so many runs at most; 50 by default.")
async def waits(app: App, run: str | None, limit: int) -> dict[str, Any]:
    """Show what runs wait for.

    Who must resume what, and what goes on by itself when.

    Without a RUN, each run is looked into that only waits: that costs as many reads as it has facts.
    """
    found: list[dict[str, Any]] = []
    unreadable: list[str] = []
    app.out.heading(["RUN", "KIND", "DUE", "WAIT"], [32, 5, 19])
    async with place(app) as here:
        named = (
            [run] if run is not None else [each.run_id async for each in here.client.runs("awaiting", limit=limit + 1)]
        )
        more = len(named) > limit
        for run_id in named[:limit]:
            try:
                described = await here.client.describe(run_id, values=False, limit=1)
            except SerializationError as error:
                if run is not None:
                    raise
                unreadable.append(run_id)  # and the others are told all the same
                app.out.problem(str(error))
                continue
            for wait in described.waits:
                app.out.row([run_id, wait.kind, moment(wait.due), wait.key], [32, 5, 19])
                found.append({"run_id": run_id, "key": wait.key, "kind": wait.kind, "due": wait.due})
    if more:
        app.out.note(f"there are more than {limit} runs that wait: --limit looks into more of them")
    elif not found and not unreadable:
        app.out.note("nothing waits")
    return {"waits": found, "more": more, "unreadable": unreadable}


def run_fields(run: StoredRun) -> dict[str, Any]:
    """A run's status, for programs."""
    return {
        "run_id": run.run_id,
        "state": run.state,
        "flow": run.blueprint_id,
        "created": run.created,
        "updated": run.updated,
        "tags": dict(run.tags),
        "reason": run.reason,
    }


def _lasted(run: StoredRun) -> str:
    end = run.updated if run.state in ("completed", "failed", "cancelled") else time.time()
    why = f"  {brief(run.reason, 60)}" if run.reason else ""
    return f"{lasting(max(0.0, end - run.created))}{why}"


def _when(option: str, text: str | None) -> float | datetime | None:
    """A time, as so long ago or as a date."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return time.time() - parse_seconds(option, text, zero=True)
    except ConfigurationError:
        raise CommandError(f"{option} {text!r}: give how long ago, such as 2h, or a date, such as 2026-05-01") from None

"""``flowcraft list``: the runs on a backend."""

from __future__ import annotations

import time
from typing import Any, get_args

import click
from flowcraft_core.durable import StoredRun
from flowcraft_core.ports import State

from ..command import App, Commands
from ..output import brief, moment, seconds
from ..places import place
from ..values import read_tags, tags_option

_STATES = [state for state in get_args(State) if state != "dead"]
_WIDTHS = [32, 9, 20, 19]


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "list",
        settings=("backend",),
        examples="""
            flowcraft list
            flowcraft list --state failed --flow letters --tag kind=nightly
            flowcraft list --state completed --limit 0 | cut -f1
        """,
    )(list_runs)


@click.option("--state", "-s", "states", multiple=True, type=click.Choice(_STATES), help="In this state.")
@click.option("--flow", "-f", "flow_id", metavar="ID", help="Of this flow.")
@tags_option
@click.option("--limit", "-L", type=click.IntRange(0), default=50, help="At most so many; 0 for all.")
async def list_runs(
    app: App, states: tuple[str, ...], flow_id: str | None, tags: tuple[str, ...], limit: int
) -> dict[str, Any]:
    """List runs, page by page as they come."""
    wanted, more = read_tags(tags), False
    found: list[dict[str, Any]] = []
    app.out.heading(["RUN", "STATE", "FLOW", "STARTED", "FOR"], _WIDTHS)
    async with place(app) as here:
        for state in states or _STATES:
            async for run in here.client.runs(state, tags=wanted, blueprint_id=flow_id):  # type: ignore[arg-type]
                if limit and len(found) == limit:
                    more = True
                    break
                app.out.row([run.run_id, run.state, run.blueprint_id, moment(run.created), _lasted(run)], _WIDTHS)
                found.append(run_fields(run))
            if more:
                break
    if more:
        app.out.note(f"there are more than {limit}: --limit 0 lists all")
    elif not found:
        app.out.note("there are none")
    return {"runs": found, "more": more}


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
    return f"{seconds(max(0.0, end - run.created))}{why}"

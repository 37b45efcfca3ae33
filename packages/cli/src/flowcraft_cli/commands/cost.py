"""``flowcraft cost``: what a run has cost."""

from __future__ import annotations

from typing import Any

import attrs
import click
from flowcraft_core.durations import lasting

from ..command import App, Commands
from ..places import place


def register(main: Commands) -> None:
    """Add the command."""
    main.command("cost", settings=("backend", "serializer", "codec"), examples="flowcraft cost RUN")(cost)


@click.argument("run")
async def cost(app: App, run: str) -> dict[str, Any]:
    """Show what a RUN has cost.

    Steps, attempts, their time, writes to the stores, bytes stored.
    """
    async with place(app) as here:
        found = await here.client.footprint(run)
    app.out.say(f"{found.steps} steps in {found.attempts} attempts, which took {lasting(found.seconds)} together")
    app.out.say(f"{found.writes} writes to the stores at least, {sum(found.bytes.values()):,} bytes stored")
    app.out.heading(["FACTS", "NUMBER", "BYTES"], [10, 8])
    for kind, number in found.facts.items():
        app.out.row([kind, str(number), f"{found.bytes[kind]:,}"], [10, 8])
    if found.values:
        app.out.row(["values", str(found.values), "-"], [10, 8])
    return {"run_id": run, **attrs.asdict(found), "writes": found.writes}

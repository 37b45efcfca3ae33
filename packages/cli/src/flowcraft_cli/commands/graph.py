"""``flowcraft graph``: a flow, or a run of it, as a Mermaid diagram or an SVG picture."""

from __future__ import annotations

from typing import Any

import click
from flowcraft_core.pictures import Picture, mermaid, svg
from flowcraft_core.runtime.pictures import picture_of_recorded

from ..command import App, Commands
from ..loading import load_flow
from ..places import place


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "graph",
        settings=("flows", "backend", "serializer", "codec"),
        examples="""
            flowcraft graph app:flow > flow.mmd
            flowcraft graph orders.json --svg > orders.svg
            flowcraft graph --run RUN --svg > run.svg
        """,
    )(graph)


@click.argument("flow", required=False)
@click.option("--svg", "as_svg", is_flag=True, help="As an SVG picture.")
@click.option("--run", "run_id", metavar="RUN", help="A stored run: the ways taken, and where each node stands.")
async def graph(app: App, flow: str | None, as_svg: bool, run_id: str | None) -> dict[str, Any]:
    """Draw a flow, or a run, as a Mermaid diagram.

    Loops and called flows have in them what is inside. Of a node that ran several times, all instances are told
    together.
    """
    if run_id is not None:
        if flow is not None:
            raise click.UsageError("a run has its own flow: give FLOW or --run, not both")
        picture, about = await _of_run(app, run_id), {"run": run_id}
    else:
        found = load_flow(flow, app.settings)
        picture, about = found.picture(), {"flow": found.id}
    text = svg(picture) if as_svg else mermaid(picture)
    app.out.say(text)
    return {**about, "svg" if as_svg else "mermaid": text, "boxes": picture.size}


async def _of_run(app: App, run_id: str) -> Picture:
    async with place(app) as here:
        recorded = await here.client.export(run_id)
    return picture_of_recorded(recorded, here.serializer)

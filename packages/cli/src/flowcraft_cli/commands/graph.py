"""``flowcraft graph``: a flow as a Mermaid diagram."""

from __future__ import annotations

from typing import Any

import click

from ..command import App, Commands
from ..loading import load_flow
from ..mermaid import mermaid


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "graph",
        settings=("flows",),
        examples="""
            flowcraft graph app:flow > flow.mmd
            flowcraft graph orders.json
        """,
    )(graph)


@click.argument("flow", required=False)
def graph(app: App, flow: str | None) -> dict[str, Any]:
    """Draw a flow as a Mermaid diagram."""
    found = load_flow(flow, app.settings)
    text = mermaid(found.blueprint)
    app.out.say(text)
    return {"flow": found.id, "mermaid": text, "nodes": len(found.blueprint.nodes), "edges": len(found.blueprint.edges)}

"""``flowcraft export``: all facts of a run, for another machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..command import App, Commands
from ..places import place
from ..values import write_file


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "export",
        settings=("backend", "serializer", "codec"),
        examples="""
            flowcraft export RUN > run.json
            flowcraft export RUN --output run.json
        """,
    )(export)


@click.argument("run")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
async def export(app: App, run: str, output: Path | None) -> dict[str, Any]:
    """Write all facts of a RUN as JSON.

    Its blueprint, inputs, outputs, context values, as they were: `flowcraft replay` reads it.
    """
    async with place(app) as here:
        text = await here.client.export(run)
    if output is None:
        app.out.say(text)
        return {"run_id": run, "export": json.loads(text)}
    write_file(output, text)
    app.out.say(f"wrote {output}")
    return {"run_id": run, "file": str(output), "bytes": len(text.encode())}

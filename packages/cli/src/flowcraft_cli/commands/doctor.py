"""``flowcraft doctor``: what is wrong with how the backend is set up, and what to do about it."""

from __future__ import annotations

import attrs
import click
from flowcraft_core.durable import backend_from_url, diagnose
from flowcraft_core.urls import hide_secrets

from ..command import App, Commands
from ..exits import Answer, Exit
from ..places import url_of


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "doctor",
        settings=("backend",),
        examples="""
            flowcraft doctor
            flowcraft doctor --backend aws://eu-west-1/shop --json
        """,
    )(doctor)


@click.option("--patience", type=click.FloatRange(1), default=60.0, help="Seconds until a part must have answered.")
async def doctor(app: App, patience: float) -> Answer:
    """Say what is wrong with the backend, and what to do.

    Connects to each part, and looks at permissions, keys, expiry, indexes, settings, limits, clocks, versions, schema
    and disk. Nothing is changed, created or received. Ends with 1 if an error is found; a warning is no error.
    """
    url = url_of(app)
    found = await diagnose(backend_from_url(url), patience=patience)
    for finding in found:
        app.out.say(f"{finding.severity}: {finding.code}")
        app.out.say(f"    {finding.problem}")
        app.out.say(f"    -> {finding.remedy}")
    if not found:
        app.out.say(f"nothing is wrong with {hide_secrets(url)}")
    is_well = all(finding.severity != "error" for finding in found)
    fields = {"backend": hide_secrets(url), "findings": [attrs.asdict(finding) for finding in found]}
    return Answer(fields, Exit.OK if is_well else Exit.FAILED)

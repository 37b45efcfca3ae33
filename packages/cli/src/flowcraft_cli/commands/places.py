"""``flowcraft provision``: what a backend needs."""

from __future__ import annotations

from typing import Any

from flowcraft_core.durable import provision_url
from flowcraft_core.urls import hide_secrets

from ..command import App, Commands
from ..places import url_of


def register(main: Commands) -> None:
    """Add the commands."""
    main.command(
        "provision",
        settings=("backend",),
        examples="""
            flowcraft provision --backend sqlite:///runs.db
            flowcraft provision --backend aws://eu-west-1/shop
        """,
    )(provision)


async def provision(app: App) -> dict[str, Any]:
    """Create what the backend needs, as far as it is missing; what is there stays as it is."""
    url = url_of(app)
    there = await provision_url(url)
    for line in there:
        app.out.say(line)
    return {"backend": hide_secrets(url), "there": list(there)}

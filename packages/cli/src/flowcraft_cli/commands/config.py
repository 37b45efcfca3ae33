"""``flowcraft config``: the settings, and where each comes from."""

from __future__ import annotations

from typing import Any

from flowcraft_core.showing import as_json

from ..command import App, Commands
from ..settings import SETTINGS


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "config",
        settings=tuple(SETTINGS),
        examples="""
            flowcraft config
            FLOWCRAFT_BACKEND=sqlite:///runs.db flowcraft config --json
        """,
    )(config)


def config(app: App) -> dict[str, Any]:
    """Show the settings and their sources.

    Command line, environment, file or default, in this order; secrets are hidden.
    """
    found = {}
    for name in SETTINGS:
        value, source = app.settings.shown(name), app.settings.values[name].source
        found[name] = {"value": value, "source": source}
        text = "-" if value in (None, ()) else value if isinstance(value, str) else as_json(value)
        app.out.row([name, text, source], [18, 34])
    return {"settings": found, "root": str(app.settings.root)}

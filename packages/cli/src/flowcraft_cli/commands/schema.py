"""``flowcraft schema``: the JSON Schema of a blueprint."""

from __future__ import annotations

import json
from typing import Any

from flowcraft_core.schema import blueprint_schema

from ..command import App, Commands


def register(main: Commands) -> None:
    """Add the command."""
    main.command("schema", examples="flowcraft schema > blueprint.schema.json")(schema)


def schema(app: App) -> dict[str, Any]:
    """Print the JSON Schema of a blueprint.

    For editors, and for programs that write blueprints: it accepts what is read, and nothing else.
    """
    found = blueprint_schema()
    app.out.say(json.dumps(found, indent=2))
    return {"schema": found}

"""What the engine logs, and how to write it down: the catalogue of its log events, and formatters for them.

The engine writes to loggers under ``flowcraft`` by the standard library, with Python's own levels, and adds no handlers
of its own: where the lines go is the application's to say. Each record has its event's name as the attribute ``event``
and the event's fields as further attributes; inputs, outputs and context values are in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import EVENTS, FIELDS, LogEvent
    from .formatters import ContextFormatter, JsonFormatter

__all__ = ["EVENTS", "FIELDS", "ContextFormatter", "JsonFormatter", "LogEvent"]

# Checkers read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from ..on_demand import on_demand

    _MODULES = {
        "catalogue": "EVENTS FIELDS LogEvent",
        "formatters": "ContextFormatter JsonFormatter",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)

"""What the engine logs, and how to write it down: the catalogue of its log events, and formatters for them.

The engine writes to loggers under ``flowcraft`` by the standard library, with Python's own levels, and adds no handlers
of its own: where the lines go is the application's to say. Each record has its event's name as the attribute ``event``
and the event's fields as further attributes; inputs, outputs and context values are in none.
"""

from .catalogue import EVENTS, FIELDS, LogEvent
from .formatters import ContextFormatter, JsonFormatter

__all__ = ["EVENTS", "FIELDS", "ContextFormatter", "JsonFormatter", "LogEvent"]

"""Formatters for the engine's records, and for those of all others that come the same way."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .catalogue import FIELDS

# What every record has: what is left are the fields that somebody gave.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Of the fields, those that the message of the engine's own records does not have anyway, for people to read.
_SHOWN = ("run_id", "node_id", "instance", "attempt", "worker")


class ContextFormatter(logging.Formatter):
    """One line of text per record, with the run, node, instance, attempt and worker behind it, where there are any.

    A format of your own may name any field of the engine's, such as ``%(run_id)s``: it is ``-`` in records that do not
    have it, as those of other libraries, and is then not shown behind the line.

    Example:
        ::

            handler = logging.StreamHandler()
            handler.setFormatter(ContextFormatter())
            logging.basicConfig(level=logging.INFO, handlers=[handler])
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Any = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Like ``logging.Formatter``.

        Args:
            fmt: The format; time, level, logger and message by default.
            datefmt: The format of the time.
            style: How ``fmt`` names its fields, as for ``logging.Formatter``.
            validate: Whether ``fmt`` is checked, likewise.
            defaults: What stands for fields that a record does not have; ``-`` for each of the engine's by default.
        """
        missing = {**dict.fromkeys(FIELDS, "-"), **(defaults or {})}
        text = fmt or "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
        super().__init__(text, datefmt, style, validate, defaults=missing)
        self._behind = [name for name in _SHOWN if not any(f"{mark}{name}" in text for mark in "({$")]

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name for it
        """The line, before a traceback."""
        line = super().formatMessage(record)
        fields = vars(record)
        behind = " ".join(f"{name}={_one_word(fields[name])}" for name in self._behind if name in fields)
        return f"{line} [{behind}]" if behind else line

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; one whose arguments do not fit its message is shown with them beside it."""
        return super().format(_readable(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per record, on one line, whoever wrote it.

    It has ``timestamp`` (ISO 8601, UTC), ``level``, ``logger`` and ``message``, then every field that was given as
    ``extra``, under its own name; ``exception`` and ``stack`` are the traceback and the stack as text, where there are
    any. What JSON cannot say is written as its ``repr``. A field with one of those names gets an underscore behind it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        record = _readable(record)
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = {str(name): value for name, value in vars(record).items() if name not in _STANDARD}
        exception = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else None)
        if exception:
            line["exception"] = exception
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        line |= {f"{name}_" if name in _OWN else name: value for name, value in given.items()}
        try:
            return json.dumps(line, default=_repr, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # keys that are no text, NaN, circles
            return json.dumps({name: _plain(value) for name, value in line.items()})


_OWN = frozenset({"timestamp", "level", "logger", "message", "exception", "stack"})


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_repr, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return _repr(value)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _one_word(value: object) -> str:
    """A value that cannot be taken for two, nor for another field or line."""
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=]') else json.dumps(text)


def _readable(record: logging.LogRecord) -> logging.LogRecord:
    """The record, or one like it that can be formatted: its arguments may not fit its message."""
    try:
        record.getMessage()
    except Exception as error:
        copy = logging.makeLogRecord(vars(record))
        copy.msg = f"{_repr(record.msg)} with {_repr(record.args)} ({type(error).__name__})"
        copy.args = None
        return copy
    return record

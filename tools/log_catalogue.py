"""Writes the tables of docs/logging.md from the catalogue of log events: ``python tools/log_catalogue.py``."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from flowcraft_core.logging import EVENTS, FIELDS, LogEvent

PAGE = Path(__file__).resolve().parent.parent / "docs" / "logging.md"

_BEGIN, _END = "<!-- from the catalogue -->\n", "<!-- until here -->\n"


def tables() -> str:
    """The tables of events and of fields, as Markdown."""
    lines = ["| event | level | logger | message | further fields |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(event) for event in EVENTS.values()]
    lines += ["", "| field | what it is |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items()]
    return "\n".join(lines) + "\n"


def _row(event: LogEvent) -> str:
    level = logging.getLevelName(event.level)
    if event.lower is not None:
        level += f"; {logging.getLevelName(event.lower[0])} {event.lower[1]}"
    shown = re.sub(r"%\((\w+)\)[\d.]*\w", r"*\1*", event.message)
    hidden = [f"`{name}`" for name in event.fields if f"%({name})" not in event.message]
    hidden += ["the traceback"] if event.has_traceback else []
    return f"| `{event.name}` | {level} | `{event.logger}` | {shown} | {', '.join(hidden)} |"


def page(text: str) -> str:
    """The page with its tables as they are to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n" + tables() + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""Where log lines go, and in which form."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flowcraft_core.logging import ContextFormatter, JsonFormatter

from .settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

#: What the command itself says while it works.
SAID = logging.getLogger("flowcraft.cli")

# SDKs of backends that tell of each request at INFO, in some thirty lines.
_CHATTY = ("azure",)


class _OnConsole(logging.Handler):
    """Above what is drawn live."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


def set_up(settings: Settings, *, level: str | None = None, console: Console | None = None) -> None:
    """Show log lines on the error stream.

    Args:
        settings: Say from which level on, and in which form.
        level: The level if the settings leave it at its default.
        console: A console that draws live, for the lines to stand above.
    """
    handler: logging.Handler = logging.StreamHandler() if console is None else _OnConsole(console)
    handler.setFormatter(JsonFormatter() if settings["log_format"] == "json" else ContextFormatter())
    is_default = settings.values["log_level"].source == "default"
    name = level if level is not None and is_default else settings["log_level"]
    logging.basicConfig(level=name.upper(), handlers=[handler], force=True)
    if name == "info":
        for chatty in _CHATTY:
            logging.getLogger(chatty).setLevel(logging.WARNING)

"""What a command prints: lines for people, or one JSON object for programs."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import attrs
import click
from flowcraft_core.showing import as_json, legible

from .exits import CommandError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_COLOURS = {
    "running": "cyan",
    "awaiting": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "dead": "red",
}


# What a terminal may take for an order, but for the ends of lines and tabs.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


@attrs.define
class Output:
    """Where a command's words go.

    Attributes:
        as_json: Whether only JSON is printed: lines for people are left out.
    """

    as_json: bool = False
    # Standard output as it was at the start: while a command that gives JSON works, what steps print goes elsewhere.
    _stream: IO[str] | None = attrs.field(factory=lambda: sys.stdout, repr=False)

    @property
    def is_terminal(self) -> bool:
        """Whether people look at it as it comes."""
        return not self.as_json and sys.stdout is not None and sys.stdout.isatty()

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            _print(_CONTROLS.sub(_escape, text) if self.is_terminal else text)

    def show(self, what: RenderableType) -> None:
        """Something drawn, for people."""
        if not self.as_json:
            self.console().print(what)

    def console(self) -> Console:
        """A console on what is standard output now."""
        from rich.console import Console  # noqa: PLC0415 # for what is drawn

        return Console(highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Something beside the answer, on the error stream, so that nobody's pipe gets it."""
        if not self.as_json:
            _aside(click.style(_CONTROLS.sub(_escape, text), dim=True))

    def row(self, cells: Sequence[str], widths: Sequence[int] = ()) -> None:
        """A line of a table: in columns on a terminal, else with tabs between them, for ``cut`` and ``awk``."""
        if self.as_json:
            return
        cells = [one_line(cell) for cell in cells]
        if not self.is_terminal:
            _print("\t".join(cells))
            return
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)] + list(cells[len(widths) :])
        _print("  ".join(click.style(cell, fg=_COLOURS.get(cell.strip())) for cell in padded).rstrip())

    def heading(self, cells: Sequence[str], widths: Sequence[int] = ()) -> None:
        """A table's head, on a terminal only."""
        if self.is_terminal:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)] + list(
                cells[len(widths) :]
            )
            _print(click.style("  ".join(padded).rstrip(), dim=True))

    def event(self, fields: Mapping[str, Any]) -> None:
        """With ``--json``: a line of its own before the last one, of a command that goes on for long."""
        if self.as_json and self._stream is not None:
            text = as_json(fields)
            _print(text if _is_unicode(self._stream) else _BEYOND_ASCII.sub(_escape_json, text), self._stream)

    def end(self, ok: bool, fields: Mapping[str, Any]) -> None:
        """With ``--json``: the last line."""
        self.event({"ok": ok, **fields})

    def error(self, message: str, kind: str, code: int) -> None:
        """What went wrong, at the end: the problem, or the JSON object."""
        if self.as_json:
            self.end(False, {"error": {"type": kind, "message": message}, "exit": code})
        else:
            self.problem(message)

    def problem(self, message: str) -> None:
        """What went wrong, for people: a line on the error stream."""
        if not self.as_json:
            told = _CONTROLS.sub(_escape, legible(message))
            _aside(f"{click.style('Error:', fg='red', bold=True)} {told}")


def _colour() -> bool | None:
    """Never, if the user wants none (https://no-color.org); else on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def hold_all() -> None:
    """Have the standard streams hold whatever is written: what their encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")


def _aside(text: str) -> None:
    """A line on the error stream; where that cannot be written, what is beside the answer changes none."""
    if sys.stderr is None:
        return
    try:
        click.echo(text, err=True, color=_colour())
    except (OSError, ValueError):
        _give_up(sys.stderr)


def _give_up(stream: IO[str]) -> None:
    """Write nowhere what a stream still has: the interpreter would try again at its end, and tell of it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print(line: str, stream: IO[str] | None = None) -> None:
    """A line on standard output; if who read it has gone, it has seen enough, and the command ends.

    Raises:
        CommandError: It cannot be written.
    """
    stream = stream or sys.stdout
    if stream is None:  # it is closed: nobody wants to know
        return
    try:
        click.echo(line, file=None if stream is sys.stdout else stream, color=_colour())
    except OSError as error:
        _give_up(stream)
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(0) from None
        raise unwritten(error) from error


def unwritten(error: OSError) -> CommandError:
    """Standard output cannot be written."""
    return CommandError(f"standard output cannot be written: {error}")


def _is_unicode(stream: IO[str]) -> bool:
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _escape_json(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def one_line(text: str) -> str:
    """A text on one line, with an escape for each character that has no form of its own: tabs, ends of lines, ESC."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def moment(time: float | None) -> str:
    """A time, for people: in UTC, to the second."""
    if time is None:
        return "-"
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # somebody has written it by hand
        return repr(time)


def brief(value: Any, length: int = 80) -> str:
    """A value on one line, for people, cut to a length."""
    text = legible(value) if isinstance(value, str) else as_json(value)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= length else f"{text[: length - 1]}…"

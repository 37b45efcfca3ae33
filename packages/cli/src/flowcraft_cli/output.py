"""What a command prints: lines for people, or one JSON object for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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


@attrs.define
class Output:
    """Where a command's words go.

    Attributes:
        as_json: Whether only JSON is printed: lines for people are left out.
    """

    as_json: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether people look at it as it comes."""
        return not self.as_json and sys.stdout.isatty()

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            _print(text)

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
            click.secho(text, err=True, dim=True, color=_colour())

    def row(self, cells: Sequence[str], widths: Sequence[int] = ()) -> None:
        """A line of a table: in columns on a terminal, else with tabs between them, for ``cut`` and ``awk``."""
        if self.as_json:
            return
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
        if self.as_json:
            _print(as_json(fields))

    def end(self, ok: bool, fields: Mapping[str, Any]) -> None:
        """With ``--json``: the last line."""
        if self.as_json:
            _print(as_json({"ok": ok, **fields}))

    def error(self, message: str, kind: str, code: int) -> None:
        """What went wrong, at the end: the problem, or the JSON object."""
        if self.as_json:
            self.end(False, {"error": {"type": kind, "message": message}, "exit": code})
        else:
            self.problem(message)

    def problem(self, message: str) -> None:
        """What went wrong, for people: a line on the error stream."""
        if not self.as_json:
            click.echo(f"{click.style('Error:', fg='red', bold=True)} {legible(message)}", err=True, color=_colour())


def _colour() -> bool | None:
    """Never, if the user wants none (https://no-color.org); else on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def _print(line: str) -> None:
    """A line on standard output; if who read it has gone, it has seen enough, and the command ends.

    Raises:
        CommandError: It cannot be written.
    """
    try:
        click.echo(line, color=_colour())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter would try again at its end
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(0) from None
        raise CommandError(f"standard output cannot be written: {error}") from error


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

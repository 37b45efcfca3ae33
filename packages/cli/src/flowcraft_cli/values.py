"""What is given on the command line: JSON, tags, durations, and what is asked before something is done for good."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from flowcraft_core.durations import parse_duration

from .exits import CommandError, Exit

T = TypeVar("T", bound=Callable[..., Any])

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def read_json(text: str | None, what: str) -> Any:
    """A JSON value.

    Args:
        text: The JSON itself, ``@file`` or ``-`` for standard input; None for none.
        what: Where it was given, for the message.

    Raises:
        CommandError: It cannot be read.
    """
    if text is None:
        return None
    place = what
    try:
        if text == "-":
            place = f"{what} (standard input)"
            if sys.stdin is None:
                raise CommandError(f"{place} cannot be read: it is closed")
            text = sys.stdin.read()
        elif text.startswith("@"):
            place, text = f"{what} ({text[1:]})", Path(text[1:]).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_refuse)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"{place} cannot be read: {error}") from error
    except ValueError as error:
        raise CommandError(f"{place} is no JSON: {error}; quote it for the shell, or give @file or -") from error


def read_file(path: Path) -> str:
    """The text of a file.

    Raises:
        CommandError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def write_file(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        CommandError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error}") from error


def read_context(text: str | None) -> dict[str, Any]:
    """The initial context values of a run.

    Raises:
        CommandError: They cannot be read, or are no object.
    """
    value = read_json(text, "--input")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CommandError('--input must be a JSON object, the context values by name: {"name": value}')
    return value


def read_tags(tags: Sequence[str]) -> dict[str, str]:
    """Tags, of ``name=value``.

    Raises:
        CommandError: One is something else.
    """
    found: dict[str, str] = {}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not name or not equals:
            raise CommandError(f"--tag {tag!r}: write name=value")
        found[name] = value
    return found


def sure(question: str, yes: bool) -> None:
    """Ask before something is done for good; where nobody can answer, ``--yes`` has to be there.

    Raises:
        CommandError: Nobody has agreed.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(f"{question} Nobody is here to answer: add --yes")
    if not click.confirm(question, err=True):
        raise click.exceptions.Abort


class _Time(click.ParamType[str]):
    """How long: a number of seconds, or text such as ``10m``; as text, which the client reads."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """A number alone is seconds, as everywhere."""
        text = f"{value}s" if _SECONDS.fullmatch(value) else str(value)
        try:
            parse_duration(text)
        except ValueError:
            self.fail(f"{value!r:.80}: give seconds, or a time such as 500ms, 5s, 20m, 1h or 40d", param, ctx)
        return text


#: The type of an option that says how long.
TIME = _Time()


def require_flow(run_id: str, stored: str, meant: str) -> None:
    """Refuse a run of another flow than was meant.

    Raises:
        CommandError: It is one.
    """
    if stored != meant:
        raise CommandError(
            f"run {run_id!r} is one of flow {stored!r}, not of {meant!r}: give another id to start what you meant",
            Exit.REFUSED,
        )


def input_option(function: T) -> T:
    """``--input``."""
    return click.option(
        "--input", "-i", "input_", metavar="JSON", help="Context values by name, a JSON object; @file or - to read it."
    )(function)


def tags_option(function: T) -> T:
    """``--tag``."""
    return click.option("--tag", "-t", "tags", multiple=True, metavar="NAME=VALUE", help="A tag; may be repeated.")(
        function
    )


def yes_option(function: T) -> T:
    """``--yes``."""
    return click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(function)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")

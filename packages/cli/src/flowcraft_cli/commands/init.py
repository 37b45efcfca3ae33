"""``flowcraft init``: a small project that runs, is tested and deploys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Any

import click

from ..command import App, Commands
from ..exits import CommandError, Exit

_RENAMED = {"gitignore": ".gitignore"}


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "init",
        examples="""
            flowcraft init letters
            flowcraft init .
        """,
    )(init)


@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--name", help="The project's name; that of the folder by default.")
def init(app: App, folder: Path, name: str | None) -> dict[str, Any]:
    """Make a small project in FOLDER.

    It has a flow, a worker, a starter, tests, settings, and what deploys it. Nothing is overwritten.
    """
    name = name or re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-") or "flow"
    made = {folder / path: text for path, text in _files(files(__package__.rpartition(".")[0]) / "template")}
    if standing := [path for path in made if path.exists()]:
        listed = ", ".join(str(path) for path in standing)
        raise CommandError(f"{listed} would be overwritten: choose an empty folder", Exit.REFUSED)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).safe_substitute(name=name), encoding="utf-8")
        app.out.say(f"made {path}")
    inside = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    app.out.note(f'\nnext: {inside}flowcraft run --in-process --input \'{{"cities": ["Oslo"]}}\'')
    return {"folder": str(folder), "name": name, "files": [str(path) for path in made]}


def _files(folder: Traversable, inside: str = "") -> Iterator[tuple[str, str]]:
    """The files of the template, by the paths that they get."""
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _files(each, f"{inside}{each.name}/")
        elif each.name.endswith(".txt"):
            name = each.name.removesuffix(".txt")
            yield inside + _RENAMED.get(name, name), each.read_text(encoding="utf-8")

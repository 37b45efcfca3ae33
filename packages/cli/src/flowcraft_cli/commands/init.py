"""``flowcraft init``: a small project that runs, is tested and deploys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Any

import click

from ..command import App, Commands
from ..exits import CommandError, Exit
from ..values import write_file

# What can stand in the files of the template as it is: in a string of Python, in TOML, in YAML.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

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
    if not _NAME.fullmatch(name):
        raise CommandError(f"--name {name!r:.80}: give letters, digits, and . _ - between them")
    made = {folder / path: text for path, text in _files(files(__package__.rpartition(".")[0]) / "template")}
    try:
        standing = [path for path in made if path.exists()]
    except OSError as error:
        raise CommandError(f"{folder} cannot be made: {error}") from error
    if standing:
        listed = ", ".join(str(path) for path in standing)
        raise CommandError(f"{listed} would be overwritten: choose an empty folder", Exit.REFUSED)
    _require_folders(path.parent for path in made)
    for path, text in made.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{path.parent} cannot be made: {error}") from error
        write_file(path, Template(text).safe_substitute(name=name))
        app.out.say(f"made {path}")
    inside = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    app.out.note(f'\nnext: {inside}flowcraft run --in-process --input \'{{"cities": ["Oslo"]}}\'')
    return {"folder": str(folder), "name": name, "files": [str(path) for path in made]}


def _require_folders(folders: Iterable[Path]) -> None:
    """Refuse what is no folder before anything is made: no half of a project is left."""
    for folder in folders:
        for above in (folder, *folder.parents):
            if (above.exists() or above.is_symlink()) and not above.is_dir():
                raise CommandError(f"{above} is no folder: choose another, or remove it")


def _files(folder: Traversable, inside: str = "") -> Iterator[tuple[str, str]]:
    """The files of the template, by the paths that they get."""
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _files(each, f"{inside}{each.name}/")
        elif each.name.endswith(".txt"):
            name = each.name.removesuffix(".txt")
            yield inside + _RENAMED.get(name, name), each.read_text(encoding="utf-8")

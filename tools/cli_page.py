"""Writes the commands, settings and exit codes of docs/cli.md from the command itself: ``python tools/cli_page.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from flowcraft_cli import main
from flowcraft_cli.exits import Exit
from flowcraft_cli.settings import SETTINGS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

_BEGIN, _END = "<!-- from the command -->\n", "<!-- until here -->\n"
_WIDTH = 100


def tables() -> str:
    """Exit codes, settings and the help of each command, as Markdown."""
    lines = ["## Exit codes", "", "| code | meaning |", "| ---: | --- |"]
    lines += [f"| {code.value} | {code.meaning} |" for code in Exit]
    lines += [
        "",
        "## Settings",
        "",
        "| setting | in the environment | default | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for name, setting in SETTINGS.items():
        default = "" if setting.default in (None, ()) else f"`{setting.default}`"
        lines.append(f"| `{name}` | `FLOWCRAFT_{name.upper()}` | {default} | {setting.help} |")
    lines += ["", "## Commands"]
    for names, command in commands():
        lines += ["", f"### flowcraft {' '.join(names)}", "", "```text", help_of(names, command), "```"]
    return "\n".join(lines) + "\n"


def commands() -> Iterator[tuple[list[str], click.Command]]:
    """Every command, with the words that call it."""
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            yield from (([name, inner], each) for inner, each in command.commands.items())
        else:
            yield [name], command


def help_of(names: list[str], command: click.Command) -> str:
    """A command's help, on a page of this width."""
    above = click.Context(
        main, info_name="flowcraft", terminal_width=_WIDTH, max_content_width=_WIDTH, **main.context_settings
    )
    for name in names[:-1]:
        above = click.Context(main.commands[name], info_name=name, parent=above)
    return command.get_help(click.Context(command, info_name=names[-1], parent=above)).rstrip()


def page(text: str) -> str:
    """The page with these parts as they are to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n" + tables() + "\n" + _END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""The operator's handbook names commands and log lines that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from flowcraft_cli import main
from flowcraft_core.logging.catalogue import EVENTS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_QUOTED = re.findall(r"`(flowcraft [^`]+)`", PAGE.replace("\n", " "))
COMMANDS = sorted({line for block in _BLOCKS for line in block.splitlines()} | set(_QUOTED))


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_can_be_typed_as_it_is_written(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    _, *arguments = shlex.split(line)
    command: click.Command = main
    context = click.Context(main, info_name="flowcraft", **main.context_settings)  # kept by what is called in it
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None, name
        command = found
    command.make_context(name, arguments, parent=context)


def test_a_line_of_the_log_is_called_what_it_is() -> None:
    section = PAGE[PAGE.index("### The log says") : PAGE.index("## Deploys")]
    alarms = PAGE[PAGE.index("## Alarms") : PAGE.index("## Capacity")]
    named = {name for name in re.findall(r"`([a-z]+_[a-z]+)`", section + alarms) if name != "loop_lag"}
    assert named
    assert named <= set(EVENTS)

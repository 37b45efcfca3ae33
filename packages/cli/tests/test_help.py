import json
import subprocess
import sys

import click
from flowcraft_cli import main

HELP = """
import json, sys
sys.argv = ["flowcraft", "--help"]
from flowcraft_cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
print(json.dumps(sorted(sys.modules)))
"""


def test_the_help_loads_no_command_and_nothing_that_runs_flows() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    *shown, last = done.stdout.splitlines()
    loaded = set(json.loads(last))
    assert any(line.split() == ["waits", "Show", "what", "runs", "wait", "for."] for line in shown)
    assert not {name for name in loaded if name.startswith("flowcraft_cli.commands.")}
    assert loaded.isdisjoint({"asyncio", "rich", "flowcraft_core.durable.runs", "flowcraft_core.builder"})
    assert len([name for name in loaded if name.startswith("flowcraft")]) <= 14


def test_what_the_help_says_of_a_command_is_what_the_command_says_of_itself() -> None:
    for name, command in main.commands.items():
        assert command.help is not None
        assert main.commands.summaries[name] == " ".join(command.help.split("\n\n")[0].split()), name


def test_a_command_is_added_by_the_module_that_is_said_to_have_it() -> None:
    for name, command in main.commands.items():
        assert command.name == name
        assert main.commands.get(name) is command
    assert main.commands.get("nobodys") is None
    assert list(main.commands) == main.list_commands(click.Context(main))
    assert len(main.commands) == len(list(main.commands))

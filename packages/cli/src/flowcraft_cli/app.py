"""The command ``flowcraft``, put together."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from .command import CommandsOnDemand, Main

#: The commands in the order of the help, with what each is for, by the modules of ``commands`` that have them. Of a
#: command that is not called, this is all that the help needs.
_COMMANDS: Mapping[str, Mapping[str, str]] = {
    "init": {"init": "Make a small project in FOLDER."},
    "lint": {"lint": "Say what cannot be run in flows, and warn of what is seldom meant."},
    "graph": {"graph": "Draw a flow, or a run, as a Mermaid diagram."},
    "schema": {"schema": "Print the JSON Schema of a blueprint."},
    "run": {"run": "Run a flow and look on."},
    "worker": {"worker": "Work on runs until stopped."},
    "ui": {"ui": "Serve a page to look at runs."},
    "start": {"start": "Start a run on the backend; workers do the rest."},
    "listing": {
        "list": "List runs, the newest first where the backend can.",
        "waits": "Show what runs wait for.",
    },
    "show": {
        "show": "Show a RUN's inside.",
        "tail": "Follow a RUN until it has ended.",
    },
    "steering": {
        "resume": "End a WAIT of a RUN with a result.",
        "cancel": "Cancel runs.",
        "abandon": "Undo no more of a run that is being undone.",
        "redrive": "Try again what failed a RUN.",
        "fork": "Begin a RUN again from some of its nodes.",
        "reconcile": "Have the facts say what is due in runs.",
    },
    "dead_letters": {"dead-letters": "Look after messages that nobody could act on."},
    "purge": {"purge": "Remove all that is stored of ended runs."},
    "schedules": {"schedules": "Have runs start by themselves, at certain times."},
    "places": {
        "queues": "Show the queues, their workers and their depth.",
        "workers": "Show who works here.",
        "provision": "Create what the backend needs.",
    },
    "doctor": {"doctor": "Say what is wrong with the backend, and what to do."},
    "cost": {"cost": "Show what a RUN has cost."},
    "diff": {"diff": "Show in what a RUN and an OTHER differ."},
    "export": {"export": "Write all facts of a RUN as JSON."},
    "replay": {"replay": "Go through a recorded run on this machine."},
    "config": {"config": "Show the settings and their sources."},
    "completion": {"completion": "Print what a SHELL needs to complete words."},
}


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flowcraft-cli", prog_name="flowcraft")
def main() -> None:
    """Make, run, watch and steer durable workflows.

    Flows are named by module:name, file.py:name or file.json; backends by URL: sqlite:///runs.db, aws://REGION/NAME,
    azure://ACCOUNT/DATABASE, or what other packages bring. Every command takes --json.
    """


def _load(module: str) -> None:
    importlib.import_module(f"{__package__}.commands.{module}").register(main)


main.commands = CommandsOnDemand(_COMMANDS, _load)

"""The command ``flowcraft``, put together."""

from __future__ import annotations

import importlib
import importlib.util

import click

from .command import Main

#: The modules of ``commands`` in the order of the help; each has a function ``register``.
_MODULES = (
    *("init", "lint", "graph", "schema", "run", "worker", "ui"),
    *("start", "listing", "show", "steering", "dead_letters", "purge", "schedules"),
    *("places", "doctor", "cost", "diff", "export", "replay", "config", "completion"),
)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flowcraft-cli", prog_name="flowcraft")
def main() -> None:
    """Make, run, watch and steer durable workflows.

    Flows are named by module:name, file.py:name or file.json; backends by URL: sqlite:///runs.db, aws://REGION/NAME,
    azure://ACCOUNT/DATABASE, or what other packages bring. Every command takes --json.
    """


for _name in _MODULES:
    if importlib.util.find_spec(f"{__package__}.commands.{_name}") is not None:
        importlib.import_module(f"{__package__}.commands.{_name}").register(main)

"""``flowcraft completion``: what a shell needs to complete the command's words."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

from ..command import App, Commands


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "completion",
        examples="""
            flowcraft completion bash >> ~/.bashrc
            flowcraft completion zsh >> ~/.zshrc
            flowcraft completion fish > ~/.config/fish/completions/flowcraft.fish
        """,
    )(completion)


@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, app: App, shell: str) -> dict[str, Any]:
    """Print what a SHELL needs to complete words."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(context.find_root().command, {}, "flowcraft", "_FLOWCRAFT_COMPLETE").source()
    app.out.say(script)
    return {"shell": shell, "script": script}

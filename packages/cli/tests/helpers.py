"""What the tests have in common: a module of flows, and the command with what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
from click.testing import CliRunner, Result
from flowcraft_cli import main
from flowcraft_core.durable import Client, open_url
from flowcraft_core.ports import Backend

T = TypeVar("T")

FLOWS = """
from flowcraft_core import create_flow

async def price(ctx):
    return sum((await ctx.context.get("items")).values())

async def pay(ctx):
    if ctx.input > 100:
        raise ValueError(f"{ctx.input} is too much")
    return f"paid {ctx.input}"

async def ship(ctx):
    return "shipped"

order = create_flow("order").node("price", price).node("pay", pay).edge("price", "pay")
asking = create_flow("asking").node("price", price).wait("approve").node("ship", ship)
asking.edge("price", "approve").edge("approve", "ship")
"""


@attrs.frozen
class Commanding:
    """The command in a user's folder.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def url(self) -> str:
        """A backend there."""
        return f"sqlite:///{self.folder}/runs.db"

    def __call__(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        """Call it; the exit code is what it is said to be."""
        result = CliRunner().invoke(main, arguments, input=stdin)
        assert result.exit_code == code, (result.exit_code, result.output)
        return result

    def said(self, *arguments: str, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
        """What it says with ``--json``: the last line, which is all that there is."""
        result = self(*arguments, "--json", code=code, stdin=stdin)
        (line,) = result.stdout.splitlines()
        answer: dict[str, Any] = json.loads(line)
        assert answer["ok"] is (code == 0)
        return answer

    def write(self, name: str, text: str) -> Path:
        """A file of the user's."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """Ask the backend past the command."""
        return self.on_backend(lambda backend: question(Client(backend)))

    def on_backend(self, question: Callable[[Backend], Awaitable[T]]) -> T:
        """Do something with the backend past the command."""

        async def within() -> T:
            async with open_url(self.url) as backend:
                return await question(backend)

        return asyncio.run(within())

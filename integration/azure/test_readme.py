"""The Python of packages/azure/README.md, block after block in one program, as a reader would try it."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos.aio import CosmosClient
from azure_emulators import Emulators
from flowcraft_azure import AzureSettings, provision
from flowcraft_core import NodeContext, create_flow

_README = Path(__file__).parents[2] / "packages" / "azure" / "README.md"


async def _greet(ctx: NodeContext) -> str:
    return f"from {await ctx.context.get('city')}"


async def test_every_block_of_the_readme_does_what_it_says(
    emulators: Emulators, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker in a thread, a run, its context, a reconciler, and an app for Functions."""
    # Emulators say that they live elsewhere than where they are reached.
    connect = partial(CosmosClient.from_connection_string, enable_endpoint_discovery=False)
    monkeypatch.setattr(CosmosClient, "from_connection_string", connect)
    environment = emulators.environment()
    names: dict[str, Any] = {
        "my_flow": create_flow("my-flow").node("greet", _greet),
        "STORAGE": environment["AZURE_STORAGE_CONNECTION_STRING"],
        "COSMOS": environment["COSMOS_DB_CONNECTION_STRING"],
        "REDIS": environment["REDIS_CONNECTION_STRING"],
        "make_adapter": lambda: names["adapter"],
    }
    await provision(**AzureSettings.from_environment(environment).for_provision())
    blocks = re.findall(r"^```python\n(.*?)^```$", _README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        if "async with adapter:" in block:  # in this loop from here on, and not in the thread that `start` made
            await asyncio.to_thread(names["adapter"].stop)
            working = asyncio.ensure_future(names["adapter"].again().serve())
        program = compile(block, f"{_README}: block {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(program, names)
        if inspect.isawaitable(running):
            await running
    assert (names["result"].status, names["result"].outputs["greet"]) == ("completed", "from Bern")
    assert (
        capsys.readouterr().out == "reconciled 0 of 0 stalled runs, 0 failed\nbegun by hand, and no message came: ()\n"
    )
    assert [each.get_function_name() for each in names["app"].get_functions()] == ["work"]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

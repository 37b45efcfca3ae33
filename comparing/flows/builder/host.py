"""Runs the flows of the builder."""

import asyncio
import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from flowcraft_core import FlowRuntime


@contextlib.contextmanager
def session() -> Iterator[str]:
    """How the flows are run."""
    yield "in one process"


def run(name: str, given: Any, answer: Any) -> Any:
    """What a flow gives."""
    return asyncio.run(_run(importlib.import_module(name).flow, given, answer))


async def _run(flow: Any, given: Any, answer: Any) -> Any:
    handle = FlowRuntime([flow]).start(flow, {"input": given})
    if answer is not None:
        handle.resume("answer", output=answer, early=True)
    return (await handle.result()).raise_for_status().output

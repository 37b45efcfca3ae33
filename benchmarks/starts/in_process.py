"""A program that runs one step in process."""

from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from starts.said import said


async def step(ctx: NodeContext[Any, Any]) -> None:
    """The first step."""
    said()


flow = create_flow("first").node("step", step)
FlowRuntime([flow]).run_sync(flow).raise_for_status()

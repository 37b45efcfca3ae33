"""Scripts: what stands in for a step in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from flowcraft_core import NodeResult
from flowcraft_core.steps import Implementation

#: An answer per attempt, the last one for all further attempts. An exception is raised, a function is called with the
#: node's context, and everything else is the output.
Script: TypeAlias = Sequence[Any]


def scripted(node_id: str, script: Script) -> Implementation:
    """A script as the step of a node."""

    async def step(ctx: Any) -> Any:
        answer = script[min(ctx.attempt, len(script)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer) and not isinstance(answer, NodeResult):
            answer = answer(ctx)
            if hasattr(answer, "__await__"):
                answer = await answer
        return answer

    return Implementation(f"the script of {node_id}", is_async=True, call=step, step=step)

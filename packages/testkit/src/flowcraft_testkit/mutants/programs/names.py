"""Builders that name steps by something that does not last."""

from __future__ import annotations

from typing import Any

from flowcraft_core.builder import FlowBuilder

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (FlowBuilder, "_register"),
    caught_by=BackendContract.test_a_deployment_gives_no_run_in_flight_another_nodes_step,
    name="builder.NamedInTheOrderOfAdding",
)
def numbered(original: Any, self: Any, node_id: str, step: Any, role: str | None = None) -> str:
    """Names a flow's steps by the order in which they were added."""
    if isinstance(step, str):
        return step
    brought = original(self, node_id, step, role)
    name = f"step-{len(self._implementations)}"
    self._implementations[name] = self._implementations.pop(brought)
    return name

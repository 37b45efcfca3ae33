"""What the tests of decorated flows share."""

from __future__ import annotations

from typing import Any

from flowcraft_core import Flow, FlowRuntime, RunResult


def run(flow: Flow[Any, Any], given: Any = None, **options: Any) -> RunResult[Any]:
    """A run that has ended well."""
    return FlowRuntime([flow], **options).run_sync(flow, given).raise_for_status()

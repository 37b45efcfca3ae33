"""Waiting for a run, and telling how it ended."""

from __future__ import annotations

from typing import Any

from flowcraft_core import RunResult
from flowcraft_core.durable import Client, StoredResult

from .command import App
from .exits import Answer, Exit
from .output import brief, one_line

_CODES = {"completed": Exit.OK, "failed": Exit.FAILED, "cancelled": Exit.FAILED}


async def wait_for(app: App, client: Client, run_id: str, timeout: str | None = None) -> Answer:
    """Wait for a run's end, and tell of it.

    Raises:
        TimeoutError: It has not ended in time.
    """
    return tell_result(app, await client.wait(run_id, timeout=timeout))


def tell_result(app: App, result: RunResult | StoredResult) -> Answer:
    """Say how a run ended, or where it stands."""
    app.out.say(f"run {one_line(result.run_id)} {result.status}, {result.steps} steps")
    for node, output in result.outputs.items():
        if output is not None:
            app.out.say(f"  {node}: {brief(output)}")
    for error in result.errors:
        app.out.say(f"  {error}")
    reason = getattr(result, "reason", None)
    if reason and not result.errors:
        app.out.say(f"  {reason}")
    waiting = getattr(result, "waiting", ())
    for key in waiting:
        app.out.say(f"  waits for a resume: {key}")
    return Answer(fields_of(result), _CODES.get(result.status, Exit.WAITING))


def fields_of(result: RunResult | StoredResult) -> dict[str, Any]:
    """A result, for programs."""
    fields: dict[str, Any] = {
        "run_id": result.run_id,
        "state": result.status,
        "steps": result.steps,
        "outputs": result.outputs,
        "context": result.context,
        "errors": [{"node_id": e.node_id, "key": e.key, "type": e.type, "message": e.message} for e in result.errors],
    }
    if isinstance(result, RunResult):
        return {**fields, "waiting": list(result.waiting)}
    return {**fields, "reason": result.reason, "redrive_of": result.redrive_of, "redriven_as": result.redriven_as}

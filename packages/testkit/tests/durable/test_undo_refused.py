"""A flow with an undo is refused by whoever would have its runs done by workers, which do not undo."""

from __future__ import annotations

import pytest
from flowcraft_core import ConfigurationError, NodeContext, create_flow
from flowcraft_core.durable import Client, UnknownRunError, runs
from flowcraft_testkit import InMemoryBackend


async def step(ctx: NodeContext) -> None: ...


async def test_a_client_refuses_to_start_what_workers_would_not_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "UNDOES", False)
    called = create_flow("called").node("a", step, undo=step)
    flow = create_flow("f").subflow("s", called)
    backend = InMemoryBackend()
    await backend.open()
    client = Client(backend, flows=[flow])
    for each in (called, flow):
        with pytest.raises(ConfigurationError, match=r"flow 'called' has nodes with an undo, .* not undone yet"):
            await client.start(each, run_id="r")
    with pytest.raises(UnknownRunError):
        await client.status("r")
    await backend.close()

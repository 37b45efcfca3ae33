"""Runs that were begun with SQL, as the documentation shows it."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import BackendError
from flowcraft_sqlite import SqliteBackend

PAGE = Path(__file__).resolve().parents[3] / "docs" / "durable.md"


async def _quote(ctx: NodeContext[Any, Any]) -> Any:
    return await ctx.context.get("item")


def _execute(path: Path, statements: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(statements)
    connection.close()


async def test_the_statements_of_the_documentation_begin_a_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    (shown,) = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    async with SqliteBackend(path) as backend:
        _execute(path, shown)
        client = Client(backend)
        assert (await client.status("purchase-8")).state == "running"
        flow = create_flow("purchase").node("quote", _quote)
        worker = Worker(backend, FlowRuntime([flow]), poll=0.2)
        working = asyncio.ensure_future(worker.run())
        result = await client.wait("purchase-8", timeout=60)
        assert (result.status, result.outputs) == ("completed", {"quote": "lamp"})
        await client.purge("purchase-8")
        assert await backend.by_hand.initial_context("purchase-8") is None
        worker.stop()
        await working


@pytest.mark.parametrize(("context", "problem"), [("{", "is not JSON"), ("[]", "is no JSON object")])
async def test_a_row_that_is_no_context_is_refused_by_name(tmp_path: Path, context: str, problem: str) -> None:
    async with SqliteBackend(tmp_path / "runs.db") as backend:
        _execute(tmp_path / "runs.db", f"INSERT INTO initial_contexts VALUES ('run', '{context}')")
        with pytest.raises(BackendError, match=f"run 'run': its row in initial_contexts {problem}"):
            await backend.by_hand.initial_context("run")

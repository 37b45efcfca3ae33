"""What ``packages/postgres/README.md`` shows, done as it is printed: its programs and its SQL."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flowcraft_postgres
import psycopg
import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_postgres import PostgresBackend
from postgres_server import PostgresServer

_README = (Path(__file__).parents[2] / "packages" / "postgres" / "README.md").read_text(encoding="utf-8")
_PROGRAMS = re.findall(r"^```python\n(.*?)^```$", _README, re.MULTILINE | re.DOTALL)
_SQL = re.findall(r"^```sql\n(.*?)^```$", _README, re.MULTILINE | re.DOTALL)


async def _check(ctx: Any) -> Any:
    return await ctx.context.get("id") or await ctx.context.get("total")


async def _run(program: str, names: dict[str, Any]) -> dict[str, Any]:
    """A program that awaits outside of a function."""
    code = compile(program, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if asyncio.iscoroutine(result):
        await result
    return names


@pytest.fixture
def url(server: PostgresServer) -> str:
    """A database with the tables that the page takes for granted; the schema is the usual one."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS shop")
        for role in ("shop_worker", "shop_web", "grafana"):
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    shop = server.create_database("shop")
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id text, total int)")
        connection.execute("CREATE TABLE bookings (id text, seat int)")
    return shop


async def _worked(url: str, flow: Any, run_id: str) -> Any:
    async with PostgresBackend(url) as backend:
        worker = Worker(backend, FlowRuntime([flow]), poll=0.2)
        working = asyncio.ensure_future(worker.run())
        result = await Client(backend).wait(run_id, timeout=60)
        worker.stop()
        await working
        return result


async def test_administrators_provision_as_it_is_printed(url: str) -> None:
    program = _PROGRAMS[0].replace("postgresql://admin@db/shop", url)
    await _run(program, {"flowcraft_postgres": flowcraft_postgres})
    async with PostgresBackend(psycopg.conninfo.make_conninfo(url, user="shop_worker")) as backend:
        assert await backend.status.get("run") is None


async def test_a_run_begins_with_an_order_as_it_is_printed(url: str) -> None:
    flow = create_flow("orders").node("check", _check)
    async with PostgresBackend(url) as backend, await psycopg.AsyncConnection.connect(url, autocommit=True) as own:
        await _run(_PROGRAMS[1], {"connection": own, "client": Client(backend, flows=[flow])})
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id, total FROM orders").fetchall() == [("17", 12)]
    assert (await _worked(url, flow, "order-17")).outputs == {"check": "17"}


async def test_a_step_books_as_it_is_printed(url: str) -> None:
    book = SimpleNamespace(**await _run(_PROGRAMS[2], {})).book

    async def seat(ctx: Any) -> int:
        return 7

    flow = create_flow("bookings").node("seat", seat).node("book", book).edge("seat", "book")
    async with PostgresBackend(url) as backend:
        await Client(backend).start(flow, run_id="booking")
    assert (await _worked(url, flow, "booking")).outputs["book"] == "booked"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id, seat FROM bookings").fetchall() == [("booking", 7)]


async def test_a_run_is_begun_by_hand_as_it_is_printed(url: str) -> None:
    flow = create_flow("orders").node("check", _check)
    async with PostgresBackend(url):
        pass
    (sql,) = _SQL
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
    assert (await _worked(url, flow, "order-17")).outputs == {"check": 12}

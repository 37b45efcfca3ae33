"""How a database gets its tables, and what each role may do with them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import psycopg
import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.errors import BackendError, TransientError, UnknownQueueError
from flowcraft_core.ports import Message
from flowcraft_postgres import _schema, grants_sql, provision, schema_sql
from flowcraft_postgres._schema import SCHEMA_VERSION
from postgres_places import Place
from postgres_server import PostgresServer
from psycopg.conninfo import make_conninfo

_ROLES = ("ordinary", "worker role", "client role", "reader role")


@pytest.fixture
def roles(server: PostgresServer) -> None:
    """Roles that may do nothing yet."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for role in _ROLES:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                connection.execute(f'CREATE ROLE "{role}" LOGIN'.encode())


def as_role(place: Place, role: str) -> Place:
    return Place(make_conninfo(place.url, user=role), place.schema)


async def tables(place: Place) -> set[str]:
    found = await place.ask("SELECT relname FROM pg_class WHERE relnamespace = (%s)::regnamespace", f'"{place.schema}"')
    return {name for (name,) in found}


async def test_many_that_are_the_first_make_one_schema(place: Place) -> None:
    backends = [place.backend(connections=1) for _ in range(20)]
    await asyncio.gather(*(backend.open() for backend in backends))
    assert await place.ask("SELECT version FROM flowcraft.schema_version") == [(SCHEMA_VERSION,)]
    await asyncio.gather(*(backend.close() for backend in backends))


async def test_what_is_there_already_is_only_looked_at(place: Place, roles: None) -> None:
    await provision(place.url, schema=place.schema, workers=["worker role"])
    async with as_role(place, "worker role").backend() as backend:
        assert await backend.status.get("run") is None


async def test_a_newer_schema_is_refused(place: Place) -> None:
    await provision(place.url, schema=place.schema)
    await place.ask(f"UPDATE flowcraft.schema_version SET version = {SCHEMA_VERSION + 1}")
    with pytest.raises(BackendError, match="upgrade flowcraft-postgres"):
        await place.backend().open()


async def test_a_schema_of_the_first_version_gets_queues_by_name_and_keeps_its_messages(place: Place) -> None:
    await place.ask("CREATE SCHEMA {schema}")
    await place.ask(f"{_schema._versions_sql()}{_schema._MIGRATIONS[0]}")
    await place.ask("INSERT INTO flowcraft.schema_version (version) VALUES (1)")
    await place.ask("INSERT INTO flowcraft.jobs (body) VALUES ('old')")
    async with place.backend() as backend:
        await backend.queues.named("gpu").send([Message("new")])
        assert await backend.queues.names() == ["gpu"]
        for queue, body in ((backend.queue, "old"), (backend.queues.named("gpu"), "new")):
            assert [each.body for each in await queue.receive(max_messages=9, wait=0, visibility=60)] == [body]
        with pytest.raises(UnknownQueueError, match="'no name'"):
            backend.queues.named("no name")


async def test_another_programs_schema_is_refused(place: Place) -> None:
    await place.ask("CREATE SCHEMA {schema}")
    await place.ask("CREATE TABLE flowcraft.jobs (id int)")
    with pytest.raises(BackendError, match="another program"):
        await place.backend().open()
    assert await place.ask("SELECT * FROM flowcraft.jobs") == []


async def test_an_empty_schema_that_was_made_for_it_is_filled_by_its_owner(place: Place, roles: None) -> None:
    await place.ask('CREATE SCHEMA {schema} AUTHORIZATION "ordinary"')
    async with as_role(place, "ordinary").backend() as backend:
        assert await backend.status.get("run") is None


async def test_a_role_that_may_make_no_schema_is_told_who_can(place: Place, roles: None) -> None:
    with pytest.raises(BackendError, match=r"provision\(\)") as raised:
        await as_role(place, "ordinary").backend().open()
    assert not isinstance(raised.value, TransientError)


async def test_a_database_of_another_encoding_is_refused(server: PostgresServer) -> None:
    url = server.create_database("latin", ENCODING="LATIN1", TEMPLATE="template0", LC_COLLATE="'C'", LC_CTYPE="'C'")
    with pytest.raises(BackendError, match="LATIN1"):
        await Place(url, "flowcraft").backend().open()


async def test_the_sql_for_administrators_makes_what_open_makes(place: Place, server: PostgresServer) -> None:
    made, opened = place, place.beside()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(schema_sql(made.schema).encode())
    async with opened.backend():
        pass
    assert await tables(made) == await tables(opened)
    async with made.backend() as backend:
        assert await backend.queue.receive(max_messages=1, wait=0, visibility=1) == []


async def test_the_command_prints_sql_that_the_server_takes(place: Place, server: PostgresServer, roles: None) -> None:
    async def printed(*arguments: str) -> bytes:
        command = (sys.executable, "-m", "flowcraft_postgres", "--schema", place.schema, *arguments)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return output

    with psycopg.connect(server.url(), autocommit=True) as connection:
        for arguments in (["schema"], ["grants", "worker", "worker role"], ["grants", "read-only", "reader role"]):
            connection.execute(await printed(*arguments))
    async with as_role(place, "reader role").backend() as backend:
        assert await backend.context.get("run", ["key"]) == {}


# --- rights -----------------------------------------------------------------------------------------------------------


async def _one(ctx: Any) -> int:
    await ctx.context.set("name", 1)
    return 1


async def _wait(ctx: Any) -> int:
    return 2


async def test_runs_need_no_more_rights_than_their_roles_have(place: Place, roles: None) -> None:
    """A client starts, looks, resumes, cancels and purges; a worker and a reconciler do the rest."""
    await provision(
        place.url, schema=place.schema, workers=["worker role"], clients=["client role"], readers=["reader role"]
    )
    flow = create_flow("flow").node("a", _one).node("b", _one).node("c", _wait).wait("w").edge("a", "w")
    flow.edge("w", "b").edge("w", "c")
    async with (
        as_role(place, "worker role").backend() as works,
        as_role(place, "client role").backend() as starts,
        as_role(place, "reader role").backend() as looks,
    ):
        client, reader = Client(starts, flows=[flow]), Client(looks)
        worker = Worker(works, FlowRuntime([flow]), reconcile_interval=0.2)
        working = asyncio.ensure_future(worker.run())
        await client.start(flow, {"big": "x" * 3_000_000}, run_id="run")
        await client.start(flow, run_id="other")
        for run_id in ("run", "other"):
            while (await reader.status(run_id)).state != "awaiting":  # noqa: ASYNC110 - it depends on others
                await asyncio.sleep(0.02)
        await client.resume("run", "w", output=1)
        assert (await client.wait("run")).status == "completed"
        assert await client.cancel("other")
        await Reconciler(works).run_once()
        worker.stop()
        await working
        assert (await reader.result("run")).outputs["b"] == 1
        with pytest.raises(BackendError, match="grants_sql"):
            await looks.status.delete("run")
        for run_id in ("run", "other"):
            await client.purge(run_id)
    for table in ("facts", "context_values", "statuses"):
        left = f"SELECT run_id FROM flowcraft.{table} WHERE run_id <> ':blueprints'"  # those are everybody's
        assert await place.ask(left) == []


@pytest.mark.parametrize("kind", ["worker", "client", "read-only"])
async def test_nobody_may_change_a_fact_or_the_tables(kind: Any, place: Place, roles: None) -> None:
    await provision(place.url, schema=place.schema)
    await place.ask(grants_sql("ordinary", kind, place.schema))
    there = as_role(place, "ordinary")
    for statement in (
        "UPDATE flowcraft.facts SET body = ''",
        "DROP TABLE flowcraft.facts",
        "ALTER TABLE flowcraft.facts ADD COLUMN more int",
        "UPDATE flowcraft.schema_version SET version = 0",
        "TRUNCATE flowcraft.facts",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await there.ask(statement)

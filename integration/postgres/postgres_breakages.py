"""Databases, schemas and roles that are broken on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from unittest import mock

import attrs
import psycopg
from breakage import Breakages
from flowcraft_core.ports import Backend, Fact
from flowcraft_postgres import PostgresBackend, diagnosis, provision
from flowcraft_postgres.symptoms import SYMPTOMS
from postgres_places import Place
from postgres_server import PostgresServer, postgres
from psycopg.conninfo import make_conninfo

BREAKAGES = Breakages({symptom.code for symptom in SYMPTOMS} | {"CLOCK-SKEW"})

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def ground() -> AsyncIterator[PostgresServer]:
    """A server."""
    with postgres() as running:
        yield running


@contextlib.asynccontextmanager
async def place(server: PostgresServer) -> AsyncIterator[Place]:
    """A database of a breakage's own."""
    yield Place(await asyncio.to_thread(server.create_database, f"broken_{next(_numbers)}"), "flowcraft")


@contextlib.asynccontextmanager
async def healthy(place: Place) -> AsyncIterator[PostgresBackend]:
    """A backend that was used, and is closed."""
    async with place.backend() as backend:
        await backend.context.put("run", "key", Fact(b"body", "writer"))
    yield place.backend()


async def _role(place: Place, *grants: str) -> PostgresBackend:
    """The backend of a new role, which has these rights."""
    role = f"role_{next(_numbers)}"
    await place.ask(f"CREATE ROLE {role} LOGIN")
    for grant in grants:
        await place.ask(f"GRANT {grant} TO {role}")
    return attrs.evolve(place, url=make_conninfo(place.url, user=role)).backend()


@BREAKAGES.found_as("POSTGRES-UNREACHABLE")
async def nobody_listens(place: Place) -> AsyncIterator[Backend]:
    yield attrs.evolve(place, url=make_conninfo(place.url, port="1")).backend()


@BREAKAGES.found_as("POSTGRES-CREDENTIALS", "stranger")
async def the_user_is_unknown(place: Place) -> AsyncIterator[Backend]:
    yield attrs.evolve(place, url=make_conninfo(place.url, user="stranger")).backend()


@BREAKAGES.found_as("POSTGRES-DATABASE-MISSING", "nowhere")
async def the_database_is_misspelt(place: Place) -> AsyncIterator[Backend]:
    yield attrs.evolve(place, url=make_conninfo(place.url, dbname="nowhere")).backend()


@BREAKAGES.found_as("POSTGRES-ENCODING", "SQL_ASCII")
async def the_database_has_another_encoding(place: Place) -> AsyncIterator[Backend]:
    name = f"ascii_{next(_numbers)}"
    await place.ask(f"CREATE DATABASE \"{name}\" ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    yield attrs.evolve(place, url=make_conninfo(place.url, dbname=name)).backend()


@BREAKAGES.found_as("POSTGRES-READ-ONLY", "target_session_attrs")
async def the_server_takes_no_writes(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place):
        options = "-c default_transaction_read_only=on"
        yield attrs.evolve(place, url=make_conninfo(place.url, options=options)).backend()


@BREAKAGES.found_as("POSTGRES-SCHEMA-MISSING", "flowcrafft")
async def the_schema_is_misspelt(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place):
        yield attrs.evolve(place, schema="flowcrafft").backend()


@BREAKAGES.found_as("POSTGRES-SCHEMA-FORBIDDEN", "provision", "role_")
async def the_schema_is_not_there_and_may_not_be_made(place: Place) -> AsyncIterator[Backend]:
    yield await _role(place)


@BREAKAGES.found_as("POSTGRES-SCHEMA-NEWER", "99")
async def the_tables_are_of_a_later_version(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place) as backend:
        await place.ask("UPDATE flowcraft.schema_version SET version = 99")
        yield backend


@BREAKAGES.found_as("POSTGRES-FOREIGN", "flowcraft")
async def the_schema_is_another_programs(place: Place) -> AsyncIterator[Backend]:
    await place.ask("CREATE SCHEMA flowcraft")
    await place.ask("CREATE TABLE flowcraft.jobs (id int)")
    yield place.backend()


@BREAKAGES.found_as("POSTGRES-TABLES-MISSING", "facts, jobs")
async def tables_were_dropped(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place) as backend:
        await place.ask("DROP TABLE flowcraft.jobs, flowcraft.facts")
        yield backend


@BREAKAGES.found_as("POSTGRES-PERMISSION", "INSERT on facts", "grants worker role_")
async def a_worker_may_only_look(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place):
        backend = await _role(place)
        name = backend._database.settings.conninfo.split("user=")[1].split()[0]
        await provision(place.url, schema=place.schema, readers=[name])
        await place.ask(f"GRANT UPDATE, INSERT, DELETE ON flowcraft.jobs, flowcraft.coordination TO {name}")
        yield backend


@BREAKAGES.found_as("POSTGRES-PERMISSION", "SELECT on schema_version")
async def a_role_may_not_even_look(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place):
        yield await _role(place)


@BREAKAGES.found_as("POSTGRES-SYNCHRONOUS-COMMIT", "synchronous_commit")
async def a_crash_may_take_the_last_moments(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place):
        options = "-c synchronous_commit=off"
        yield attrs.evolve(place, url=make_conninfo(place.url, options=options)).backend()


@BREAKAGES.found_as("POSTGRES-OLD-TRANSACTION", "forgetful")
async def somebody_has_forgotten_a_transaction(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place) as backend:
        url = make_conninfo(place.url, application_name="forgetful")
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("SELECT 1")
            with mock.patch.object(diagnosis, "_OLD", 0.0):
                yield backend


@BREAKAGES.found_as("CLOCK-SKEW", "PostgreSQL")
async def this_machines_clock_is_wrong(place: Place) -> AsyncIterator[Backend]:
    async with healthy(place) as backend:
        with mock.patch.object(diagnosis, "time", mock.Mock(**{"time.return_value": 1_000.0})):
            yield backend

"""Every set-up on PostgreSQL that is broken on purpose is named rightly, and those that are not are left in peace."""

from __future__ import annotations

import pytest
from breakage import Breakage, wrong_about, wrong_about_health
from flowcraft_postgres import provision
from flowcraft_postgres.symptoms import SYMPTOMS
from postgres_breakages import BREAKAGES, healthy
from postgres_breakages import place as broken_place
from postgres_places import Place
from postgres_server import PostgresServer
from psycopg.conninfo import make_conninfo


@pytest.mark.parametrize("breakage", BREAKAGES.all, ids=lambda each: each.name)
async def test_it_is_named_rightly(breakage: Breakage, server: PostgresServer) -> None:
    async with broken_place(server) as place:
        assert await wrong_about(breakage, place) == ""


async def test_what_is_healthy_has_no_findings(place: Place) -> None:
    async with healthy(place) as backend:
        assert await wrong_about_health(backend) == ""
    assert await wrong_about_health(place.backend(synchronous_commit="off")) == "", "it was asked for"


@pytest.mark.parametrize("kind", ["workers", "clients"])
async def test_a_role_with_the_rights_of_its_kind_is_healthy(kind: str, place: Place) -> None:
    await place.ask(f"DO $$ BEGIN CREATE ROLE healthy_{kind} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    await provision(place.url, schema=place.schema, **{kind: [f"healthy_{kind}"]})
    behind = Place(make_conninfo(place.url, user=f"healthy_{kind}"), place.schema)
    assert await wrong_about_health(behind.backend()) == ""


def test_every_finding_has_a_breakage() -> None:
    """But for what the server says of which nobody has thought."""
    shown = {breakage.code for breakage in BREAKAGES.all}
    assert {symptom.code for symptom in SYMPTOMS} - shown == {"POSTGRES-UNUSABLE"}

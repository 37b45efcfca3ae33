import pickle
import typing
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import pytest
from flowcraft_core.errors import BackendError, ConfigurationError, TransientError
from flowcraft_core.ports import Message
from flowcraft_postgres import PostgresBackend
from flowcraft_postgres.__main__ import main
from flowcraft_postgres._schema import Role, grants_sql, schema_sql

NOBODY = "postgresql://shop:secret@127.0.0.1:1/shop"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schema": ""}, "schema=''"),
        ({"schema": "pg_flow"}, "schema='pg_flow'"),
        ({"schema": "s" * 64}, "63 bytes"),
        ({"schema": "a\0"}, "schema="),
        ({"connections": 0}, "connections=0"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"poll": 0}, "poll=0"),
        ({"synchronous_commit": "full"}, "'remote_apply'"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        PostgresBackend(NOBODY, **options)


def test_an_address_that_cannot_be_read_is_not_shown_with_its_password() -> None:
    with pytest.raises(ConfigurationError, match="no address") as raised:
        PostgresBackend("postgresql://shop:secret@host:5432/shop?nothing=1")
    assert "secret" not in str(raised.value)


def test_its_name_says_where_it_is_and_no_password() -> None:
    assert PostgresBackend(NOBODY).name == "postgres 127.0.0.1:1/shop flowcraft"
    assert PostgresBackend("host=db dbname=shop password=secret", schema="x").name == "postgres db/shop x"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_it_is_made_from_a_url(scheme: str) -> None:
    backend = PostgresBackend.from_url(f"{scheme}://shop:a%20b@host:5432/shop?schema=my+flows&sslmode=require")
    assert backend.name == "postgres host:5432/shop my flows"
    assert backend._database.settings.conninfo == f"{scheme}://shop:a%20b@host:5432/shop?sslmode=require"
    assert PostgresBackend.from_url(f"{scheme}://host/shop").name == "postgres host/shop flowcraft"


def test_it_is_found_by_name() -> None:
    (found,) = entry_points(group="flowcraft.backends", name="postgres")
    assert found.load() is PostgresBackend


CALLS: dict[str, Callable[[PostgresBackend], Any]] = {
    "get": lambda backend: backend.context.get("run", ["key"]),
    "send": lambda backend: backend.queue.send([Message("job")]),
    "receive": lambda backend: backend.queue.receive(max_messages=1, wait=0, visibility=1),
    "acknowledge": lambda backend: backend.queue.acknowledge([]),
    "status": lambda backend: backend.status.get("run"),
    "members": lambda backend: backend.coordination.members("key"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_what_is_not_open_says_so(call: Callable[[PostgresBackend], Any]) -> None:
    with pytest.raises(BackendError, match="not open"):
        await call(PostgresBackend(NOBODY))


async def test_a_server_that_cannot_be_reached_may_be_later_and_it_can_be_opened_then() -> None:
    backend = PostgresBackend(NOBODY)
    for _ in range(2):
        with pytest.raises(TransientError, match=r"postgres 127\.0\.0\.1:1/shop flowcraft: ") as raised:
            await backend.open()
        assert "secret" not in str(raised.value)
    await backend.close()


def test_the_schema_as_sql_is_of_the_schema_that_is_asked_for() -> None:
    made = schema_sql('my "flows"')
    assert 'CREATE SCHEMA "my ""flows""";' in made
    assert 'CREATE TABLE "my ""flows""".facts' in made
    assert "flowcraft." not in made


@pytest.mark.parametrize("kind", ["worker", "client", "read-only"])
def test_rights_as_sql_are_of_one_role(kind: Any) -> None:
    granted = grants_sql("shop worker", kind)
    assert all(line.endswith(' TO "shop worker";') for line in granted.strip().splitlines())
    assert "ALL PRIVILEGES" not in granted


def test_no_role_may_change_a_fact() -> None:
    for kind in typing.get_args(Role):
        lines = [line for line in grants_sql("r", kind).splitlines() if ".facts" in line]
        assert not any("UPDATE" in line for line in lines)


def test_a_kind_of_role_that_is_unknown_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'worker', 'client', 'read-only'"):
        grants_sql("r", "owner")  # type: ignore[arg-type]


def test_the_command_prints_sql(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schema", "flows", "schema"]) == 0
    assert 'CREATE UNLOGGED TABLE "flows".coordination' in capsys.readouterr().out
    assert main(["grants", "worker", "shop"]) == 0
    assert 'GRANT USAGE ON SCHEMA "flowcraft" TO "shop";' in capsys.readouterr().out
    assert main(["--schema", "pg_x", "schema"]) == 2
    assert "pg_x" in capsys.readouterr().err


def test_what_makes_it_in_another_process_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(PostgresBackend)) is PostgresBackend

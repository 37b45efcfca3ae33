"""What other programs write into the file, and what they do to it: rows of any type, and another file in its place."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import BackendError, BackendGoneError
from flowcraft_core.ports import Fact, Message, RunStatus
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit.contracts.heard import listening
from hypothesis import given, settings
from hypothesis import strategies as st

SOON = time.time() + 3_600

ANYTHING = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=8)
    | st.text(alphabet='ab\x00é[{"', max_size=8)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


def write(path: Path, statement: str, *parameters: Any) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute(statement, parameters)


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_messages_of_any_bytes_are_handed_over_with_the_others(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        await backend.queue.send([Message("good")])
        write(path, "INSERT INTO jobs (body) VALUES (CAST(? AS TEXT))", b"a\xffb")
        write(path, "INSERT INTO jobs (body) VALUES (?)", b"\x00\xfe")
        write(path, "INSERT INTO jobs (body, deliveries) VALUES ('many', 'text')")
        write(path, "INSERT INTO jobs (body, deliveries) VALUES ('endless', 9e999)")
        write(path, "INSERT INTO jobs (body, visible_at) VALUES ('some time', 'soon')")
        write(path, "INSERT INTO jobs (body, visible_at) VALUES ('never', 9e999)")
        taken = await backend.queue.receive(max_messages=10, wait=0, visibility=60)
        assert sorted(each.body for each in taken) == sorted(
            ["good", "a\\xffb", "\x00\\xfe", "many", "endless", "some time", "never"]
        )
        assert all(type(each.count) is int and each.count >= 1 for each in taken)
        assert not await backend.queue.receive(max_messages=10, wait=0, visibility=60)
        await backend.queue.acknowledge(taken)
        assert not await backend.queue.receive(max_messages=10, wait=0.05, visibility=60)


# --- statuses ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*(4 * [ANYTHING]), st.sampled_from(["?", "CAST(? AS TEXT)"])), max_size=8))
def test_every_run_is_found_whatever_is_in_the_rows_beside_it(
    tmp_path_factory: pytest.TempPathFactory, others: list[Any]
) -> None:
    async def main() -> None:
        path = tmp_path_factory.mktemp("rows") / "flowcraft.db"
        async with SqliteBackend(path, synchronous="off") as backend:
            for place in range(3):
                status = RunStatus(run_id=f"good {place}", state="running", blueprint_id="f", created=5.0, updated=5.0)
                await backend.status.create(status)
                await backend.status.touch(status.run_id, at=6.0, next_check=7.0)
            for run_id, created, next_check, tags, cast in others:
                write(
                    path,
                    "INSERT OR IGNORE INTO statuses (run_id, state, created, next_check, tags)"
                    f" VALUES ({cast}, 'running', ?, ?, ?)",
                    *(b"none" if run_id is None else run_id, created or 0, next_check, "" if tags is None else tags),
                )
            for due in (None, 1e9):
                found: list[RunStatus] = []
                cursor, pages = None, 0
                while pages == 0 or cursor is not None:
                    page = await backend.status.find(state="running", due_before=due, cursor=cursor, limit=1)
                    found, cursor, pages = [*found, *page.items], page.cursor, pages + 1
                    assert pages < 30
                ids = [status.run_id for status in found]
                assert len(ids) == len(set(ids))
                assert {f"good {place}" for place in range(3)} <= set(ids)
                for status in found:
                    assert await backend.status.get(status.run_id) == status
                    assert all(type(value) is str for value in status.tags.values())
                    assert type(status.created) is float

    asyncio.run(main())


async def test_a_row_whose_id_is_no_text_is_left_out_and_said_once(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        write(path, "INSERT INTO statuses (run_id, state) VALUES (CAST(? AS TEXT), 'running')", b"\xff")
        write(path, "INSERT INTO statuses (run_id, state, tags) VALUES ('good', 'running', '[')")
        with listening() as heard:
            for _ in range(2):
                (found,) = (await backend.status.find(state="running")).items
                assert (found.run_id, found.tags) == ("good", {})
        told = [record.getMessage() for record in heard.records if record.name == "flowcraft.sqlite"]
        assert told == ["1 statuses have ids that are no text, and are left out"]


# --- facts, values and hints ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["text", 7, 1.5, b"\xff"])
async def test_facts_and_values_have_bytes_and_texts(path: Path, wrong: Any) -> None:
    async with SqliteBackend(path) as backend:
        await backend.context.put("r", "k", Fact(b"body", "writer", "job"))
        write(path, "UPDATE facts SET body = ?, writer = ?, job = ?", wrong, wrong, wrong)
        fact = (await backend.context.get("r", ["k"]))["k"]
        assert (type(fact.body), type(fact.writer), type(fact.job)) == (bytes, str, str)
        assert await backend.context.put("r", "k", Fact(b"other", "writer")) == fact
        write(path, "INSERT INTO context_values VALUES ('r', 'n', ?, ?)", wrong, wrong)
        value = (await backend.context.values("r", ["n"]))["n"]
        assert (type(value.position), type(value.body)) == (str, bytes)


@pytest.mark.parametrize("forever", [9e999, 1e300, "never", b"\xff"])
async def test_a_hint_that_never_ends_has_ended(path: Path, forever: Any) -> None:
    async with SqliteBackend(path) as backend:
        for key, value in (("lease", "other"), ("set", b'["a"]'), ("counter", 5)):
            write(path, "INSERT INTO coordination VALUES (?, ?, ?)", key, value, forever)
        assert await backend.coordination.set_if_absent("lease", "mine", ttl=60)
        assert await backend.coordination.members("set") == frozenset()
        assert await backend.coordination.increment("counter", ttl=60) == 1


@pytest.mark.parametrize("damaged", [b"[", b"7", b"{}", b"\xff", b"[" * 50_000, b"[1, {}, null]"])
async def test_a_set_that_cannot_be_read_is_empty(path: Path, damaged: bytes) -> None:
    async with SqliteBackend(path) as backend:
        write(path, "INSERT INTO coordination VALUES ('set', ?, ?)", damaged, SOON)
        assert await backend.coordination.members("set") == frozenset()
        assert await backend.coordination.add_members("set", "a", ttl=60) == 1


async def test_a_counter_counts_to_what_a_column_holds(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        write(path, "INSERT INTO coordination VALUES ('counter', ?, ?)", 2**63 - 1, SOON)
        assert await backend.coordination.increment("counter", ttl=60) == 2**63 - 1


@pytest.mark.parametrize("context", ["no json", "[" * 50_000, "[1]", b"\xff", 7])
async def test_an_initial_context_that_is_none_is_refused_by_name(path: Path, context: Any) -> None:
    async with SqliteBackend(path) as backend:
        write(path, "INSERT INTO initial_contexts VALUES ('r', ?)", context)
        with pytest.raises(BackendError, match="run 'r': its row in initial_contexts"):
            await backend.by_hand.initial_context("r")


# --- another file -----------------------------------------------------------------------------------------------------


def _delete(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        os.unlink(f"{path}{end}")


def _replace(path: Path) -> None:
    other = path.with_name("other")
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    os.replace(other, path)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _delete_log(path: Path) -> None:
    os.unlink(f"{path}-wal")


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be taken away")
@pytest.mark.parametrize(
    ("harm", "what"),
    [(_delete, "was deleted"), (_replace, "was replaced"), (_empty, "was emptied"), (_delete_log, "was deleted")],
)
async def test_a_file_that_is_another_one_ends_whoever_uses_it_by_name(
    path: Path, harm: Callable[[Path], None], what: str
) -> None:
    async def one(ctx: NodeContext[Any]) -> int:
        return 1

    flow = create_flow("f").node("a", one)
    async with SqliteBackend(path) as backend:
        worker = Worker(backend, FlowRuntime([flow]), poll=0.2, reconcile_interval=1)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend)
        assert (await client.wait((await client.start(flow)).run_id, timeout=10)).status == "completed"
        harm(path)
        with pytest.raises(BackendGoneError, match=what):
            await asyncio.wait_for(working, 10)
        for call in (client.start(flow), client.status("r"), backend.queue.send([Message(json.dumps({}))])):
            with pytest.raises(BackendGoneError, match=what):
                await call

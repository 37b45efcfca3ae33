import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from aes_codec import AesCodec
from flowcraft_core import FlowRuntime, NodeContext, Serializer, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.storage import Records
from flowcraft_core.errors import SerializationError
from flowcraft_core.ports import Fact
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit import InMemoryBackend

SECRET = "the patient is called Ada Lovelace"


async def remember(ctx: NodeContext[str]) -> str:
    await ctx.context.set("note", ctx.input)
    return ctx.input


async def read(ctx: NodeContext[str]) -> str:
    return str(await ctx.context.get("note"))


flow = create_flow("secret").node("remember", remember, inputs="patient").node("read", read).edge("remember", "read")


async def test_nothing_of_a_runs_values_is_readable_on_disk(tmp_path: Path) -> None:
    codec = AesCodec(os.urandom(32))
    async with SqliteBackend(tmp_path / "runs.db") as backend:
        worker = Worker(backend, FlowRuntime([flow]), codec=codec, poll=0.1, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, codec=codec)
        started = await client.start(flow, {"patient": SECRET})
        result = await client.wait(started.run_id, timeout=30)
        worker.stop()
        await working
        assert (result.status, result.outputs["read"], result.context["note"]) == ("completed", SECRET, SECRET)
        stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())  # noqa: ASYNC240 - a test may block
        assert b"remember" in stored  # the names are
        for word in SECRET.split():
            assert len(word) < 5 or word.encode() not in stored
        with pytest.raises(SerializationError, match="cannot be decrypted"):
            await Client(backend, codec=AesCodec(os.urandom(32))).result(started.run_id)


def test_a_record_cannot_be_moved_or_changed() -> None:
    codec = AesCodec(os.urandom(16))
    stored = codec.encode(b"value", place="run a")
    assert codec.decode(stored, place="run a") == b"value"
    for data, place in ((stored, "run b"), (stored[:-1], "run a"), (b"", "run a")):
        with pytest.raises(SerializationError, match="cannot be decrypted"):
            codec.decode(data, place=place)


async def one(ctx: NodeContext[str]) -> str:
    return f"secret of {ctx.run_id}"


async def test_what_one_run_has_stored_fits_into_no_other(tmp_path: Path) -> None:
    """Ids may have any characters: these two had one place, before each had a name of its own."""
    codec, path = AesCodec(os.urandom(32)), tmp_path / "runs.db"
    first, second = create_flow("first").node("y z", one), create_flow("second").node("z", one)
    async with SqliteBackend(path) as backend:
        worker = Worker(backend, FlowRuntime([first, second]), codec=codec, poll=0.1, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        client = Client(backend, codec=codec)
        for flow, run_id in ((first, "x"), (second, "x y")):
            await client.start(flow, run_id=run_id)
            await client.wait(run_id, timeout=30)
        worker.stop()
        await working
        with closing(sqlite3.connect(path)) as connection, connection:
            moved = "SELECT body FROM facts WHERE run_id = 'x' AND key = 'y z'"
            connection.execute(f"UPDATE facts SET body = ({moved}) WHERE run_id = 'x y' AND key = 'z'")
        assert (await client.result("x")).outputs == {"y z": "secret of x"}
        with pytest.raises(SerializationError, match="cannot be decrypted"):
            await client.result("x y")


async def test_what_was_stored_when_places_had_other_names_can_be_read() -> None:
    codec = AesCodec(os.urandom(32))
    async with InMemoryBackend() as backend:
        text = b'{"v":1,"output":"of old"}'
        stored = b"w" + codec.encode(text, place="run a")
        await backend.context.put("run", "a", Fact(stored, "writer"))
        records = Records(backend.context, Serializer(), codec)
        assert (await records.outcomes("run", ["a"]))["a"].value.output == "of old"
        await backend.context.put("run a", "b", Fact(stored, "writer"))
        with pytest.raises(SerializationError, match="cannot be decrypted"):
            await records.outcomes("run a", ["b"])

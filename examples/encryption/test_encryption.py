import asyncio
import os
from pathlib import Path

import pytest
from aes_codec import AesCodec
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import SerializationError
from flowcraft_sqlite import SqliteBackend

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
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: ASYNC240 - a test may block
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

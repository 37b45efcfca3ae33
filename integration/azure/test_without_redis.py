"""A Redis that refuses connections, or says nothing, in the middle of runs: they are delayed by it, and right."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import azure_chaos_worker
import pytest
from flowcraft_azure import RedisCoordinationStore, _redis_errors
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.engine import Settings
from places import Place
from redis.asyncio import Redis

#: Long enough for jobs to be delivered again, and again in vain.
_AWAY = 12.0


class Line:
    """Stands between clients and Redis, and can be cut, or go silent."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._there = str(address.hostname), int(address.port or 6379)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._under_way: dict[asyncio.Task[None], None] = {}
        self._is_silent = False

    @property
    def url(self) -> str:
        """This end of it."""
        return f"redis://127.0.0.1:{self._port}/0"

    async def mend(self) -> None:
        """Let through whatever comes."""
        self._is_silent = False
        if self._server is None:
            self._server = await asyncio.start_server(self._begin, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def silence(self) -> None:
        """Take whatever comes, and pass none of it on."""
        self._is_silent = True

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._under_way[task] = None
        task.add_done_callback(self._under_way.pop)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection(self._host, self._there)
        try:
            await asyncio.gather(self._pump(reader, to_redis), self._pump(from_redis, writer))
        finally:
            for each in (writer, to_redis):
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65_536):
                if not self._is_silent:
                    writer.write(some)
            writer.close()


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Line]:
    """A line to the emulators' Redis."""
    line = Line(place.emulators.redis_url)
    await line.mend()
    yield line
    await line.cut()


@pytest.mark.parametrize("trouble", ["cut", "silence"])
async def test_runs_go_on_once_redis_is_back(
    place: Place, line: Line, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step fails, the deliveries meanwhile count against no node, and no letter is dead."""

    def store() -> RedisCoordinationStore:
        return RedisCoordinationStore(lambda: Redis.from_url(line.url), prefix=f"{place.name}:")

    flows = [flow() for flow in azure_chaos_worker.FLOWS]
    async with contextlib.AsyncExitStack() as stack:
        backends = [
            await stack.enter_async_context(place.backend(coordination_store=store(), longest_pause=0.1))
            for _ in range(3)
        ]
        workers = [
            Worker(
                backend,
                FlowRuntime(flows),
                visibility=3.0,
                poll=1.0,
                reconcile_interval=2.0,
                settings=Settings(delivery_limit=2),
            )
            for backend in backends[1:]
        ]
        stack.push_async_callback(_ended, workers, [asyncio.ensure_future(worker.run()) for worker in workers], line)
        client = Client(backends[0], flows=flows)
        started = [(flow.id, (await client.start(flow)).run_id) for flow in flows]
        await asyncio.sleep(0.3)  # they are under way
        monkeypatch.setattr(_redis_errors, "LONGEST_CALL", 0.5)
        await getattr(line, trouble)()
        began_without = [(flow.id, (await client.start(flow)).run_id) for flow in flows]
        await asyncio.sleep(_AWAY)
        for flow_id, run_id in began_without:
            assert (await client.status(run_id)).state == "running", flow_id
        for flow_id, run_id in started:  # one may have been through its joins already
            assert (await client.status(run_id)).state in ("running", "completed"), flow_id
        started += began_without
        monkeypatch.undo()
        await line.mend()
        for flow_id, run_id in started:
            node, output = azure_chaos_worker.ENDS[flow_id]
            result = await client.wait(run_id, timeout=120.0)
            assert (result.status, result.outputs[node]) == ("completed", output)
        assert await client.dead_letters() == []


async def _ended(workers: Sequence[Worker], working: Sequence[asyncio.Task[None]], line: Line) -> None:
    """Leave no connection open, also where the test has failed: it is tried again, in the same process."""
    await line.mend()
    for worker in workers:
        worker.stop()
    await asyncio.gather(*working)

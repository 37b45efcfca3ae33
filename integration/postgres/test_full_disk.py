"""A disk that is full: who writes is told so, reads go on, and once there is room again everything goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import TransientError
from flowcraft_core.ports import Fact
from postgres_places import Place
from postgres_server import LocalServer, ordinary_user

_ROOM, _MORE_ROOM = "24m", "48m"
_TABLES = "tables"
_LARGE, _PAGE = 64_000, 8_000


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small file system with a folder of the server's user."""
    mounted = Path(tempfile.mkdtemp(prefix="flowcraft-disk-"))
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_ROOM},mode=755", "tmpfs", str(mounted)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        if mounting.returncode:
            pytest.skip(f"no file system can be mounted here, so none can be full: {mounting.stderr.strip()}")
        mounted.chmod(0o755)
        folder = mounted / _TABLES
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, *ordinary_user())
        yield mounted
    finally:
        if not mounting.returncode:
            subprocess.run(["umount", "--lazy", str(mounted)], check=False)
        shutil.rmtree(mounted, ignore_errors=True)


@pytest.fixture
def place(disk: Path) -> Iterator[Place]:
    """A schema on a server of the test's own, that ends before its disk is taken away."""
    server = LocalServer()
    try:
        server.start()
        yield Place.create(server.url())
    finally:
        server.close()


async def _fill(backend: Any, size: int) -> dict[str, bytes]:
    """Put facts of a size until no more fit; those that were answered."""
    put: dict[str, bytes] = {}
    with contextlib.suppress(TransientError):
        while True:
            key, body = f"{size} {len(put)}", os.urandom(size)
            await backend.context.put("mine", key, Fact(body, "writer"))
            put[key] = body
    return put


async def test_what_does_not_fit_is_told_and_goes_on_once_there_is_room(place: Place, disk: Path) -> None:
    entered, full = asyncio.Event(), asyncio.Event()

    async def large(ctx: Any) -> str:
        entered.set()
        await full.wait()
        return os.urandom(_LARGE).hex()

    flow = create_flow("flow").node("large", large)
    async with place.backend() as backend:
        await place.ask(f"CREATE TABLESPACE small LOCATION '{disk / _TABLES}'")
        await place.ask("ALTER TABLE flowcraft.facts SET TABLESPACE small")
        worker = Worker(backend, FlowRuntime([flow]), visibility=5.0, poll=0.5, reconcile_interval=2.0)
        working, client = asyncio.ensure_future(worker.run()), Client(backend, flows=[flow])
        await client.start(flow, run_id="run")
        await entered.wait()

        mine = await _fill(backend, _LARGE) | await _fill(backend, _PAGE)
        with pytest.raises(TransientError, match="make room"):
            await backend.context.put("mine", "one more", Fact(os.urandom(_LARGE), "writer"))
        full.set()
        await asyncio.sleep(1.0)
        assert (await client.status("run")).state == "running", "its step has ended, and that cannot be stored yet"
        assert await _bodies(backend, mine) == mine, "what was answered can be read"

        more = ["mount", "-o", f"remount,size={_MORE_ROOM}", str(disk)]
        await asyncio.to_thread(subprocess.run, more, check=True)
        assert (await client.wait("run", timeout=90)).status == "completed"
        assert await _bodies(backend, mine) == mine
        worker.stop()
        await working


async def _bodies(backend: Any, expected: dict[str, bytes]) -> dict[str, bytes]:
    return {key: fact.body for key, fact in (await backend.context.get("mine", list(expected))).items()}

"""The whole contract, on a directory."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from directory_backend import DirectoryBackend
from directory_backend.files import hashed
from flowcraft_core import Clock
from flowcraft_core.ports import Fact, PositionedValue, QueueLimits, RunStatus, StoreLimits
from flowcraft_testkit.contracts import (
    BackendContract,
    BackendMaker,
    ContextStoreContract,
    CoordinationStoreContract,
    Declared,
    FastClock,
    JobQueueContract,
    Opener,
    SideDoor,
    StatusStoreContract,
    Trouble,
    opened,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it locks files with fcntl")


class FilesSideDoor:
    """What the files hold, read without the adapter but for the names that it gives them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def messages(self) -> Sequence[str]:
        return [path.read_bytes().decode() for path in (self._root / "queue").iterdir()]

    async def facts(self, run_id: str) -> Mapping[str, Fact]:
        return {
            header["key"]: Fact(body, header["writer"], header["job"])
            for header, body in self._records(self._root / "facts" / hashed(run_id))
        }

    async def values(self, run_id: str) -> Mapping[str, PositionedValue]:
        return {
            header["name"]: PositionedValue(header["position"], None if header["deleted"] else body)
            for header, body in self._records(self._root / "values" / hashed(run_id))
        }

    async def status(self, run_id: str) -> RunStatus | None:
        path = self._root / "statuses" / hashed(run_id)
        return RunStatus(**json.loads(path.read_bytes())) if path.exists() else None

    def _records(self, folder: Path) -> list[tuple[dict[str, Any], bytes]]:
        found = [path.read_bytes().partition(b"\n") for path in folder.iterdir()] if folder.exists() else []
        return [(json.loads(header), body) for header, _, body in found]


class FilesTrouble:
    """What can happen to files: somebody puts something else in the place of their directories."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def cut(self) -> None:
        raise NotImplementedError

    async def take_down(self) -> None:
        raise NotImplementedError

    async def bring_up(self) -> None:
        raise NotImplementedError

    async def refuse(self) -> None:
        shutil.rmtree(self._root)
        self._root.write_text("no directory any more")


class OnFiles:
    """What all of them have in common. The clock is the machine's, and is put forward where a clause lets time pass."""

    declared: ClassVar[Declared] = Declared(
        queue_limits=QueueLimits(
            max_send=100, max_receive=100, max_body_bytes=262_144, max_delay=2_592_000.0, max_visibility=43_200.0
        ),
        store_limits=StoreLimits(max_value_bytes=1_000_000, max_keys_read=100, staleness=0.0),
        index_lag=0.0,
        skips_time=True,
        side_door=True,
        hand_written=False,
        cuts=False,
        outages=False,
        refusals=True,
        processes=True,
        other_store=True,
        by_url=True,
        depth=False,
        newest_first=False,
        diagnosis=False,
        transactions=False,
        named_queues=True,
        notices_death=False,
        starts=False,
    )

    @pytest.fixture
    def clock(self) -> Clock:
        return FastClock(rate=1.0)

    @pytest.fixture
    def open_backend(self, tmp_path: Path, clock: Clock) -> Opener:
        return lambda: opened(DirectoryBackend(tmp_path / "store", clock=clock))

    @pytest.fixture
    def side_door(self, tmp_path: Path) -> SideDoor:
        return FilesSideDoor(tmp_path / "store")

    @pytest.fixture
    def trouble(self, tmp_path: Path) -> Trouble:
        return FilesTrouble(tmp_path / "store")

    @pytest.fixture
    def make_in_process(self, tmp_path: Path) -> BackendMaker:
        return partial(DirectoryBackend, tmp_path / "store")

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"directory:///{tmp_path}/store"

    @pytest.fixture
    def open_other(self, tmp_path: Path, clock: Clock) -> Opener:
        return lambda: opened(DirectoryBackend(tmp_path / "store2", clock=clock))


class Skipping:
    """Time that a clause lets pass takes none."""

    async def pass_time(self, seconds: float) -> None:
        await self.skip_time(seconds)  # type: ignore[attr-defined]
        await asyncio.sleep(0)


class TestDirectoryJobQueue(OnFiles, Skipping, JobQueueContract):
    pass


class TestDirectoryContextStore(OnFiles, Skipping, ContextStoreContract):
    pass


class TestDirectoryStatusStore(OnFiles, Skipping, StatusStoreContract):
    pass


class TestDirectoryCoordinationStore(OnFiles, Skipping, CoordinationStoreContract):
    pass


class TestDirectoryBackend(OnFiles, BackendContract):
    # Programs beside one another need time that passes by itself. A beat is a sixth of a real second by this clock.
    beat = 4.0

    @pytest.fixture
    def clock(self) -> Clock:
        return FastClock(rate=25.0)

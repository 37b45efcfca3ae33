from pathlib import Path

import pytest
from flowcraft_core.errors import BackendError
from flowcraft_sqlite import SqliteBackend
from flowcraft_testkit import VirtualClock

from .helpers import rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flowcraft.db"


async def test_what_has_expired_is_removed_in_passing(path: Path) -> None:
    clock = VirtualClock()
    async with SqliteBackend(path, clock=clock) as backend:
        for place in range(1_200):
            await backend.coordination.set_if_absent(f"{place}", "me", ttl=10)
        await clock.sleep(10)
        for left in (701, 202, 3, 4):  # so many at a time, in order to hold nobody up
            await backend.coordination.increment(f"counter {left}", ttl=100)
            assert rows(path, "SELECT count(*) FROM coordination") == [(left,)]
        await clock.sleep(100)
        await backend.coordination.increment("counter", ttl=100)
        assert rows(path, "SELECT key FROM coordination") == [("counter",)]


async def test_a_key_is_of_one_kind(path: Path) -> None:
    async with SqliteBackend(path) as backend:
        coordination = backend.coordination
        await coordination.increment("counter", ttl=60)
        await coordination.set_if_absent("lease", "1", ttl=60)
        await coordination.add_members("set", "member", ttl=60)
        for wrong in (
            coordination.increment("lease", ttl=60),
            coordination.increment("set", ttl=60),
            coordination.add_members("lease", "member", ttl=60),
            coordination.add_members("counter", "member", ttl=60),
            coordination.members("lease"),
        ):
            with pytest.raises(BackendError, match="holds something else"):
                await wrong
        for key in ("counter", "set"):
            assert not await coordination.set_if_absent(key, "me", ttl=60)
            assert not await coordination.extend_ttl(key, "1", ttl=60)
            await coordination.delete(key, value="1")
        assert await coordination.get("counter") == "1"
        assert await coordination.get("set") is None
        assert await coordination.members("set") == {"member"}

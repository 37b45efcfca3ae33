"""What the doctor does not do to a file; what it finds wrong is tried where files are broken on purpose."""

import os
from pathlib import Path

import pytest
from flowcraft_core.ports import Fact
from flowcraft_sqlite import SqliteBackend
from flowcraft_sqlite._machine import network_file_system, write_lock_holder

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /mnt/my\\040share rw,relatime shared:1 - cifs //server/share rw
41 27 0:41 / /data rw - nfs4 server:/export rw
42 41 0:42 / /data/local rw - xfs /dev/vdb rw
43 27 0:43 / /over rw - nfs server:/old rw
44 27 0:44 / /over rw - ext4 /dev/vdc rw
45 27 0:45 / /home/me/s rw - fuse.sshfs me@host: rw
46 27 0:46 / /home/me/s2 rw - fuse.portal portal rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/runs.db", None),
        ("/mnt/my share/runs.db", "cifs"),
        ("/data/runs.db", "nfs4"),
        ("/data/local/runs.db", None),
        ("/database/runs.db", None),
        ("/over/runs.db", None),
        ("/home/me/s/runs.db", "fuse.sshfs"),
        ("/home/me/s2/runs.db", None),
    ],
)
def test_a_file_system_of_the_network_is_known_by_the_last_and_longest_mount(path: str, kind: str | None) -> None:
    assert network_file_system(path, MOUNTS) == kind


def test_where_no_mounts_are_told_nothing_is_said() -> None:
    assert network_file_system("/data/runs.db", "") is None


def test_who_holds_the_write_lock_is_read_from_the_systems_list(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.touch()
    (shared := tmp_path / "runs.db-shm").touch()
    locks = (
        f"1: POSIX  ADVISORY  READ  11 fe:00:{shared.stat().st_ino} 123 123\n"
        f"2: FLOCK  ADVISORY  WRITE 12 fe:00:{shared.stat().st_ino} 0 EOF\n"
        f"3: POSIX  ADVISORY  WRITE 13 fe:00:{shared.stat().st_ino} 121 121\n"
        f"4: -> POSIX  ADVISORY  WRITE 14 fe:00:1 120 120\n"
        f"5: POSIX  ADVISORY  WRITE 15 fe:00:{shared.stat().st_ino} 120 120\n"
    )
    assert write_lock_holder(str(path), locks) == 15
    assert write_lock_holder(str(path), "") is None


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    (found,) = await SqliteBackend(tmp_path / "runs.db").diagnose()
    assert (found.code, found.severity) == ("SQLITE-FILE-MISSING", "warning")
    assert os.listdir(tmp_path) == []


async def test_a_closed_file_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with SqliteBackend(path) as backend:
        await backend.context.put("run", "key", Fact(b"body", "writer"))
    before = path.read_bytes()
    assert await backend.diagnose() == []
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["runs.db"]


async def test_an_open_file_is_diagnosed_while_it_is_written_to(tmp_path: Path) -> None:
    async with SqliteBackend(tmp_path / "runs.db") as backend:
        for number in range(5):
            await backend.context.put("run", str(number), Fact(b"body", "writer"))
            assert await backend.diagnose() == []
        assert len(await backend.context.get("run", ["0", "4"])) == 2


async def test_an_empty_file_is_one_that_gets_its_tables(tmp_path: Path) -> None:
    (tmp_path / "runs.db").touch(0o600)
    assert await SqliteBackend(tmp_path / "runs.db").diagnose() == []

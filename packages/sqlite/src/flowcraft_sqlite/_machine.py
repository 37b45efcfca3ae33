"""What the machine says of a file, its disk and its locks."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

#: File systems of the network. Neither their locks nor memory that is shared through them are to be relied on.
_OF_THE_NETWORK = re.compile(
    r"9p|afs|ceph|cifs|glusterfs|lustre|ncpfs|nfs\d?|smb\d?|smbfs|fuse\.(blobfuse2?|ceph|gcsfuse|glusterfs|goofys|rclone"
    r"|s3fs|smbnetfs|sshfs)"
)
#: Where the lock of who writes is in the ``-shm`` of a write-ahead log, and in the file itself without one.
_WRITE_LOCKS = (120, 0x4000_0001)


def network_file_system(path: str, mounts: str) -> str | None:
    """The kind of the file system that a path is on, if that is one of the network.

    Args:
        path: Absolute, and free of links.
        mounts: The text of ``/proc/self/mountinfo``; empty where there is none.
    """
    kind, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        place = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        # The last one that was mounted on a place hides those before.
        if len(place) >= longest and (path == place or path.startswith(place.rstrip("/") + "/")):
            kind, longest = after.split(" ")[0], len(place)
    return kind if _OF_THE_NETWORK.fullmatch(kind) else None


def orphaned_log(path: str) -> str | None:
    """The log of a file that is not there, if there is one with anything in it: it says what was written last."""
    log = f"{path}-wal"
    with contextlib.suppress(OSError):
        return log if not os.path.exists(path) and os.path.getsize(log) else None
    return None


def write_lock_holder(path: str, locks: str) -> int | None:
    """The process that holds the write lock of an SQLite file; None if it is not to be found.

    Args:
        path: The file.
        locks: The text of ``/proc/locks``; empty where there is none.
    """
    inodes = set()
    for name in (path, f"{path}-shm"):
        with contextlib.suppress(OSError):
            inodes.add(str(os.stat(name).st_ino))
    for line in locks.splitlines():
        fields = line.split()  # 1: POSIX ADVISORY WRITE 4711 fe:00:131 120 120
        if "POSIX" not in fields or "WRITE" not in fields or len(fields) < 8:
            continue
        process, place, first, last = fields[-4:]
        if place.rpartition(":")[2] in inodes and any(
            int(first) <= lock and (last == "EOF" or lock <= int(last)) for lock in _WRITE_LOCKS
        ):
            return int(process)
    return None


def read_if_there(path: str) -> str:
    """The text of a file that only some systems have; empty where they have not."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def allows(path: str, mode: int) -> bool:
    """Whether this user may do something with a file.

    It is not opened for that: closing it would let go of the locks that SQLite has on it in this process.
    """
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def user() -> str:
    """Who runs this program, for messages."""
    return str(os.geteuid()) if hasattr(os, "geteuid") else os.environ.get("USERNAME", "of this program")

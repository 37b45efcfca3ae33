"""What processes that this one has started have taken of processors, by what they are; on Linux."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds() -> dict[str, float]:
    """Seconds of processors so far: of the emulators, of the workers and clients, and of this process itself.

    What ``integration/servers.py`` has started are the emulators; the rest are workers. What has ended is left out.
    """
    parents, taken, names = _processes()
    found = {"emulators": 0.0, "workers": 0.0, "this": taken.get(os.getpid(), 0.0)}
    for process, each in taken.items():
        line = [process]
        while line[-1] in parents and line[-1] != os.getpid():
            line.append(parents[line[-1]])
        if line[-1] == os.getpid() and process != os.getpid():
            is_emulator = any("servers.py" in names.get(ancestor, "") for ancestor in line)
            found["emulators" if is_emulator else "workers"] += each
    return found


def _processes() -> tuple[dict[int, int], dict[int, float], dict[int, str]]:
    """Of each process its parent, what it has taken, and its command."""
    parents: dict[int, int] = {}
    taken: dict[int, float] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            names[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
        taken[int(folder.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
    return parents, taken, names

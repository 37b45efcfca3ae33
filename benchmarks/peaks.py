"""What a process has taken of memory at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """What this process has taken at most, MiB.

    On Linux ``getrusage`` begins with what the process had taken that began this one: a benchmark that is large itself
    would see nothing of what its programs take.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)

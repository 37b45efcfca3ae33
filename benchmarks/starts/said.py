"""Says how long this process has kept the processor busy, and which modules it has loaded."""

from __future__ import annotations

import json
import sys
import time


def said() -> None:
    """Say it, as a line of JSON."""
    seconds = time.process_time()
    print(json.dumps({"processor": seconds, "modules": sorted(sys.modules)}), flush=True)

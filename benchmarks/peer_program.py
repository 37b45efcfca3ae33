"""One way to run graphs, by the interpreter of its own environment: ``python peer_program.py <module of ways>``.

It prints its settings, and the ways in which its steps can be written; then it takes requests on its input, a line of
JSON each: shape, nodes, way, and how many runs in a row. For each it prints what one run took and gave: the processor's
seconds, of all threads, and the clock's.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def _seconds(once: Callable[[], Awaitable[int]], runs: int) -> dict[str, float]:
    gave = await once()  # to warm up
    gc.collect()
    processor, clock = time.process_time(), time.perf_counter()
    for _ in range(runs):
        await once()
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    return {"processor": processor / runs, "clock": clock / runs, "gave": gave}


def main(module: str) -> None:
    """Measure what the input asks for, until it ends."""
    peer: Any = importlib.import_module(f"ways.{module}")
    prepare = functools.cache(peer.prepare)
    print(json.dumps({"settings": peer.SETTINGS, "ways": peer.WAYS}), flush=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            shape, nodes, way, runs = json.loads(line)
            print(json.dumps(runner.run(_seconds(prepare(shape, nodes, way), runs))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

"""Chains of steps on DBOS, by the interpreter of its own environment: ``python dbos_program.py <settings as JSON>``.

It takes requests on its input, a line of JSON each, and prints as much for each: the flavour of steps, how long a
chain is and how many go at once; and the seconds that they took. Workflows are called, and not started and waited for,
so that no polling is in the figures.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Not to be found where the types are checked.
_module: Any = importlib.import_module("dbos")
DBOS: Any = _module.DBOS


@DBOS.step()  # type: ignore[untyped-decorator]
async def awaited_step() -> int:
    """A step that does nothing, in the event loop."""
    return 1


@DBOS.step()  # type: ignore[untyped-decorator]
def plain_step() -> int:
    """A step that does nothing, in a thread."""
    return 1


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def awaited_chain(length: int) -> int:
    """So many steps, one after the other."""
    for _ in range(length):
        await awaited_step()
    return length


@DBOS.workflow()  # type: ignore[untyped-decorator]
def plain_chain(length: int) -> int:
    """Likewise, in a thread."""
    for _ in range(length):
        plain_step()
    return length


async def _awaited(length: int, chains: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(awaited_chain(length) for _ in range(chains)))
    return time.perf_counter() - began


def _plain(length: int, chains: int, pool: ThreadPoolExecutor) -> float:
    began = time.perf_counter()
    if chains == 1:
        plain_chain(length)
    else:
        list(pool.map(plain_chain, [length] * chains))
    return time.perf_counter() - began


def main(said: str) -> None:
    """Measure what the input asks for, until it ends."""
    DBOS(config={"name": "bench", **json.loads(said)})
    DBOS.launch()
    with asyncio.Runner() as runner, ThreadPoolExecutor(100) as pool:
        for line in sys.stdin:
            flavour, length, chains = json.loads(line)
            awaited = flavour == "awaited"
            seconds = runner.run(_awaited(length, chains)) if awaited else _plain(length, chains, pool)
            print(json.dumps(seconds), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])

"""Chains of steps on DBOS, by the interpreter of its own environment: ``python dbos_program.py <settings as JSON>``.

It prints one JSON object: seconds per chain, and seconds for many chains at once, of each flavour of step. Workflows
are called, and not started and waited for, so that no polling is in the figures.
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


async def _awaited(chain: int, chains: int, repeat: int) -> dict[str, list[float]]:
    one, many = [], []
    for _ in range(3):
        await awaited_chain(chain)
    for _ in range(repeat):
        began = time.perf_counter()
        await awaited_chain(chain)
        one.append(time.perf_counter() - began)
    for _ in range(2):
        began = time.perf_counter()
        await asyncio.gather(*(awaited_chain(chain) for _ in range(chains)))
        many.append(time.perf_counter() - began)
    return {"chain": one, "chains": many}


def _plain(chain: int, chains: int, repeat: int) -> dict[str, list[float]]:
    one, many = [], []
    for _ in range(3):
        plain_chain(chain)
    for _ in range(repeat):
        began = time.perf_counter()
        plain_chain(chain)
        one.append(time.perf_counter() - began)
    with ThreadPoolExecutor(chains) as pool:
        for _ in range(2):
            began = time.perf_counter()
            list(pool.map(plain_chain, [chain] * chains))
            many.append(time.perf_counter() - began)
    return {"chain": one, "chains": many}


def main(said: str) -> None:
    """Measure what the command line asks for."""
    settings = json.loads(said)
    DBOS(config={"name": "bench", **settings["config"]})
    DBOS.launch()
    numbers = settings["chain"], settings["chains"], settings["repeat"]
    measured = {"plain": _plain(*numbers), "awaited": asyncio.run(_awaited(*numbers))}
    DBOS.destroy()
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1])

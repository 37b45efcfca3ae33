"""A batch in one process, as a process of its own: ``python memory_batch.py <items>`` says what it took, in JSON."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowcraft_core import FlowRuntime, NodeContext, create_flow
from peaks import peak_mib


def measured(sizes: Sequence[int], repeat: int) -> list[dict[str, Any]]:
    """What an item of a batch takes of time and memory: the median of several processes, for each size.

    They are measured in turn, so that what disturbs the machine for a while disturbs all of them alike.

    Args:
        sizes: How many items there are.
        repeat: How many processes for each.
    """
    said: dict[int, list[dict[str, float]]] = {items: [] for items in sizes}
    for _ in range(repeat):
        for items in sizes:
            command = [sys.executable, str(Path(__file__)), str(items)]
            said[items].append(
                json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            )
    return [_row(items, each) for items, each in said.items()]


def _row(items: int, said: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    times = [each["cpu_seconds"] * 1e6 / items for each in said]
    sizes = [each["mib"] * 2**20 / items for each in said]
    return {"items": items, "us": statistics.median(times), "all_us": times, "bytes": statistics.median(sizes)}


def main(items: int) -> None:
    """Run the batch, and say how much more memory there was at its end, and how long it computed."""

    async def numbers(ctx: NodeContext[Any, Any]) -> list[int]:
        return list(range(items))

    async def square(ctx: NodeContext[Any, Any]) -> int:
        return int(ctx.input) ** 2

    async def total(ctx: NodeContext[Any, Any]) -> int:
        results = ctx.input
        return sum(results) if isinstance(results, list) else sum([result async for result in results])

    flow = create_flow("batch").node("numbers", numbers).batch("squares", square).node("total", total)
    flow.edge("numbers", "squares").edge("squares", "total")
    runtime = FlowRuntime([flow])
    small = create_flow("small").node("one", lambda ctx: 1)
    FlowRuntime([small]).run_sync(small).raise_for_status()  # whatever is made once only
    base, began = peak_mib(), time.process_time()
    result = runtime.run_sync(flow).raise_for_status()
    cpu = time.process_time() - began
    if result.outputs["total"] != (items - 1) * items * (2 * items - 1) // 6:
        raise RuntimeError(f"the batch gave {result.outputs['total']}")
    print(json.dumps({"mib": peak_mib() - base, "cpu_seconds": cpu}))


if __name__ == "__main__":
    main(int(sys.argv[1]))

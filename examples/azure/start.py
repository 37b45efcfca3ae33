"""``python start.py "Bahnhofplatz 1, Bern, CH" pot=450 tea=100x2``: send a parcel, and wait for its label."""

from __future__ import annotations

import asyncio
import sys

from parcel_place import make_adapter


async def main(address: str, *items: str) -> None:
    """Start a run with the address and the items, each a name and grams, and how many if it is more than one."""
    listed = []
    for item in items:
        name, _, weight = item.partition("=")
        grams, _, count = weight.partition("x")
        listed.append({"name": name, "grams": int(grams), "count": int(count or 1)})
    async with make_adapter() as adapter:
        started = await adapter.client.start("parcel", {"address": address, "items": listed})
        print(f"run {started.run_id}", flush=True)
        result = await adapter.client.wait(started.run_id, timeout=60)
        print(f"{result.status}: {result.outputs.get('label', result.reason)}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))

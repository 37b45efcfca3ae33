"""``python order_worker.py``: works on orders until SIGTERM or Ctrl-C. Start as many as you like."""

from __future__ import annotations

import asyncio
import logging

from flowcraft_core.durable import Worker
from order_place import Place

#: Seconds for which a job, and a place at the printer, is a worker's own. A heartbeat renews both; after a kill, so
#: soon others get them.
VISIBILITY = 3.0


async def work(place: Place) -> None:
    """Work on what is to do there.

    Args:
        place: Where.
    """
    async with place.backend() as backend:
        # Few jobs for each, so that the workers share an order's documents; and a reconciler that looks often, as fits
        # one machine.
        worker = Worker(
            backend,
            place.runtime(),
            concurrency=4,
            prefetch=0,
            visibility=VISIBILITY,
            poll=1.0,
            reconcile_interval=2.0,
        )
        await worker.run(handle_signals=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(work(Place.of()))

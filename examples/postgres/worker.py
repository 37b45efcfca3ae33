"""``python worker.py``: work on orders until SIGTERM or Ctrl-C. Start as many as you like, on as many machines."""

from __future__ import annotations

import asyncio
import logging

from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Adapter
from orders import orders
from place import make_backend

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    adapter = Adapter(make_backend, FlowRuntime([orders]))
    print("working on orders; Ctrl-C ends it", flush=True)
    asyncio.run(adapter.serve(handle_signals=True))

"""``python worker.py``: work on parcels until SIGTERM or Ctrl-C. Start as many as you like, on as many machines."""

from __future__ import annotations

import asyncio
import logging

from parcel_place import make_adapter

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    adapter = make_adapter()
    print("working on parcels; Ctrl-C ends it", flush=True)
    asyncio.run(adapter.serve(handle_signals=True))

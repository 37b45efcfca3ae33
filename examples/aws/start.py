"""``python start.py tea=2 pot=1``: order something, and wait for it."""

from __future__ import annotations

import sys

from orders import orders
from place import make_adapter

if __name__ == "__main__":
    items = {name: int(number) for name, _, number in (argument.partition("=") for argument in sys.argv[1:])}
    adapter = make_adapter()
    started = adapter.sync_client.start(orders, {"items": items or {"tea": 1}})
    print(f"run {started.run_id} has been started")
    result = adapter.sync_client.wait(started.run_id, timeout=60)
    print(f"{result.status}: {result.outputs['ship'] if result.status == 'completed' else result.reason}")
    adapter.stop()

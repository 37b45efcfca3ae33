"""``python order.py tea=2 pot=1``: order something, and wait for it."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

import psycopg
from flowcraft_core.durable import Client
from orders import orders
from place import make_backend


async def order(items: dict[str, int]) -> None:
    """Store an order and begin its run, both or neither."""
    order_id = f"order-{uuid.uuid4()}"
    async with make_backend() as backend:
        client = Client(backend, flows=[orders])
        connecting = psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"])
        async with await connecting as connection, connection.transaction():
            await connection.execute("INSERT INTO orders VALUES (%s, %s)", [order_id, str(items)])
            await client.start(orders, {"items": items}, run_id=order_id, connection=connection)
        print(f"run {order_id} has been started")
        result = await client.wait(order_id, timeout=60)
        print(f"{result.status}: {result.outputs['ship'] if result.status == 'completed' else result.reason}")


if __name__ == "__main__":
    given = {name: int(number) for name, _, number in (argument.partition("=") for argument in sys.argv[1:])}
    asyncio.run(order(given or {"tea": 1}))

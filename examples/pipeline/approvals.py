"""``python approvals.py``: takes the answers of those who follow the links in the mails."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import uvicorn
from flowcraft_core.durable import Client
from flowcraft_ui import webhooks
from order_place import Place


def server(client: Client, place: Place) -> uvicorn.Server:
    """What serves the links, by its method ``serve``, in the event loop in which the client's backend is open."""
    where = urlsplit(place.links)
    app = webhooks(client, place.signer())
    return uvicorn.Server(
        uvicorn.Config(app, host=where.hostname or "", port=where.port or 80, log_level="warning", lifespan="off")
    )


async def main() -> None:
    """Serve the links until Ctrl-C."""
    place = Place.of()
    async with place.backend() as backend:
        await server(Client(backend), place).serve()


if __name__ == "__main__":
    asyncio.run(main())

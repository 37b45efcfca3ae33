"""The inspector over Queue Storage, Cosmos DB and Redis."""

from __future__ import annotations

from azure_emulators import Emulators
from looked_at import looked_at
from places import Place


async def test_every_view_is_shown_on_azure(emulators: Emulators) -> None:
    place = Place(emulators)
    await place.create()
    async with place.backend() as backend:
        await looked_at(backend)
    await place.remove()

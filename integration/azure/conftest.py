"""The emulators of Azure as fixtures, one process of each for a whole session."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import azure_emulators
from azure_emulators import Emulators
from places import Place


@pytest.fixture(scope="session")
def emulators() -> Iterator[Emulators]:
    """Where Queue Storage, Cosmos DB and Redis answer."""
    with azure_emulators.emulators() as running:
        yield running


@pytest.fixture
async def place(emulators: Emulators) -> AsyncIterator[Place]:
    """A queue, a database and a prefix of its own for each test."""
    place = Place(emulators)
    await place.create()
    yield place
    await place.remove()


@pytest.fixture
async def lasting_place(emulators: Emulators) -> Place:
    """One that is not removed after: whatever is broken in it, may be gone."""
    place = Place(emulators)
    await place.create()
    return place

"""A server as a fixture, one for a whole session; and a schema of each test's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from postgres_places import Place
from postgres_server import PostgresServer, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server that nobody stops."""
    with postgres() as running:
        yield running


@pytest.fixture
def place(server: PostgresServer) -> Place:
    """A schema of its own for each test."""
    return Place.create(server.url())

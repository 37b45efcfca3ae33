"""Where the example runs: what a worker and a client have in common."""

from __future__ import annotations

import os

from flowcraft_postgres import PostgresBackend


def make_backend() -> PostgresBackend:
    """A backend in the database that DATABASE_URL names, beside the shop's tables."""
    return PostgresBackend(os.environ["DATABASE_URL"])

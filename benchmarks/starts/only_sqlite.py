"""The floor of a program on a file: a table, and a row."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import attrs  # noqa: F401 - core stands on it
import typing_extensions  # noqa: F401 - likewise
from starts.said import said


async def step() -> None:
    """The first step."""
    said()


with tempfile.TemporaryDirectory() as folder:
    connection = sqlite3.connect(Path(folder) / "runs.db")
    connection.execute("CREATE TABLE runs (id TEXT PRIMARY KEY)")
    connection.execute("INSERT INTO runs VALUES ('first')")
    connection.commit()
    asyncio.run(step())
    connection.close()

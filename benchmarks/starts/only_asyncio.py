"""The floor of a program that runs a step in process: one coroutine, with what core stands on imported."""

import asyncio

import attrs  # noqa: F401 - core stands on it
import typing_extensions  # noqa: F401 - likewise
from starts.said import said


async def step() -> None:
    """The first step."""
    said()


asyncio.run(step())

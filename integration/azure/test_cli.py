"""The command ``flowcraft`` on Queue Storage and Cosmos DB: what it creates, and each command on a backend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from azure_emulators import Emulators
from commanding import commanded
from places import Place


@pytest.mark.parametrize("redis", [True, False], ids=["with Redis", "without Redis"])
async def test_each_command_does_on_azure_what_it_says(tmp_path: Path, emulators: Emulators, redis: bool) -> None:
    place = Place(emulators)
    environment = {**os.environ, **place.environment()}
    if not redis:
        environment["REDIS_CONNECTION_STRING"] = ""
    await commanded(tmp_path, place.url, environment, lambda: place.backend(redis=redis))
    await place.remove()

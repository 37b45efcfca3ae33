"""Emulators in containers: what an engine would be asked for. The engine is played; the containers are processes."""

from __future__ import annotations

import importlib
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, create_autospec

import azure_emulators
import pytest
import servers
from azure_emulators import AZURITE_IMAGE, COSMOS_IMAGE, REDIS_IMAGE, Emulators
from places import Place

_PINS = json.loads((Path(__file__).parent / "package.json").read_text(encoding="utf-8"))["dependencies"]


@pytest.fixture
def containers(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The containers that were made, by image; each answers where the emulator in its place does."""
    module = importlib.import_module("testcontainers.core.container")
    real = module.DockerContainer
    urls = {
        AZURITE_IMAGE: emulators.queue_url,
        COSMOS_IMAGE: emulators.cosmos_url,
        REDIS_IMAGE: emulators.redis_url,
    }
    made: dict[str, Any] = {}

    def make(image: str) -> Any:
        container: Any = create_autospec(real, instance=True)  # it takes what the real one takes
        address = urllib.parse.urlsplit(urls[image])
        for name in ("with_command", "with_env", "with_exposed_ports"):
            getattr(container, name).return_value = container
        container.get_container_host_ip.return_value = address.hostname
        container.get_exposed_port.return_value = str(address.port)
        made[image] = container
        return container

    monkeypatch.setattr(module, "DockerContainer", Mock(side_effect=make))
    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    monkeypatch.setenv("FLOWCRAFT_EMULATORS", "containers")
    servers.flavour.cache_clear()
    yield made
    servers.flavour.cache_clear()


async def test_all_three_are_containers_where_an_engine_answers(
    containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    awaited: list[tuple[str, bool]] = []

    def wait(server: servers.Server, ready: servers.Ready, *, deadline: float) -> None:
        assert list(containers.values())[len(awaited)].__enter__.called  # it has been started
        awaited.append((server.name, ready(server)))

    monkeypatch.setattr(servers, "wait_until_ready", wait)
    with azure_emulators.emulators() as running:
        assert awaited == [("azurite", True), ("cosmos", True), ("redis", True)]
        place = Place(running)
        await place.create()
        async with place.backend() as backend:
            assert await backend.queue.receive(max_messages=1, wait=0, visibility=30) == []
        await place.remove()
        assert not any(container.__exit__.called for container in containers.values())
    assert all(container.__exit__.called for container in containers.values())
    assert AZURITE_IMAGE.endswith(f":{_PINS['azurite']}")  # as the process
    ports = {image: container.with_exposed_ports.call_args.args for image, container in containers.items()}
    assert ports == {AZURITE_IMAGE: (10001,), COSMOS_IMAGE: (8081,), REDIS_IMAGE: (6379,)}


def test_containers_are_refused_where_no_engine_answers(
    containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "docker_answers", lambda: False)
    with pytest.raises(servers.EmulatorError, match="no Docker engine"), azure_emulators.emulators():
        raise AssertionError("there are none")
    assert containers == {}

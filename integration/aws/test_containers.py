"""Emulators in containers: what an engine would be asked for. The engine is played, and its container is a process."""

from __future__ import annotations

import importlib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import aws_emulators
import pytest
import servers
from aws_emulators import client

_PINS = (Path(__file__).parent / "localstack-requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def containers(localstack: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The class of containers; what it makes answers where LocalStack does, once it has been started."""
    module = importlib.import_module("testcontainers.core.container")
    made = create_autospec(module.DockerContainer)  # it takes what the real one takes
    container, address = made.return_value, urllib.parse.urlsplit(localstack)
    container.with_exposed_ports.return_value = container.with_env.return_value = container
    container.get_container_host_ip.return_value = address.hostname
    container.get_exposed_port.return_value = str(address.port)
    monkeypatch.setattr(module, "DockerContainer", made)
    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    monkeypatch.setenv("FLOWCRAFT_EMULATORS", "containers")
    servers.flavour.cache_clear()
    yield made
    servers.flavour.cache_clear()


def test_localstack_is_a_container_where_an_engine_answers(
    containers: Any, localstack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container, awaited = containers.return_value, []

    def wait(server: servers.Server, ready: servers.Ready) -> None:
        assert container.__enter__.called  # it has been started
        awaited.append((server.url, ready(server)))

    monkeypatch.setattr(aws_emulators, "wait_until_ready", wait)
    with aws_emulators.localstack() as server:
        assert awaited == [(localstack, True)]
        client("sqs", server.url).list_queues()
        assert not container.__exit__.called
    assert container.__exit__.called
    (image,) = containers.call_args.args
    assert image.partition(":")[0] == "localstack/localstack"
    assert f"localstack-core=={image.partition(':')[2]}" in _PINS  # as the process
    container.with_exposed_ports.assert_called_once_with(4566)
    container.with_env.assert_called_once_with("SERVICES", "sqs,s3")


def test_containers_are_refused_where_no_engine_answers(containers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "docker_answers", lambda: False)
    with pytest.raises(servers.EmulatorError, match="no Docker engine"):
        aws_emulators.localstack()

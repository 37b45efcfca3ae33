"""Clients of boto3: the settings that this package is made for."""

from __future__ import annotations

import inspect
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from flowcraft_core.errors import ConfigurationError

from ._calls import THREADS
from ._errors import translate

#: A method of each client, by which one of an async SDK is told.
_ASKED = {"sqs": "receive_message", "dynamodb": "get_item"}


def client_config(threads: int = THREADS) -> Config:
    """The settings for boto3 clients that this package is made for; give them to your own: ``config=client_config()``.

    Time-outs are short, as a call that hangs holds up a run: 5 s to connect, 30 s to answer, which a long poll of 20 s
    needs. The SDK tries a request three times, with jitter; the engine tries again after that.

    Args:
        threads: How many threads the backend has; each may need a connection.
    """
    return Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=threads,
        tcp_keepalive=True,
    )


def require_client(name: str, client: Any, service: str) -> None:
    """Refuse what is no client of boto3 for a service.

    Args:
        name: What it was given as, for the message.
        client: What was given.
        service: The service, as boto3 names it.

    Raises:
        ConfigurationError: It is something else: a resource, an async client, one of another service.
    """
    kind = type(client)
    given = f"{name} is {kind.__module__}.{kind.__qualname__}"
    meta = getattr(client, "meta", None)
    found = getattr(getattr(meta, "service_model", None), "service_name", None)
    if (
        found is None
        or not hasattr(meta, "events")
        or inspect.iscoroutinefunction(getattr(client, _ASKED[service], None))
    ):
        raise ConfigurationError(
            f"{given}: give a client as boto3.client({service!r}, config=client_config()) makes it"
        )
    if found != service:
        raise ConfigurationError(f"{given}, a client of {found!r}: give one of {service!r}, boto3.client({service!r})")


def make_client(service: Any, threads: int = THREADS, *, region: str | None = None) -> Any:
    """A client with those settings, and with boto3's own credentials and addresses.

    Args:
        service: The service, as boto3 names it.
        threads: How many threads will use it.
        region: The region; boto3's own by default.

    Raises:
        BackendError: There is no region, or boto3's configuration cannot be read.
    """
    try:
        return boto3.client(service, region_name=region, config=client_config(threads))
    except BotoCoreError as error:
        raise translate(error, f"a boto3 client of {service!r}") from error

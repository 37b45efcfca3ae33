"""Clients of boto3: the settings that this package is made for."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from ._calls import THREADS
from ._errors import translate


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


def make_client(service: Any, threads: int = THREADS) -> Any:
    """A client with those settings, and with boto3's own credentials and region.

    Raises:
        BackendError: There is no region, or boto3's configuration cannot be read.
    """
    try:
        return boto3.client(service, config=client_config(threads))
    except BotoCoreError as error:
        raise translate(error, f"a boto3 client of {service!r}") from error

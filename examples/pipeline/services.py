"""Calls the other services, and says in Flowcraft's words what their answers mean."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import attrs
from flowcraft_core import NonRetryableError, RetryAfter

# Seconds for which an answer is waited for.
_PATIENCE = 30.0


class ServiceError(Exception):
    """A service has failed, and may not do so again."""


@attrs.frozen
class Services:
    """The printer, the bank and the others.

    Attributes:
        url: Where they are.
    """

    url: str

    def post(self, service: str, body: Mapping[str, Any], *, key: str) -> str:
        """Have a service do something, once for each key; the id of what it did.

        Args:
            service: Which one.
            body: What it is to do.
            key: By which it knows a call again that was made before.

        Raises:
            RetryAfter: It has too much to do, and says when to come back. That is no failed attempt.
            NonRetryableError: It refuses what it was asked for.
            ServiceError: It has failed; worth another attempt.
            OSError: It could not be reached; likewise.
        """
        headers = {"Idempotency-Key": key, "User-Agent": f"orders/{os.getpid()}"}
        status, answer, seconds = request("POST", f"{self.url}/{service}", body, headers)
        if status == 429:
            raise RetryAfter(int(seconds), f"{service}: busy", counts=False)
        if 400 <= status < 500:
            raise NonRetryableError(f"{service}: {answer['error']}")
        if status != 200:
            raise ServiceError(f"{service}: {status}")
        return str(answer["id"])

    def total(self) -> int:
        """What was charged and not refunded."""
        return int(request("GET", f"{self.url}/total")[1]["total"])


def request(
    method: str, url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Ask by HTTP, in JSON; the status, the answer, and after how many seconds to ask again.

    Raises:
        OSError: Nobody answers.
    """
    where = urlsplit(url)
    with closing(HTTPConnection(where.netloc, timeout=_PATIENCE)) as connection:
        said = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, where.path, None if body is None else json.dumps(body), said)
        answer = connection.getresponse()
        return answer.status, json.load(answer), answer.headers.get("Retry-After", "0")

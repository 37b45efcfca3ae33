"""Calls the other services, and says in Flowcraft's words what their answers mean."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

import attrs
from flowcraft_core import NonRetryableError, RetryAfter

# Seconds for which an answer is waited for.
_PATIENCE = 30.0


@attrs.frozen
class Services:
    """The printer, the bank and the others.

    Attributes:
        url: Where they are.
    """

    url: str

    def post(self, service: str, body: dict[str, Any], *, key: str) -> str:
        """Have a service do something, once for each key; the id of what it did.

        Args:
            service: Which one.
            body: What it is to do.
            key: By which it knows a call again that was made before.

        Raises:
            RetryAfter: It has too much to do, and says when to come back. That is no failed attempt.
            NonRetryableError: It refuses what it was asked for.
            OSError: It could not be reached, or has failed; worth another attempt.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": f"orders/{os.getpid()}"}
        request = urllib.request.Request(f"{self.url}/{service}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                made: str = json.load(answer)["id"]
                return made
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 429:
                    raise RetryAfter(int(error.headers["Retry-After"]), f"{service}: busy", counts=False) from None
                if error.code < 500:
                    raise NonRetryableError(f"{service}: {json.load(error)['error']}") from None
            raise

    def total(self) -> int:
        """What was charged and not refunded."""
        with urllib.request.urlopen(f"{self.url}/total", timeout=_PATIENCE) as answer:
            return int(json.load(answer)["total"])

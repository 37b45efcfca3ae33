"""Every request to AWS, counted below the SDK: also those that the SDK makes again by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from flowcraft_core.metrics import RequestMetrics


class Metrics(RequestMetrics):
    """Counts of requests by operation, as ``dynamodb.PutItem``. May be read at any time, from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lag = self._longest_lag = 0.0

    @property
    def loop_lag(self) -> float:
        """How long the event loop left the last answer lying, seconds."""
        return self._lag

    @property
    def longest_loop_lag(self) -> float:
        """How long the event loop left an answer lying at most, seconds. Long ones say that a step blocks the loop."""
        return self._longest_lag

    def of_run(self, run_id: str) -> Mapping[str, int]:
        """Requests that were made for one run, of the last thousand runs.

        What one request does for many runs is in none: receiving, extending and acknowledging, sending for several, and
        looking for those that are due.
        """
        return self.of_group(run_id)

    def note_lag(self, seconds: float) -> None:
        """Take note of how long an answer lay."""
        self._lag = seconds
        self._longest_lag = max(self._longest_lag, seconds)


class _Call:
    """What a thread is at: who counts it, for which run, and how many requests the SDK's call took so far."""

    def __init__(self, metrics: Metrics, run_id: str) -> None:
        self.metrics = metrics
        self.run_id = run_id
        self.requests = 0


_call: ContextVar[_Call | None] = ContextVar("flowcraft_aws_call", default=None)


def requests_of_this_call() -> int:
    """How many requests the SDK has made for the call that this thread is at; 0 if nobody counts them."""
    call = _call.get()
    return 0 if call is None else call.requests


@contextlib.contextmanager
def counted(metrics: Metrics, run_id: str) -> Iterator[None]:
    """Count the requests of the SDK's calls in this block."""
    token = _call.set(_Call(metrics, run_id))
    try:
        yield
    finally:
        _call.reset(token)


def watch(client: Any) -> None:
    """Have a boto3 client say what it sends. Watching it again changes nothing; calls not ``counted`` are left out."""
    service = client.meta.service_model.service_name
    client.meta.events.register(f"before-call.{service}", _note_call, unique_id=f"flowcraft-called-{service}")
    client.meta.events.register(f"before-send.{service}", _note_request, unique_id=f"flowcraft-sent-{service}")
    if service == "sqs":
        client.meta.events.register("after-call.sqs.ReceiveMessage", _note_received, unique_id="flowcraft-received")


def _note_call(**_: Any) -> None:
    call = _call.get()
    if call is not None:
        call.requests = 0


def _note_request(request: Any, event_name: str, **_: Any) -> None:
    call = _call.get()
    if call is not None:
        call.requests += 1
        operation = event_name.removeprefix("before-send.")
        size = int(request.headers.get("Content-Length") or 0)
        call.metrics.note(operation, size=size, again=call.requests > 1, group=call.run_id)


def _note_received(parsed: Mapping[str, Any], **_: Any) -> None:
    call = _call.get()
    if call is not None and "Error" not in parsed and not parsed.get("Messages"):
        call.metrics.note_empty_receive()

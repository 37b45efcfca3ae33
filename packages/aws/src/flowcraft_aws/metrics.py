"""Every request to AWS, counted below the SDK: also those that the SDK makes again by itself."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

#: So many runs are kept apart; of further ones, those that were not heard of longest are forgotten.
_RUNS_KEPT = 1_000


class Metrics:
    """Counts of requests by operation, as ``dynamodb.PutItem``. May be read at any time, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._empty_receives = 0
        self._runs: OrderedDict[str, Counter[str]] = OrderedDict()
        self._lag = self._longest_lag = 0.0

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests by operation, those of ``retries`` and ``empty_receives`` included: what is billed."""
        with self._lock:
            return Counter(self._requests)

    @property
    def retries(self) -> Mapping[str, int]:
        """Requests that the SDK made again, because the first was throttled or lost."""
        with self._lock:
            return Counter(self._retries)

    @property
    def request_bytes(self) -> Mapping[str, int]:
        """Bytes of the requests' bodies by operation."""
        with self._lock:
            return Counter(self._bytes)

    @property
    def empty_receives(self) -> int:
        """Requests for messages that brought none."""
        return self._empty_receives

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
        with self._lock:
            return Counter(self._runs.get(run_id, {}))

    def note_lag(self, seconds: float) -> None:
        """Take note of how long an answer lay."""
        self._lag = seconds
        self._longest_lag = max(self._longest_lag, seconds)

    def _count(self, operation: str, run_id: str, size: int, again: bool) -> None:
        with self._lock:
            self._requests[operation] += 1
            self._bytes[operation] += size
            if again:
                self._retries[operation] += 1
            if run_id:
                self._runs.setdefault(run_id, Counter())[operation] += 1
                self._runs.move_to_end(run_id)
                if len(self._runs) > _RUNS_KEPT:
                    self._runs.popitem(last=False)

    def _count_empty(self) -> None:
        with self._lock:
            self._empty_receives += 1


class _Call:
    """What a thread is at: who counts it, for which run, and how many requests the SDK's call took so far."""

    def __init__(self, metrics: Metrics, run_id: str) -> None:
        self.metrics = metrics
        self.run_id = run_id
        self.requests = 0


_call: ContextVar[_Call | None] = ContextVar("flowcraft_aws_call", default=None)


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
        call.metrics._count(operation, call.run_id, size, again=call.requests > 1)


def _note_received(parsed: Mapping[str, Any], **_: Any) -> None:
    call = _call.get()
    if call is not None and "Error" not in parsed and not parsed.get("Messages"):
        call.metrics._count_empty()

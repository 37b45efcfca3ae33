"""What can be set on a worker, and what of it means anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from ..durations import Duration, parse_seconds
from ..errors import ConfigurationError
from ..payloads import PayloadCodec
from ..queues import DEFAULT_QUEUE, require_queue
from ..settings import number, whole
from ..sizes import Size, parse_bytes
from .engine import Settings

# Less than this holds nothing that is worth while, and was meant in another unit, bytes.
_LEAST_MEMORY = 2**20


class WorkerOptions(TypedDict, total=False):
    """What can be set on a worker, also by way of an adapter; see ``Worker``."""

    concurrency: int
    prefetch: int | None
    visibility: float
    poll: float
    grace: float
    control_interval: float
    settings: Settings | None
    codec: PayloadCodec | None
    reconcile: bool
    reconcile_interval: float
    blocked_after: float | None
    retention: Duration | None
    told_after: float | None
    heartbeat: float | None
    queues: Sequence[str]
    memory: Size


def require_options(options: WorkerOptions) -> None:
    """Look at the numbers among a worker's options.

    Raises:
        ConfigurationError: One of them cannot mean anything; it is named.
    """
    whole("Worker: concurrency", options.get("concurrency", 1), least=1)
    whole("Worker: prefetch", options.get("prefetch") or 0, least=0)
    number("Worker: poll", options.get("poll", 0), least=0)
    number("Worker: grace", options.get("grace", 0), least=0)
    number("Worker: visibility", options.get("visibility", 1), above=0)
    number("Worker: control_interval", options.get("control_interval", 1), above=0)
    number("Worker: reconcile_interval", options.get("reconcile_interval", 1), above=0)
    retention = options.get("retention")
    if retention is not None:
        parse_seconds("Worker: retention", retention)
    for name in ("blocked_after", "told_after", "heartbeat"):
        seconds = options.get(name)
        if seconds is not None:
            number(f"Worker: {name}", seconds, above=0)
    kept = parse_bytes("Worker: memory", options.get("memory", 0))
    if 0 < kept < _LEAST_MEMORY:
        raise ConfigurationError(
            f"Worker: memory is {kept} bytes, which is next to nothing: give at least 1MiB, or 0 to keep nothing"
        )
    queues = options.get("queues", (DEFAULT_QUEUE,))
    if isinstance(queues, str) or not queues:
        raise ConfigurationError(f"Worker: queues must be a list of names, at least one, not {queues!r:.80}")
    for name in queues:
        require_queue("Worker: queues", name)
    if len(set(queues)) < len(queues):
        raise ConfigurationError(f"Worker: queues names one twice: {', '.join(queues)}")

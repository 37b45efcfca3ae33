"""How many requests an adapter makes of its services, for its users and their bills."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping


class RequestMetrics:
    """Counts of requests by operation, as ``dynamodb.PutItem``. May be read at any time, from any thread.

    An adapter derives its own from this one, and counts where its SDK cannot hide anything.
    """

    def __init__(self, *, groups_kept: int = 1_000) -> None:
        """Count from zero.

        Args:
            groups_kept: So many runs are kept apart; of further ones, those that were not heard of longest are
                forgotten.
        """
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._empty_receives = 0
        self._groups: OrderedDict[str, Counter[str]] = OrderedDict()
        self._groups_kept = groups_kept

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests by operation, those of ``retries`` and ``empty_receives`` included: what is billed."""
        with self._lock:
            return Counter(self._requests)

    @property
    def retries(self) -> Mapping[str, int]:
        """Requests that were made or must be made again: the first was throttled or lost."""
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

    def note(self, operation: str, *, size: int = 0, again: bool = False, group: str | None = None) -> None:
        """Count a request.

        Args:
            operation: The service and what it does, as ``sqs.SendMessageBatch``.
            size: Bytes of its body.
            again: Whether it is one of ``retries``.
            group: Whose requests it belongs to, if it is somebody's: a run's.
        """
        with self._lock:
            self._requests[operation] += 1
            self._bytes[operation] += size
            if again:
                self._retries[operation] += 1
            if group:
                self._groups.setdefault(group, Counter())[operation] += 1
                self._groups.move_to_end(group)
                if len(self._groups) > self._groups_kept:
                    self._groups.popitem(last=False)

    def note_empty_receive(self) -> None:
        """Count a request for messages that brought none; it has been counted as a request already."""
        with self._lock:
            self._empty_receives += 1

    def of_group(self, group: str) -> Mapping[str, int]:
        """Requests of one group, if it is among those that were heard of last."""
        with self._lock:
            return Counter(self._groups.get(group, {}))

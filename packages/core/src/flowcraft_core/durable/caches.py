"""What a worker keeps of what it has read, bounded by the memory that it takes, and let go of when a run has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .weights import Weighed

if TYPE_CHECKING:
    from .runs import RunRecord
    from .storage import Stored

# What the smallest outcome or record takes with its place in the cache, bytes.
_LEAST = 500


class OutcomeCache:
    """The outcomes, and pages of items, that a worker has seen lately: those of one batch read its input once."""

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        """Begin empty.

        Args:
            max_bytes: How much is kept, bytes of memory; each counts as a few hundred at least.
        """
        self._outcomes: Weighed[tuple[str, str], Stored[Any]] = Weighed(max_bytes, self._dropped)
        self._keys: dict[str, set[str]] = {}

    def get(self, run_id: str, key: str) -> Stored[Any] | None:
        """An outcome, if it is here."""
        return self._outcomes.get((run_id, key))

    def add(self, run_id: str, key: str, stored: Stored[Any]) -> None:
        """Keep an outcome, in the place of those that were not asked for longest."""
        if (run_id, key) in self._outcomes:
            return  # facts do not change
        self._keys.setdefault(run_id, set()).add(key)
        self._outcomes.put((run_id, key), stored.as_read(), max(stored.weight, _LEAST))

    def forget(self, run_id: str) -> None:
        """Drop a run's outcomes: it has ended; or it was purged, and another run has its id."""
        for key in self._keys.pop(run_id, ()):
            self._outcomes.pop((run_id, key))

    @property
    def weight(self) -> int:
        """What is kept takes so many bytes of memory, about."""
        return self._outcomes.weight

    def _dropped(self, name: tuple[str, str]) -> None:
        run_id, key = name
        keys = self._keys[run_id]
        keys.discard(key)
        if not keys:
            del self._keys[run_id]


class KnownRuns:
    """The records of the runs that a worker has worked on lately.

    A record holds on to its run's compiled blueprints. Each of those counts once, however many runs share it.
    """

    def __init__(self, graph_weight: Callable[[str], int], max_bytes: int = 64 * 1024 * 1024) -> None:
        """Begin empty.

        Args:
            graph_weight: Says what the compiled blueprint with a content hash takes, bytes of memory.
            max_bytes: How much is kept, bytes of memory.
        """
        self._graph_weight = graph_weight
        self._records: Weighed[str, RunRecord] = Weighed(max_bytes, self._dropped)
        self._max_bytes = max_bytes
        self._graphs: dict[str, int] = {}
        self._users: Counter[str] = Counter()
        self._hashes: dict[str, tuple[str, ...]] = {}

    def get(self, run_id: str) -> RunRecord | None:
        """A run's record, if it is here."""
        return self._records.get(run_id)

    def put(self, record: RunRecord) -> None:
        """Keep a record, in the place of those that were not asked for longest."""
        run_id = record.run_id
        self.forget(run_id)
        hashes = tuple({graph.hash for graph in record.graphs.values()})
        self._hashes[run_id] = hashes
        for content_hash in hashes:
            self._users[content_hash] += 1
            self._graphs.setdefault(content_hash, self._graph_weight(content_hash))
        self._records.put(run_id, record, max(record.weight, _LEAST))
        while self.weight > self._max_bytes and len(self._records) > 1:
            self.forget(next(iter(self._records)))

    def forget(self, run_id: str) -> None:
        """Keep a record no longer, if it is here."""
        if run_id in self._records:
            self._records.pop(run_id)
            self._dropped(run_id)

    @property
    def weight(self) -> int:
        """What is kept takes so many bytes of memory, about."""
        return self._records.weight + sum(self._graphs.values())

    def _dropped(self, run_id: str) -> None:
        for content_hash in self._hashes.pop(run_id):
            self._users[content_hash] -= 1
            if not self._users[content_hash]:
                del self._users[content_hash], self._graphs[content_hash]

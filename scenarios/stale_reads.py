"""Reads that are behind what others have written, as those of a replica are, over any context store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import attrs
from flowcraft_core import Clock
from flowcraft_core.ports import ContextStore, Fact, StoreLimits


class StaleReads:
    """What was written when, and by which client.

    A client may miss a fact that another one wrote lately, with a chance of one half each time that it looks: a later
    look may miss what an earlier one has shown. Its own it always sees. Context values are as the store gives them.

    Attributes:
        missed: How often a fact was there and not shown.
    """

    def __init__(self, clock: Clock, seconds: float, *, seed: int = 0) -> None:
        """Miss nothing yet.

        Args:
            clock: Tells how long ago something was written.
            seconds: For how long it may be missed.
            seed: Of each chance.
        """
        self.missed = 0
        self.seconds = seconds
        self._clock = clock
        self._random = Random(seed)
        self._written: dict[tuple[str, str], tuple[float, object]] = {}

    def of(self, store: ContextStore) -> _Stale:
        """The store as one more client sees it."""
        return _Stale(self, store)

    def note(self, run_id: str, key: str, by: object) -> None:
        """Note that a fact was written."""
        self._written[run_id, key] = (self._clock.now(), by)

    def shows(self, run_id: str, key: str, to: object) -> bool:
        """Whether a client sees a fact that is there."""
        when, by = self._written.get((run_id, key), (0.0, to))
        missed = by is not to and self._clock.now() - when < self.seconds and self._random.random() < 0.5
        self.missed += missed
        return not missed


class _Stale:
    def __init__(self, reads: StaleReads, store: ContextStore) -> None:
        self._reads, self._store = reads, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def limits(self) -> StoreLimits:
        limits = self._store.limits
        return attrs.evolve(limits, staleness=max(limits.staleness, self._reads.seconds))

    async def put(self, run_id: str, key: str, fact: Fact) -> Fact | None:
        standing = await self._store.put(run_id, key, fact)
        if standing is None:
            self._reads.note(run_id, key, self)
        return standing

    async def get(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Fact]:
        found = await self._store.get(run_id, keys)
        return {key: fact for key, fact in found.items() if self._reads.shows(run_id, key, self)}

"""The in-memory backend, as weak as the weakest cloud and without any weakness, keeps the contracts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flowcraft_core import Clock
from flowcraft_core.ports import Backend
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.contracts import (
    ContextStoreContract,
    CoordinationStoreContract,
    JobQueueContract,
    Opener,
    StatusStoreContract,
    opened,
)

UNKIND = Weaknesses(short_receives=0.75, page_size=2, staleness=5.0, index_lag=1.0)
VARIANTS: dict[str, tuple[Weaknesses | None, Callable[[Backend], Backend]]] = {
    "weak": (None, lambda backend: backend),
    "weaker": (UNKIND, lambda backend: backend),
    "strong": (Weaknesses.none(), lambda backend: backend),
    "counted": (None, CountingBackend),
}


class InMemory:
    @pytest.fixture
    def clock(self) -> Clock:
        return VirtualClock()

    @pytest.fixture(params=VARIANTS)
    def open_backend(self, request: pytest.FixtureRequest, clock: Clock) -> Opener:
        weaknesses, wrap = VARIANTS[request.param]
        store = InMemoryBackend(clock=clock, weaknesses=weaknesses)
        return lambda: opened(wrap(store.connect()))


class TestInMemoryJobQueue(InMemory, JobQueueContract): ...


class TestInMemoryContextStore(InMemory, ContextStoreContract): ...


class TestInMemoryStatusStore(InMemory, StatusStoreContract): ...


class TestInMemoryCoordinationStore(InMemory, CoordinationStoreContract): ...

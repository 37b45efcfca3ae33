"""The in-memory backend, as weak as the weakest cloud and without any weakness, keeps the contracts."""

from __future__ import annotations

from typing import ClassVar

import pytest
from flowcraft_core import Clock
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.contracts import (
    BackendContract,
    ContextStoreContract,
    CoordinationStoreContract,
    Declared,
    JobQueueContract,
    Opener,
    ProgramRows,
    SideDoor,
    StatusStoreContract,
    Trouble,
    opened,
)
from flowcraft_testkit.contracts.in_memory import (
    InMemoryRows,
    InMemorySideDoor,
    InMemoryTrouble,
    WritesByHand,
    declared,
)


class InMemory:
    weaknesses: ClassVar[Weaknesses] = Weaknesses()
    counted: ClassVar[bool] = False
    declared: ClassVar[Declared] = declared()

    @pytest.fixture
    def clock(self) -> Clock:
        return VirtualClock()

    @pytest.fixture
    def store(self, clock: Clock) -> InMemoryBackend:
        return InMemoryBackend(clock=clock, weaknesses=self.weaknesses)

    @pytest.fixture
    def open_backend(self, store: InMemoryBackend) -> Opener:
        return lambda: opened(CountingBackend(store.connect()) if self.counted else store.connect())

    @pytest.fixture
    def side_door(self, store: InMemoryBackend) -> SideDoor:
        return InMemorySideDoor(store)

    @pytest.fixture
    def trouble(self, store: InMemoryBackend) -> Trouble:
        return InMemoryTrouble(store)

    @pytest.fixture
    def rows(self, store: InMemoryBackend) -> ProgramRows:
        return InMemoryRows(store)

    @pytest.fixture
    def open_other(self, clock: Clock) -> Opener:
        other = InMemoryBackend(clock=clock, weaknesses=self.weaknesses)
        return lambda: opened(other.connect())


class Weaker(InMemory):
    weaknesses = Weaknesses(short_receives=0.75, page_size=2, staleness=5.0, index_lag=1.0)
    declared = declared(weaknesses)


class Strong(InMemory):
    weaknesses = Weaknesses.none()
    declared = declared(weaknesses)


class Counted(InMemory):
    counted = True


class TestInMemoryJobQueue(InMemory, JobQueueContract): ...


class TestInMemoryContextStore(InMemory, ContextStoreContract): ...


class TestInMemoryStatusStore(InMemory, StatusStoreContract): ...


class TestInMemoryCoordinationStore(InMemory, CoordinationStoreContract): ...


class TestWeakerJobQueue(Weaker, JobQueueContract): ...


class TestWeakerContextStore(Weaker, ContextStoreContract): ...


class TestWeakerStatusStore(Weaker, StatusStoreContract): ...


class TestStrongJobQueue(Strong, JobQueueContract): ...


class TestStrongContextStore(Strong, ContextStoreContract): ...


class TestStrongStatusStore(Strong, StatusStoreContract): ...


class TestStrongCoordinationStore(Strong, CoordinationStoreContract): ...


class TestCountedJobQueue(Counted, JobQueueContract): ...


class TestCountedContextStore(Counted, ContextStoreContract): ...


class TestCountedStatusStore(Counted, StatusStoreContract): ...


class TestCountedCoordinationStore(Counted, CoordinationStoreContract): ...


class TestInMemoryBackend(InMemory, WritesByHand, BackendContract): ...


class TestStrongBackend(Strong, WritesByHand, BackendContract): ...

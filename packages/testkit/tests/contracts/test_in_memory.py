"""The in-memory backend, as weak as the weakest cloud and without any weakness, keeps the contracts."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

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
from flowcraft_testkit.contracts.interposed import Call, Interposed


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


class Slow(InMemory):
    """Each call has its effect at once and its answer later, but for the first client's: others see it before."""

    takes: ClassVar[float] = 0.3

    @pytest.fixture
    def open_backend(self, store: InMemoryBackend, clock: Clock) -> Opener:
        async def around(_: str, call: Call) -> Any:
            answer = await call()
            await clock.sleep(self.takes)
            return answer

        numbers = count()
        return lambda: opened(Interposed(store.connect(), around) if next(numbers) else store.connect())


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


class TestSlowBackend(Slow, WritesByHand, BackendContract):
    beat = 12.0


class TestVerySlowBackend(Slow, WritesByHand, BackendContract):
    beat = 24.0
    takes = 1.1

"""The nights, by a clock that is set."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import nightly
from flowcraft_core import FlowRuntime, SystemClock
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_sqlite import SqliteBackend
from services import Services
from stub_services import StubServices

OSLO = ZoneInfo("Europe/Oslo")


class SetClock(SystemClock):
    """A clock that is set, and goes on from there."""

    def __init__(self, time: datetime) -> None:
        self.set(time)

    def set(self, time: datetime) -> None:
        self._ahead = time.timestamp() - super().now()

    def now(self) -> float:
        return super().now() + self._ahead


async def test_each_night_is_settled_once_whoever_looks_also_when_the_clocks_change(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 10, 24, 12, tzinfo=OSLO))
    stub = StubServices()
    stub.call("charges", {"order": "1", "price": 40}, "charge", "")
    with stub.served() as url:
        async with SqliteBackend(tmp_path / "orders.db", clock=clock) as backend:
            client = Client(backend, clock=clock)
            await nightly.schedule(client)
            await nightly.schedule(client)  # the next deployment says it again
            runtime = FlowRuntime([nightly.nightly], dependencies=Services(url), clock=clock)
            worker = Worker(backend, runtime, poll=0.2, reconcile=False)
            working = asyncio.ensure_future(worker.run())
            fired = []
            for day, hour, minute, fold in (
                (25, 2, 29, 0),
                (25, 2, 30, 0),  # summer time's
                (25, 2, 30, 1),  # an hour later it is half past two again
                (26, 2, 29, 0),
                (26, 2, 31, 0),
            ):
                clock.set(datetime(2026, 10, day, hour, minute, tzinfo=OSLO, fold=fold))
                looks = await asyncio.gather(*(Reconciler(backend, clock=clock).run_once() for _ in range(2)))
                fired.append(sum(look.fired for look in looks))
            assert fired == [0, 1, 0, 0, 1]
            for night in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)):
                result = await client.wait(f"nightly@{night:%Y-%m-%dT%H:%M:%SZ}", timeout=30)
                assert result.status == "completed"
            worker.stop()
            await working
    assert [(each["night"], each["total"]) for each in stub.done["settlements"]] == [
        ("2026-10-25", 40),
        ("2026-10-26", 40),
    ]

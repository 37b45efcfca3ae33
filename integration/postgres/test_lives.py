"""Who is taken for dead, and who is not: a session that ends is not the end of its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from flowcraft_core import SystemClock
from flowcraft_core.durable.transient import RetryingBackend
from flowcraft_core.ports import Delivery, Message
from flowcraft_postgres import PostgresBackend, _lives
from flowcraft_postgres._lives import LOOK_EVERY
from postgres_places import Place, TcpProxy
from postgres_server import PostgresServer, postgres

_LONG = 600.0
#: In which a dead one would have been found several times over.
_A_WHILE = 4 * LOOK_EVERY
_PATIENCE = 30.0


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server on which nobody else has sessions, and that is stopped."""
    with postgres(wal_writer_delay="10s") as running:  # a crash takes what was not made to last, always
        yield running


@pytest.fixture
def own(own_server: PostgresServer) -> Place:
    """A schema on it."""
    return Place.create(own_server.url())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _PATIENCE
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def hold(backend: PostgresBackend) -> Delivery:
    """A message that a backend has just sent and received."""
    await backend.queue.send([Message("job")])
    (delivery,) = await backend.queue.receive(max_messages=1, wait=0, visibility=_LONG)
    return delivery


async def found_by(backend: PostgresBackend, seconds: float) -> list[str]:
    """What a backend receives within so many seconds."""
    end = time.monotonic() + seconds
    found: list[str] = []
    while not found and time.monotonic() < end:
        found = [each.body for each in await backend.queue.receive(max_messages=1, wait=0.1, visibility=_LONG)]
    return found


async def sessions(place: Place) -> set[int]:
    """The processes of the server that have the locks of those who receive."""
    locks = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted"
    return {pid for (pid,) in await place.ask(locks)}


async def numbers(place: Place) -> list[int]:
    """Those who are said to receive."""
    return [number for (number,) in await place.ask("SELECT number FROM flowcraft.receivers")]


def number_of(backend: PostgresBackend) -> int:
    return backend._listener.lives.holder


async def test_a_worker_whose_session_was_ended_is_not_dead(own: Place) -> None:
    async with own.backend() as worker, own.backend() as other:
        held, number = await hold(worker), number_of(worker)
        (session,) = await sessions(own)
        assert await found_by(other, 0.1) == []
        (others,) = await sessions(own) - {session}
        for _ in range(3):
            await own.ask("SELECT pg_terminate_backend(%s)", session)

            async def is_back(before: int = session) -> bool:
                return len(await sessions(own) - {before, others}) == 1

            await until(is_back)
            (session,) = await sessions(own) - {others}
        assert await found_by(other, _A_WHILE) == []
        assert number_of(worker) == number, "what it takes from now on is known by the same number"
        assert await worker.queue.extend([held], _LONG) == [held]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_nobody_is_dead_because_the_server_has_ended_all_sessions(
    own: Place, own_server: PostgresServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lives, "_SETTLES", 0.0)  # that is not what keeps it
    async with own.backend() as worker:
        await hold(worker)
        async with own.backend() as other:
            assert await found_by(other, 0.1) == []
            # It does not come back: what it has written before is all that is known of it.
            await worker._listener.close()
            await own.ask("INSERT INTO flowcraft.receivers (number) SELECT token >> 38 FROM flowcraft.jobs")
            await own.ask("CHECKPOINT")  # a receipt need not last: forgotten by a crash, the job would be free again
            await asyncio.to_thread(getattr(own_server, how))
            await asyncio.to_thread(own_server.start)

            async def is_back() -> bool:
                return number_of(other) in await numbers(own) and bool(await sessions(own))

            await until(is_back)
            assert await found_by(other, _A_WHILE) == []


async def test_who_has_lost_its_own_session_believes_in_no_death(own: Place) -> None:
    async with own.backend() as other:
        assert await found_by(other, 0.1) == []
        (session,) = await sessions(own)
        await own.ask("SELECT pg_terminate_backend(%s)", session)

        async def is_back() -> bool:
            return bool(await sessions(own) - {session})

        await until(is_back)
        await own.ask("INSERT INTO flowcraft.receivers (number) VALUES (1)")
        await own.ask(
            "INSERT INTO flowcraft.jobs (body, visible_at, token) VALUES ('job', 1e11, %s)", 1 << _lives.DRAWN
        )
        assert await found_by(other, _A_WHILE) == []
        other._listener.lives._believes_from = 0.0
        assert await found_by(other, _PATIENCE) == ["job"]
        assert await numbers(own) == [number_of(other)]


async def test_who_does_not_come_back_holds_nothing_any_more(own: Place) -> None:
    async with own.backend() as other:
        assert await found_by(other, 0.1) == []
        with TcpProxy.to(own.url) as proxy:
            async with own.behind(proxy).backend(timeout=2.0) as worker:
                held = await hold(worker)
                proxy.take_down()
                proxy.cut()
                assert await found_by(other, _PATIENCE) == ["job"]
                proxy.bring_up()
                extending = RetryingBackend(worker, SystemClock()).queue
                assert await extending.extend([held], _LONG) == [None]

                async def is_known() -> bool:
                    return number_of(worker) in await numbers(own)

                await until(is_known)


async def test_who_closes_leaves_neither_number_nor_lock(own: Place) -> None:
    async with own.backend() as worker:
        await hold(worker)
        assert await numbers(own) == [number_of(worker)] != [0]

    async def are_gone() -> bool:
        return not await sessions(own)

    assert await numbers(own) == []
    await until(are_gone)


async def test_where_it_may_not_be_known_it_works_all_the_same(own: Place) -> None:
    async with own.backend() as worker:
        await own.ask("DROP TABLE flowcraft.receivers")
        await worker.queue.acknowledge([await hold(worker)])
        assert number_of(worker) == 0
        assert worker._listener.hears

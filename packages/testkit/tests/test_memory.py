"""Each weakness of the in-memory backend, off and on, and what it does beyond the contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Backend, Delivery, Fact, Message, PositionedValue, RunStatus
from flowcraft_testkit import CLOUD_QUEUE, CLOUD_STORE, InMemoryBackend, VirtualClock, Weaknesses

NONE = Weaknesses.none()
LOOK: dict[str, Any] = {"max_messages": 10, "wait": 0, "visibility": 30.0}


@asynccontextmanager
async def clients(
    number: int = 1, weaknesses: Weaknesses = NONE, *, clock: VirtualClock | None = None, **options: Any
) -> AsyncIterator[list[InMemoryBackend]]:
    store = InMemoryBackend(clock=clock or VirtualClock(), weaknesses=weaknesses, **options)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(store.connect()) for _ in range(number)]


async def often(call: Callable[[], Awaitable[object]]) -> list[object]:
    return [await call() for _ in range(40)]


def status(run_id: str, **fields: Any) -> RunStatus:
    plain: dict[str, Any] = {"state": "running", "blueprint_id": "flow", "created": 0.0, "updated": 0.0}
    return RunStatus(run_id=run_id, **{**plain, **fields})


def bodies(deliveries: Any) -> list[str]:
    return [delivery.body for delivery in deliveries]


def test_it_is_a_backend_of_the_weakest_clouds_limits_unless_told_otherwise() -> None:
    backend: Backend = InMemoryBackend()
    assert backend.queue.limits == CLOUD_QUEUE
    assert backend.context.limits == attrs.evolve(CLOUD_STORE, staleness=1.0)
    assert InMemoryBackend(weaknesses=NONE).context.limits.staleness == 0


# --- opening ---


async def test_it_is_opened_before_it_is_used_and_not_twice() -> None:
    backend = InMemoryBackend()
    with pytest.raises(BackendError, match="is not open"):
        await backend.status.get("run")
    await backend.open()
    with pytest.raises(BackendError, match="is open already"):
        await backend.open()
    await backend.close()
    with pytest.raises(BackendError, match="is not open"):
        await backend.coordination.get("key")


def test_it_is_used_in_the_loop_that_opened_it() -> None:
    backend = InMemoryBackend()
    asyncio.run(backend.open())
    with pytest.raises(BackendError, match="another event loop"):
        asyncio.run(backend.queue.send([Message("job")]))


def test_what_is_stored_outlives_the_loop() -> None:
    backend = InMemoryBackend()

    async def put() -> None:
        async with backend:
            await backend.context.put("run", "key", Fact(b"body", "writer"))

    async def get() -> object:
        async with backend:
            return await backend.context.get("run", ["key"])

    asyncio.run(put())
    assert asyncio.run(get()) == {"key": Fact(b"body", "writer")}


# --- stores ---


async def test_another_clients_fresh_fact_is_missed_now_and_then() -> None:
    clock = VirtualClock()
    async with clients(2, Weaknesses(staleness=5.0), clock=clock) as (mine, theirs):
        fact = Fact(b"body", "writer")
        await mine.context.put("run", "key", fact)
        assert {len(await mine.context.get("run", ["key"])) for _ in range(40)} == {1}
        assert {len(await theirs.context.get("run", ["key"])) for _ in range(40)} == {0, 1}
        assert await theirs.context.put("run", "key", Fact(b"", "other")) == fact
        await clock.sleep(5.0)
        assert {len(await theirs.context.get("run", ["key"])) for _ in range(40)} == {1}


async def test_of_a_fresh_value_an_older_one_may_be_seen() -> None:
    clock = VirtualClock()
    async with clients(2, clock=clock, weaknesses=Weaknesses(staleness=5.0)) as (mine, theirs):
        await mine.context.apply("run", {"name": PositionedValue("1", b"old")})
        await clock.sleep(5.0)
        await mine.context.apply("run", {"name": PositionedValue("2", b"new")})
        seen = [(await theirs.context.values("run", ["name"]))["name"].body for _ in range(40)]
        assert set(seen) == {b"old", b"new"}
        await clock.sleep(5.0)
        for place in range(20):  # versions that nobody can see any more are let go
            await mine.context.apply("run", {"name": PositionedValue(f"3{place:02}", b"newest")})
            await clock.sleep(5.0)
        assert len(mine._world.values._records["run", "name"]._versions) <= 2


async def test_the_index_lags_behind_and_the_status_does_not() -> None:
    clock = VirtualClock()
    async with clients(1, Weaknesses(index_lag=5.0), clock=clock) as (backend,):
        await backend.status.create(status("run"))
        await clock.sleep(5.0)
        await backend.status.finish("run", "completed", at=1.0)
        assert {(await backend.status.get("run")).state for _ in range(40)} == {"completed"}  # type: ignore[union-attr]
        assert {len((await backend.status.find(state="running")).items) for _ in range(40)} == {0, 1}
        assert {len((await backend.status.find(state="completed")).items) for _ in range(40)} == {0, 1}
        await clock.sleep(5.0)
        assert {len((await backend.status.find(state="running")).items) for _ in range(40)} == {0}


@pytest.mark.parametrize(("page_size", "expected"), [(3, [0, 0, 2, 3, 0]), (None, [5])])
async def test_a_page_looks_at_so_many_statuses(page_size: int | None, expected: list[int]) -> None:
    async with clients(1, attrs.evolve(NONE, page_size=page_size)) as (backend,):
        for place in range(12):
            await backend.status.create(status(f"run {place:02}", next_check=1.0 if place >= 7 else 2.0))
        pages = [await backend.status.find(state="running", due_before=1.0)]
        while pages[-1].cursor:
            pages.append(await backend.status.find(state="running", due_before=1.0, cursor=pages[-1].cursor))
        assert [len(page.items) for page in pages] == expected


async def test_an_expired_hint_is_still_there_and_never_seen() -> None:
    clock = VirtualClock()
    async with clients(1, Weaknesses(), clock=clock) as (backend,):
        await backend.coordination.set_if_absent("lease", "me", ttl=1)
        await clock.sleep(1)
        assert await backend.coordination.get("lease") is None
        assert "lease" in backend._world.hints._entries


async def test_hints_can_be_lost() -> None:
    async with clients(2) as (one, other):
        await one.queue.send([Message("now")])
        await one.queue.send([Message("later")], delay=60)
        held = await one.queue.receive(**LOOK)
        await one.coordination.add_members("join", "a", ttl=60)
        await one.context.put("run", "key", Fact(b"body", "writer"))
        other.lose_messages()
        other.lose_coordination()
        assert list(await one.queue.extend(held, 30)) == [None]
        assert await one.coordination.members("join") == frozenset()
        assert await one.context.get("run", ["key"])


# --- queue ---


async def test_messages_come_in_any_order_or_in_that_of_sending() -> None:
    sent = [f"job {place}" for place in range(10)]
    for any_order in (True, False):
        async with clients(1, attrs.evolve(NONE, any_order=any_order)) as (backend,):
            await backend.queue.send([Message(body) for body in sent])
            received = bodies(await backend.queue.receive(**LOOK))
            assert sorted(received) == sent
            assert (received != sent) is any_order


async def test_a_receive_may_bring_fewer_than_there_are_and_none_only_if_it_does_not_wait() -> None:
    async with clients(1, attrs.evolve(NONE, short_receives=0.5)) as (backend,):
        await backend.queue.send([Message("job")] * 5)
        for wait, least in ((0.0, 0), (1.0, 1)):
            numbers: set[int] = set()
            for _ in range(60):
                found = await backend.queue.receive(max_messages=5, wait=wait, visibility=30.0)
                numbers.add(len(found))
                await backend.queue.release(found)
            assert numbers == set(range(least, 6))


async def test_a_duplicate_is_a_message_of_its_own() -> None:
    async with clients(1, attrs.evolve(NONE, duplicates=1.0)) as (backend,):
        await backend.queue.send([Message("job")])
        found = await backend.queue.receive(**LOOK)
        assert [(delivery.body, delivery.count) for delivery in found] == [("job", 1), ("job", 1)]
        await backend.queue.acknowledge(found[:1])
        assert list(await backend.queue.extend(found, 30)) == [None, found[1]]


@pytest.mark.parametrize("counts", [True, False])
async def test_a_release_may_count_as_a_delivery(counts: bool) -> None:
    async with clients(1, attrs.evolve(NONE, release_counts=counts)) as (backend,):
        await backend.queue.send([Message("job")])
        await backend.queue.release(await backend.queue.receive(**LOOK))
        assert (await backend.queue.receive(**LOOK))[0].count == (2 if counts else 1)


@pytest.mark.parametrize("renews", [True, False])
async def test_extending_may_make_the_old_handle_useless(renews: bool) -> None:
    async with clients(1, attrs.evolve(NONE, new_handles=renews)) as (backend,):
        await backend.queue.send([Message("job")])
        old = await backend.queue.receive(**LOOK)
        (new,) = await backend.queue.extend(old, 30)
        assert new == old[0]
        await backend.queue.acknowledge(old)
        assert list(await backend.queue.extend([new], 30)) == ([new] if renews else [None])


async def test_a_message_is_held_no_longer_than_the_cap_from_its_receipt_on() -> None:
    clock = VirtualClock()
    limits = attrs.evolve(CLOUD_QUEUE, max_visibility=100.0)
    async with clients(1, clock=clock, queue_limits=limits) as (backend,):
        await backend.queue.send([Message("job")])
        held: Delivery | None
        (held,) = await backend.queue.receive(max_messages=1, wait=0, visibility=60)
        await clock.sleep(50)
        (held,) = await backend.queue.extend([held], 60)
        assert held is not None
        await clock.sleep(50)
        assert list(await backend.queue.extend([held], 60)) == [None]
        assert bodies(await backend.queue.receive(**LOOK)) == ["job"]


async def test_a_waiting_receive_wakes_for_what_becomes_visible_and_asks_no_more_often() -> None:
    clock = VirtualClock()
    async with clients(1, clock=clock) as (backend,):
        begun = clock.now()
        await backend.queue.send([Message("delayed")], delay=7)
        assert bodies(await backend.queue.receive(max_messages=1, wait=20, visibility=30)) == ["delayed"]
        assert clock.now() - begun == pytest.approx(7, abs=0.01)
        assert bodies(await backend.queue.receive(max_messages=1, wait=60, visibility=30)) == ["delayed"]
        assert clock.now() - begun == pytest.approx(37, abs=0.01)


# --- requests ---


async def test_a_call_with_many_items_is_one_request_after_the_other() -> None:
    async with clients(2) as (one, other):
        sending = asyncio.ensure_future(one.queue.send([Message("job")] * 25))
        seen = []
        while not sending.done():
            await asyncio.sleep(0)
            seen.append(len(other._world.messages._messages))
        assert sorted(set(seen)) == [0, 10, 20, 25]


async def test_who_is_cancelled_did_it_or_did_it_not() -> None:
    for turns, expected in ((1, 0), (2, 1)):
        async with clients() as (backend,):
            putting = asyncio.ensure_future(backend.context.put("run", "key", Fact(b"body", "writer")))
            for _ in range(turns):
                await asyncio.sleep(0)
            putting.cancel()
            await asyncio.wait([putting])
            assert putting.cancelled()
            assert len(await backend.context.get("run", ["key"])) == expected


async def test_the_same_seed_and_calls_give_the_same_answers() -> None:
    async def story(seed: int) -> list[object]:
        async with clients(2, Weaknesses(duplicates=0.5), seed=seed) as (mine, theirs):
            await mine.queue.send([Message(f"job {place}") for place in range(20)])
            await mine.context.put("run", "key", Fact(b"body", "writer"))
            await mine.status.create(status("run"))
            return [
                *await often(lambda: theirs.context.get("run", ["key"])),
                *[bodies(found) for found in await often(lambda: theirs.queue.receive(**LOOK))],
                *await often(lambda: theirs.status.find(state="running")),
            ]

    assert await story(1) == await story(1)
    assert await story(1) != await story(2)


REFUSED: dict[str, Callable[[InMemoryBackend], Awaitable[object]]] = {
    "max_messages is 0": lambda b: b.queue.receive(max_messages=0, wait=0, visibility=30),
    "visibility is 0.5 s": lambda b: b.queue.receive(max_messages=1, wait=0, visibility=0.5),
    "visibility is 43201 s": lambda b: b.queue.extend([], 43_201),
    "delay is 901 s": lambda b: b.queue.send([], delay=901),
    "a run id has 1 to 300": lambda b: b.context.get("r" * 301, []),
    "a key has 1 to 2000": lambda b: b.context.put("run", "", Fact(b"", "writer")),
    "max_value_bytes is 400000": lambda b: b.context.put("run", "key", Fact(bytes(400_001), "writer")),
    "the position of 'name' is 4001 bytes": lambda b: b.context.apply(
        "run", {"name": PositionedValue("p" * 4_001, None)}
    ),
    "limit is 0": lambda b: b.status.find(state="running", limit=0),
    "is no cursor of this store": lambda b: b.status.find(state="running", cursor="2"),
    "a run id has": lambda b: b.status.create(status("")),
    "more than 0 s": lambda b: b.coordination.increment("key", ttl=0),
    "at most 40 characters": lambda b: b.coordination.add_members("key", "m" * 41, ttl=1),
}


@pytest.mark.parametrize("problem", REFUSED)
async def test_what_no_port_promises_is_refused_by_name(problem: str) -> None:
    async with clients() as (backend,):
        with pytest.raises(ValueError, match=problem):
            await REFUSED[problem](backend)


async def test_a_set_has_no_more_than_two_hundred_members() -> None:
    async with clients() as (backend,):
        for place in range(200):
            await backend.coordination.add_members("join", str(place), ttl=60)
        with pytest.raises(ValueError, match="has 200 members"):
            await backend.coordination.add_members("join", "200", ttl=60)
        assert await backend.coordination.add_members("join", "199", ttl=60) == 200


async def test_a_hint_of_one_kind_is_none_of_another() -> None:
    async with clients() as (backend,):
        await backend.coordination.set_if_absent("key", "me", ttl=60)
        with pytest.raises(BackendError, match="'key' holds a str"):
            await backend.coordination.add_members("key", "a", ttl=60)

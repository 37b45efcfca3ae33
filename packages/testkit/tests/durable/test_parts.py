"""The parts of which the durable programs are made: join sets, the cache of outcomes, records, and trying again."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, RetryPolicy, SerializationError, Serializer, create_flow
from flowcraft_core.durable import Client, Settings
from flowcraft_core.durable import sets as sets_module
from flowcraft_core.durable.caches import KnownRuns, Memory, OutcomeCache
from flowcraft_core.durable.engine import Done
from flowcraft_core.durable.handler import JobHandler
from flowcraft_core.durable.runs import RECORD_KEY, RunRecord, Runs
from flowcraft_core.durable.sets import WIDTH, JoinSets
from flowcraft_core.durable.storage import (
    BLUEPRINTS,
    FORMAT,
    NewerRecordError,
    Records,
    StaleReadError,
    Stored,
)
from flowcraft_core.durable.transient import RetryingBackend
from flowcraft_core.errors import BackendError, TransientError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.facts import DELETED, Outcome, Suspension
from flowcraft_core.graph.instances import Arrival
from flowcraft_core.graph.state import RunState
from flowcraft_core.jobs import Job, encode_job
from flowcraft_core.payloads import CompressingCodec, PayloadCodec
from flowcraft_core.ports import Backend, Fact
from flowcraft_testkit import CLOUD_STORE, CountingBackend, InMemoryBackend, VirtualClock
from hypothesis import given
from hypothesis import strategies as st

from .flows import broken, chain, third_time
from .helpers import SMALL_STORE, STRONG, Watched, world

# --- join sets ---


@pytest.fixture
async def backend() -> AsyncIterator[InMemoryBackend]:
    async with world(VirtualClock(), store_limits=SMALL_STORE) as opened:
        yield opened


def _arrivals(total: int, key: str = "join") -> list[Arrival]:
    graph = compile_blueprint(chain().to_blueprint())
    scope = RunState(graph, {graph.blueprint.id: graph}.__getitem__, {}).root
    return [Arrival(scope, None, key, member, total) for member in range(total)]


@pytest.mark.parametrize("total", [2, 99, 100, 101, WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH, 2_501])
async def test_exactly_the_last_arrival_finds_a_join_full(backend: InMemoryBackend, total: int) -> None:
    sets = JoinSets(backend.coordination)
    arrivals = _arrivals(total)
    random.Random(total).shuffle(arrivals)
    sizes = [await sets.add("run", [arrival]) for arrival in arrivals]
    assert [size.is_full for size in sizes] == [False] * (total - 1) + [True]
    assert sizes[0].was_empty
    # Everyone who comes again sees it full, too.
    for arrival in arrivals[:: max(1, total // 20)]:
        assert (await sets.add("run", [arrival])).is_full


@pytest.mark.parametrize("total", [25, 26, 124, 125, 126, 131, 625, 626])
async def test_so_it_is_in_a_tree_of_any_depth(
    backend: InMemoryBackend, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets_module, "WIDTH", 5)
    await test_exactly_the_last_arrival_finds_a_join_full(backend, total)


async def test_an_arrival_that_comes_twice_counts_once(backend: InMemoryBackend) -> None:
    sets = JoinSets(backend.coordination)
    first, second, third = _arrivals(3)
    for _ in range(5):
        assert not (await sets.add("run", [first])).is_full
    assert not (await sets.add("run", [second])).was_empty
    assert (await sets.add("run", [third])).is_full


async def test_several_arrivals_at_once_are_one_request_per_set(backend: InMemoryBackend) -> None:
    counting = CountingBackend(backend)
    sets = JoinSets(counting.coordination)
    arrivals = _arrivals(60)
    size = await sets.add("run", arrivals[:40])
    assert (size.is_full, size.was_empty) == (False, True)
    assert sum(counting.counts().values()) == 1
    assert (await sets.add("run", arrivals[30:])).is_full


class Gate:
    """A coordination store whose requests wait until they are let through."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[tuple[str, ...]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def add_members(self, key: str, *members: str, ttl: float) -> int:
        self.asked.append(members)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        size: int = await self._store.add_members(key, *members, ttl=ttl)
        return size


async def test_who_arrives_at_the_same_time_goes_together_and_one_is_told(backend: InMemoryBackend) -> None:
    gate = Gate(backend.coordination)
    gate.open.set()
    sets = JoinSets(gate)  # type: ignore[arg-type]
    sizes = await asyncio.gather(*(sets.add_together("run", arrival) for arrival in _arrivals(10)))
    assert gate.asked == [tuple("0123456789")]
    assert [(size.is_full, size.was_empty) for size in sizes] == [(True, True)] + [(False, False)] * 9


async def test_who_comes_while_others_are_on_the_way_goes_with_the_next(backend: InMemoryBackend) -> None:
    gate = Gate(backend.coordination)
    sets = JoinSets(gate)  # type: ignore[arg-type]
    going = []
    for arrival in _arrivals(5):
        going.append(asyncio.ensure_future(sets.add_together("run", arrival)))
        await asyncio.sleep(0.001)
    other = asyncio.ensure_future(sets.add("other", _arrivals(2)))  # of another run, and so on its own way
    await asyncio.sleep(0.001)
    gate.open.set()
    assert [size.is_full for size in await asyncio.gather(*going)] == [False, True, False, False, False]
    assert (await other).is_full
    assert gate.asked == [("0",), ("0", "1"), ("1", "2", "3", "4")]


@pytest.mark.parametrize("passes", range(10))
async def test_whenever_somebody_comes_they_are_told(backend: InMemoryBackend, passes: int) -> None:
    sets = JoinSets(backend.coordination)
    going = []
    for arrival in _arrivals(7):
        going.append(asyncio.ensure_future(sets.add_together("run", arrival)))
        for _ in range(passes):
            await asyncio.sleep(0)
    assert sorted(size.is_full for size in await asyncio.gather(*going)) == [False] * 6 + [True]


async def test_who_has_given_up_is_not_the_one_who_is_told(backend: InMemoryBackend) -> None:
    gate = Gate(backend.coordination)
    sets = JoinSets(gate)  # type: ignore[arg-type]
    first, second = (asyncio.ensure_future(sets.add_together("run", arrival)) for arrival in _arrivals(2))
    await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.sleep(0.001)
    gate.open.set()
    assert (await second).is_full
    assert first.cancelled()


async def test_a_request_that_fails_fails_for_all_who_went_together(backend: InMemoryBackend) -> None:
    gate = Gate(backend.coordination)
    gate.open.set()
    gate.error = TransientError("throttled")
    sets = JoinSets(gate)  # type: ignore[arg-type]
    arrivals = _arrivals(2)
    asked = [sets.add_together("run", arrival) for arrival in arrivals]
    for error in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(error, TransientError)
    gate.error = None
    assert (await sets.add("run", arrivals)).is_full


async def test_joins_and_runs_have_sets_of_their_own(backend: InMemoryBackend) -> None:
    sets = JoinSets(backend.coordination)
    for run_id in ("run", "other"):
        for key in ("join", "join[1]"):
            first, second = _arrivals(2, key)
            assert not (await sets.add(run_id, [first])).is_full
            assert (await sets.add(run_id, [second])).is_full


async def test_who_comes_after_a_set_was_lost_is_told_so(backend: InMemoryBackend) -> None:
    sets = JoinSets(backend.coordination)
    arrivals = _arrivals(3)
    await sets.add("run", arrivals[:2])
    backend.lose_coordination()
    size = await sets.add("run", arrivals[2:])
    assert (size.is_full, size.was_empty) == (False, True)


# --- what is kept ---


def _stored(weight: int = 10_000) -> Stored[Outcome]:
    return Stored(Outcome(output="x" * weight), "job", won=True, weight=2 * weight)


def test_what_was_not_asked_for_longest_makes_room() -> None:
    memory = Memory(35_000)
    cache = OutcomeCache(memory)
    for key in "abc":
        cache.add("run", key, _stored())
    assert cache.get("run", "a") is not None
    cache.add("run", "d", _stored())
    assert [key for key in "abcd" if cache.get("run", key) is not None] == ["a", "c", "d"]
    assert cache.get("other", "a") is None
    assert memory.weight <= 35_000


def test_what_belongs_to_an_ended_run_goes_first() -> None:
    memory = Memory(50_000)
    known = KnownRuns(memory, lambda content_hash: None)
    for run_id in ("live", "ended"):
        known.put(_record(run_id, 10_000))
        OutcomeCache(memory).add(run_id, "a", _stored())
    memory.end("ended")
    assert memory.get("ended", "a") is None  # nobody asks for it
    assert known.get("ended") is not None  # late messages do, and that makes it no younger
    memory.put("more", "b", "x", 15_000)
    assert known.get("ended") is not None
    memory.put("more", "c", "x", 10_000)
    assert known.get("ended") is None
    assert known.get("live") is not None
    assert memory.get("live", "a") is not None


def test_memory_is_bounded_and_small_things_count_too() -> None:
    memory = Memory(90_000)
    for number in range(1_000):
        memory.put("run", str(number), number, 0)
    assert memory.count == 100
    memory.put("run", "huge", "x", 90_000)
    assert memory.get("run", "huge") is None
    assert memory.count == 100
    memory.put("run", "next", "x", 80_000)
    assert memory.count == 11
    memory.forget("run")
    assert (memory.count, memory.weight, memory.keys("run")) == (0, 0, [])


def test_a_memory_of_nothing_keeps_nothing() -> None:
    memory = Memory(0)
    memory.put("run", "a", 1, 0)
    assert (memory.get("run", "a"), memory.weight, memory.keys("run")) == (None, 0, [])
    memory.end("run")
    memory.forget("run")
    memory.pop("run", "a")


@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "pop", "end", "forget"]), st.integers(0, 3), st.integers(0, 5)))
)
def test_memory_holds_what_it_says_whatever_is_done(calls: list[tuple[str, int, int]]) -> None:
    memory, room = Memory(10_000), 10_000
    for what, run, number in calls:
        run_id, key = f"run {run}", RECORD_KEY if number == 5 else f"{number}"
        if what == "put":
            memory.put(run_id, key, (run_id, key), number * 500)
        elif what == "get":
            assert memory.get(run_id, key) in (None, (run_id, key))
        elif what == "pop":
            memory.pop(run_id, key)
        elif what == "end":
            memory.end(run_id)
            assert memory.keys(run_id) in ([], [RECORD_KEY])
        else:
            memory.forget(run_id)
        names = [(f"run {run}", key) for run in range(4) for key in memory.keys(f"run {run}")]
        assert len(names) == memory.count
        assert all(memory.get(*name) == name for name in names)
        assert memory.weight == sum(900 + (5 if key == RECORD_KEY else int(key)) * 500 for _, key in names) <= room


def test_what_comes_from_a_cache_was_won_by_nobody() -> None:
    cache = OutcomeCache()
    cache.add("run", "a", _stored())
    stored = cache.get("run", "a")
    assert stored is not None
    assert not stored.won


async def test_what_is_kept_weighs_what_it_takes_in_memory(backend: InMemoryBackend) -> None:
    """And not what it takes in the store, which is a hundred times less for what compresses well."""
    memory = Memory()
    records = _records(backend, cache=OutcomeCache(memory))
    stored = await records.put_outcome("run", "a", Outcome(output=[{"a": 1_000} for _ in range(100_000)]), "job")
    assert stored.weight > memory.weight > 100_000 * 150
    fresh = Memory()
    read = (await _records(backend, cache=OutcomeCache(fresh)).outcomes("run", ["a"]))["a"]
    assert fresh.weight == pytest.approx(memory.weight, rel=0.2)
    assert read.weight == stored.weight
    fresh.end("run")
    assert (fresh.weight, fresh.get("run", "a")) == (0, None)


async def test_what_can_be_neither_done_nor_passed_on_is_a_dead_letter_in_the_end(
    backend: InMemoryBackend,
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise BackendError("access denied")

    watched = Watched(backend)
    watched.queue.send = refuse
    handler = JobHandler(
        watched,
        FlowRuntime([], clock=VirtualClock()),
        codec=CompressingCodec(),
        settings=Settings(),
        control_interval=2.0,
        visibility=60.0,
        stopped=lambda: False,
    )
    body = encode_job(Job(id="i", run_id="nobody", key="a"))
    assert await handler.handle(body, 1) is Done.DELIVER_AGAIN
    assert not await Client(backend).dead_letters()
    assert await handler.handle(body, 20) is Done.ACKNOWLEDGE
    (letter,) = await Client(backend).dead_letters()
    assert letter.body == body
    assert "20 deliveries" in (letter.reason or "")


def _record(run_id: str, weight: int, *hashes: str) -> RunRecord:
    graphs: Any = {each: SimpleNamespace(hash=each) for each in hashes}
    context = {"text": "x" * weight}
    return RunRecord(run_id=run_id, blueprint_id="f", graphs=graphs, context=context, started=0.0, weight=2 * weight)


def test_a_record_that_is_kept_holds_on_to_no_blueprint() -> None:
    """However many runs share one, it counts once; and once it made room, none of them is known."""
    memory = Memory(200_000)
    known = KnownRuns(memory, partial(memory.get, BLUEPRINTS))
    memory.put(BLUEPRINTS, "large", graph := compile_blueprint(chain().to_blueprint()), 100_000)
    for number in range(5):
        known.put(_record(f"{number}", 1_000, "large"))
    assert memory.weight < 120_000
    found = known.get("0")
    assert found is not None
    assert found.graphs == {"large": graph}
    memory.pop(BLUEPRINTS, "large")
    assert known.get("0") is None
    gone = weakref.ref(graph)
    del graph, found
    gc.collect()
    assert gone() is None


def test_jobs_of_one_run_share_its_record_and_never_that_of_an_earlier_run() -> None:
    """Of one that was purged, and whose id somebody has used again, though a job of it is still at work."""
    memory = Memory(200_000)
    known = KnownRuns(memory, partial(memory.get, BLUEPRINTS))
    memory.put(BLUEPRINTS, "hash", compile_blueprint(chain().to_blueprint()), 1_000)
    known.put(_record("run", 1_000, "hash"))
    earlier = known.get("run")
    assert earlier is not None
    assert known.get("run") is earlier
    memory.forget("run")
    assert known.get("run") is None
    known.put(attrs.evolve(_record("run", 1_000, "hash"), nonce="again"))
    found = known.get("run")
    assert found is not None
    assert found.nonce == "again" != earlier.nonce


async def test_what_a_transaction_has_stored_is_not_taken_for_stored(backend: InMemoryBackend) -> None:
    """It may come to nothing: then a run whose blueprint was counted upon could not be read."""
    graph = compile_blueprint(chain().to_blueprint())
    record = RunRecord("run", graph.blueprint.id, {graph.blueprint.id: graph}, context={}, started=0.0)
    runs = Runs(_records(backend))
    async with world(VirtualClock(), store_limits=SMALL_STORE) as rolled_back:
        await runs.within(rolled_back.context).create(record)
    await runs.create(record)
    assert await Runs(_records(backend)).get("run") is not None


# --- records ---


def _records(backend: Backend, codec: PayloadCodec | None = None, **options: Any) -> Records:
    return Records(backend.context, Serializer(), codec or CompressingCodec(), **options)


def _noise(length: int) -> str:
    chance = random.Random(length)
    return "".join(chr(chance.randint(33, 0x2FFF)) for _ in range(length))


@pytest.mark.parametrize("length", [0, 1, 300, 310, 320, 330, 340, 350, 1_000, 5_000, 50_000])
async def test_an_outcome_of_any_length_comes_back_as_it_was(backend: InMemoryBackend, length: int) -> None:
    outcome = Outcome(output=_noise(length), taken={0: "x"}, sets={"gone": DELETED})
    won = await _records(backend).put_outcome("run", "a", outcome, "job")
    assert (won.won, won.value) == (True, outcome)
    (found,) = (await _records(backend).outcomes("run", ["a", "b"])).items()
    assert (found[0], found[1].value, found[1].job, found[1].won) == ("a", outcome, "job", False)


async def test_the_first_of_two_outcomes_stands(backend: InMemoryBackend) -> None:
    first, second = _records(backend), _records(backend)
    assert (await first.put_outcome("run", "a", Outcome(output=_noise(2_000)), "one")).won
    lost = await second.put_outcome("run", "a", Outcome(output=_noise(3_000)), "two")
    assert (lost.won, lost.job, lost.value.output) == (False, "one", _noise(2_000))
    # What the loser had stored in chunks is gone.
    records = backend._world.facts._records
    chunks = [key for (_, key), record in records.items() if ":chunk:" in key and record.newest is not None]
    assert len(chunks) <= 10


async def test_what_is_longer_than_any_record_may_be_is_refused_by_name(backend: InMemoryBackend) -> None:
    records = _records(backend, max_bytes=5_000)
    with pytest.raises(SerializationError, match=r"record 'run a' has .* bytes; at most 5000 are stored"):
        await records.put_outcome("run", "a", Outcome(output="x" * 6_000), "job")
    assert not await records.outcomes("run", ["a"])


async def test_a_chunk_that_is_not_visible_yet_is_a_stale_read(backend: InMemoryBackend) -> None:
    records = _records(backend)
    await records.put_outcome("run", "a", Outcome(output=_noise(2_000)), "job")
    stored = backend._world.facts._records
    chunk = next(key for _, key in stored if ":chunk:" in key and key.endswith(":0"))
    await backend.context.delete("run", keys=[chunk], names=[])
    with pytest.raises(StaleReadError, match="not all chunks of record 'a' are visible yet"):
        await records.outcomes("run", ["a"])


async def test_a_record_of_a_newer_format_is_for_a_newer_worker(backend: InMemoryBackend) -> None:
    records = _records(backend)
    body = b"w\x00" + f'{{"v":{FORMAT + 1},"output":1}}'.encode()
    await backend.context.put("run", "a", Fact(body, "writer"))
    with pytest.raises(NewerRecordError, match="record 'a' has format 2"):
        await records.outcomes("run", ["a"])


@attrs.frozen
class Shifting:
    """A codec that nobody else can read, and that knows its place."""

    def encode(self, data: bytes, *, place: str) -> bytes:
        return b"\x7f" + place.encode() + b"\n" + bytes(byte ^ 0x55 for byte in data)

    def decode(self, data: bytes, *, place: str) -> bytes:
        bound, _, rest = data[1:].partition(b"\n")
        if bound != place.encode():
            raise SerializationError(f"record {place!r} was moved here")
        return bytes(byte ^ 0x55 for byte in rest)


async def test_what_another_codec_has_stored_is_said_to_be_so(backend: InMemoryBackend) -> None:
    await _records(backend, Shifting()).put_outcome("run", "a", Outcome(output=1), "job")
    with pytest.raises(SerializationError, match="record 'run/a/fact' is damaged, or was stored by another codec"):
        await _records(backend).outcomes("run", ["a"])
    assert (await _records(backend, Shifting()).outcomes("run", ["a"]))["a"].value.output == 1


@pytest.mark.parametrize("length", [3, 3_000])
async def test_a_codec_is_given_the_place_and_sees_whole_records(backend: InMemoryBackend, length: int) -> None:
    records = _records(backend, Shifting())
    text = _noise(length)
    await records.put_outcome("run", "a", Outcome(output=text), "job")
    await records.apply("run", "", ((0, "a", 0),), {"x": text})
    assert (await records.outcomes("run", ["a"]))["a"].value.output == text
    assert (await records.values("run", "", ["x"]))["x"][1] == text
    # Moved to another place it is of no use.
    fact = (await backend.context.get("run", ["a"]))["a"]
    if length < 1_000:
        await backend.context.put("run", "b", fact)
        with pytest.raises(SerializationError, match="was moved here"):
            await records.outcomes("run", ["b"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'w\x00{"v":1,"attempts":1}{"v":1}', id="goes on after its end"),
        pytest.param(b'w\x00{"v":1,"attempts":', id="ends too early"),
        pytest.param(b"c[3]", id="has no list of its parts"),
    ],
)
async def test_of_many_facts_a_damaged_one_is_named_or_left_out(backend: InMemoryBackend, body: bytes) -> None:
    records, damaged = _records(backend), set[str]()
    for key, length in (("a", 3), ("c", 3_000)):  # the latter in parts, which are read at once with those of "b"
        await records.put_outcome("run", key, Outcome(output=_noise(length)), "job")
    await backend.context.put("run", "b", Fact(body, "somebody"))
    with pytest.raises(SerializationError, match="run 'run': record 'b' is damaged"):
        await records.outcomes("run", ["a", "b", "c"])
    found = await attrs.evolve(records, damaged=damaged).outcomes("run", ["a", "b", "c"])
    assert {key: stored.value.output for key, stored in found.items()} == {"a": _noise(3), "c": _noise(3_000)}
    assert damaged == {"b"}


async def test_of_two_context_values_the_later_position_stands_and_a_deletion_is_one(
    backend: InMemoryBackend,
) -> None:
    records = _records(backend)
    early, late = ((0, "a", 0),), ((1, "b", 0),)
    await records.apply("run", "ns/", late, {"x": _noise(2_000), "y": DELETED})
    await records.apply("run", "ns/", early, {"x": 1, "y": 1, "z": None})
    found = await records.values("run", "ns/", ["x", "y", "z", "nothing"])
    assert found == {"x": (late, _noise(2_000)), "y": (late, DELETED), "z": (early, None)}
    assert not await records.values("run", "other/", ["x"])


async def test_an_instance_is_suspended_as_it_was_last(backend: InMemoryBackend) -> None:
    flow = create_flow("suspended").wait("w").node("a", broken, fallback="f", retries=RetryPolicy(max_attempts=3))
    flow.node("f", third_time, retries=RetryPolicy(max_attempts=2))
    graph, records = compile_blueprint(flow.to_blueprint()), _records(backend)
    state = RunState(graph, lambda blueprint_id: graph, {})
    by_key = {one.key: one for one in state.root.instances()}
    a, w = by_key["a"], by_key["w"]
    assert await records.suspensions("run", [a, w]) == {}
    for suspension in (
        Suspension("retry", 5.0, 1),
        Suspension("retry", 6.0, 2),
        Suspension("retry", 7.0, 1, standing_in=True),
    ):
        assert (await records.put_suspension("run", "a", suspension, "job")).won
        assert await records.suspensions("run", [a, w]) == {"a": suspension}
    assert not (await records.put_suspension("run", "a", Suspension("retry", 9.0, 1), "job")).won
    assert (await records.put_suspension("run", "w", Suspension("wait"), "job")).won
    assert not (await records.put_suspension("run", "w", Suspension("sleep", 9.0), "job")).won
    assert (await records.suspensions("run", [a, w]))["w"] == Suspension("wait")


async def test_claims_have_keys_of_their_own(backend: InMemoryBackend) -> None:
    records = _records(backend)
    assert (await records.put_claim("run", "a", 0, 2, "job")).value == 2
    assert (await records.put_claim("run", "a", 0, 1, "job")).value == 2
    assert (await records.put_claim("run", "a", 1, 1, "job")).value == 1
    assert await records.claims("run", {"a": 2, "b": 1}) == {"a": {0: 2, 1: 1}}
    assert await records.claims("run", {"a": 1}) == {"a": {0: 2}}
    assert not await records.outcomes("run", ["a"])


async def test_a_cached_outcome_is_not_read_again(backend: InMemoryBackend) -> None:
    counting = CountingBackend(backend)
    records = _records(counting, cache=OutcomeCache(Memory()))
    await records.put_outcome("run", "a", Outcome(output=1), "job")
    for _ in range(3):
        assert (await records.outcomes("run", ["a"]))["a"].value.output == 1
    assert "context.get" not in counting.counts()


# --- trying again ---


@asynccontextmanager
async def _failing(times: int, *, applied: bool, error: type[Exception] = TransientError) -> AsyncIterator[Any]:
    clock = VirtualClock()
    left = times

    async def fail(*_: Any) -> None:
        nonlocal left
        if left:
            left -= 1
            raise error("not now")

    async with world(clock, STRONG, store_limits=CLOUD_STORE) as inner:
        unsteady = Watched(inner, after=fail) if applied else Watched(inner, before=fail)
        yield RetryingBackend(unsteady, clock), clock


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("times", [0, 1, 5])
async def test_a_call_is_made_again_after_growing_pauses(times: int, applied: bool) -> None:
    async with _failing(times, applied=applied) as (backend, clock):
        began = clock.now()
        stored = await _records(backend).put_outcome("run", "a", Outcome(output=1), "job")
        # Applied though its answer was lost: the writer knows itself.
        assert stored.won
        assert clock.now() - began <= 0.05 * (2 ** (times + 1) - 2) + 1e-6
        assert clock.now() - began >= 0.05 * (2 ** (times + 1) - 2) / 2 - 1e-6


async def test_a_call_that_never_succeeds_is_given_up() -> None:
    async with _failing(100, applied=False) as (backend, clock):
        began = clock.now()
        with pytest.raises(TransientError, match="not now"):
            await backend.status.get("run")
        assert clock.now() - began < 10


async def test_what_does_not_help_to_try_again_is_not() -> None:
    async with _failing(1, applied=False, error=BackendError) as (backend, clock):
        began = clock.now()
        with pytest.raises(BackendError, match="not now"):
            await backend.coordination.get("key")
        assert clock.now() == began
        assert await backend.coordination.get("key") is None


async def test_limits_are_those_of_the_backend() -> None:
    async with _failing(0, applied=False) as (backend, _):
        assert backend.context.limits.max_value_bytes == CLOUD_STORE.max_value_bytes
        assert backend.queue.limits.max_delay == 900

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from flowcraft_core import create_flow
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend, Fact, Message, PositionedValue, RunStatus
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.contracts import opened


@pytest.fixture
async def backend() -> AsyncIterator[CountingBackend]:
    async with opened(CountingBackend(InMemoryBackend(clock=VirtualClock(), weaknesses=Weaknesses.none()))) as counting:
        yield counting


async def test_calls_with_many_items_count_as_the_requests_that_they_need(backend: CountingBackend) -> None:
    await backend.queue.send([Message("é")] * 21)
    taken = [*await backend.queue.receive(max_messages=10, wait=0, visibility=30)]
    taken += await backend.queue.receive(max_messages=10, wait=0, visibility=30)
    assert len(await backend.queue.extend(taken, 30)) == 20
    await backend.queue.acknowledge(taken[:11])
    await backend.queue.release(taken[11:])
    await backend.context.put("run", "key", Fact(b"four", "writer"))
    await backend.context.get("run", [f"key {place}" for place in range(101)])
    await backend.context.apply("run", {"a": PositionedValue("1", b"two"), "b": PositionedValue("1", None)})
    await backend.context.values("run", ["a", "b"])
    await backend.context.delete("run", keys=["a", "b"], names=["c"])
    assert backend.counts() == {
        "context.apply": 2,
        "context.delete": 3,
        "context.get": 2,
        "context.put": 1,
        "context.values": 1,
        "queue.acknowledge": 2,
        "queue.extend": 2,
        "queue.receive": 2,
        "queue.release": 1,
        "queue.send": 3,
    }
    assert backend.bytes_written() == {"context.apply": 3, "context.put": 4, "queue.send": 42}


async def test_every_other_operation_counts_by_its_name(backend: CountingBackend) -> None:
    status = RunStatus(run_id="run", state="running", blueprint_id="flow", created=0.0, updated=0.0)
    await backend.status.create(status)
    await backend.status.get("run")
    await backend.status.touch("run", at=1.0, next_check=None)
    await backend.status.finish("run", "completed", at=2.0)
    await backend.status.find(state="running")
    await backend.status.delete("run")
    await backend.coordination.increment("counter", ttl=1)
    await backend.coordination.set_if_absent("lease", "me", ttl=1)
    await backend.coordination.extend_ttl("lease", "me", ttl=1)
    await backend.coordination.get("lease")
    await backend.coordination.delete("lease")
    await backend.coordination.add_members("join", "a", ttl=1)
    await backend.coordination.members("join")
    operations = {"status": ["create", "get", "touch", "finish", "find", "delete"]}
    operations["coordination"] = ["increment", "set_if_absent", "extend_ttl", "get", "delete", "add_members", "members"]
    assert backend.counts() == {f"{port}.{name}": 1 for port, names in operations.items() for name in names}
    assert backend.bytes_written() == {}


async def test_empty_receives_count_apart(backend: CountingBackend) -> None:
    await backend.queue.receive(max_messages=1, wait=20, visibility=30)
    await backend.queue.send([Message("job")])
    await backend.queue.receive(max_messages=1, wait=20, visibility=30)
    assert backend.counts() == {"queue.receive": 1, "queue.receive.empty": 1, "queue.send": 1}


async def test_a_run_that_starts_by_one_request_counts_as_one(backend: CountingBackend) -> None:
    flow = create_flow("short").node("a", lambda ctx: 1)
    await Client(backend, flows=[flow]).start(flow, run_id="run")
    assert backend.counts()["starts.begin"] == 1
    assert not {"status.create", "queue.send"} & backend.counts().keys()
    assert backend.transactional is not None


async def test_calls_with_nothing_are_no_requests(backend: CountingBackend) -> None:
    await backend.queue.send([])
    await backend.queue.acknowledge([])
    await backend.context.get("run", [])
    await backend.context.apply("run", {})
    assert backend.counts() == {}


async def test_a_call_that_fails_was_made(backend: CountingBackend) -> None:
    with pytest.raises(ValueError, match="max_value_bytes"):
        await backend.context.put("run", "key", Fact(bytes(400_001), "writer"))
    assert backend.counts() == {"context.put": 1}


async def test_counting_begins_again_and_keeps_what_it_told(backend: CountingBackend) -> None:
    await backend.status.get("run")
    before = backend.counts()
    backend.reset()
    assert (before, backend.counts(), backend.bytes_written()) == ({"status.get": 1}, {}, {})


def test_it_is_a_backend_with_the_limits_of_the_one_inside() -> None:
    inside = InMemoryBackend()
    counting: Backend = CountingBackend(inside)
    assert counting.queue.limits == inside.queue.limits
    assert counting.context.limits == inside.context.limits

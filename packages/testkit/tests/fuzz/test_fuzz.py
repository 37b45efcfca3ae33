"""Everything that is read from outside may be anything: only errors of ours come out, or nothing at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    BlueprintError,
    ExpressionError,
    FlowRuntime,
    NodeContext,
    ResumeError,
    SerializationError,
    create_flow,
)
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.expressions import compile_expression
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.jobs import Job, MalformedJobError, NewerJobError, decode_job, encode_job
from flowcraft_core.payloads import CompressingCodec
from flowcraft_core.ports import Fact, Message
from flowcraft_core.serialization import Serializer
from flowcraft_testkit import InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.simulation.loop import LoopClock, run_virtual
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

Ctx = NodeContext[Any, Any]

TEXT = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def mangled(valid: Any) -> st.SearchStrategy[Any]:
    """JSON like the valid one, with one place of it something else, gone, or there under another name."""
    places = list(_places(valid, ()))

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        data = json.loads(json.dumps(valid))
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.sampled_from(places))
            _change(data, place, draw)
        return data

    return build()


def _places(data: Any, path: tuple[Any, ...]) -> Any:
    if path:
        yield path
    if isinstance(data, dict):
        for name, inner in data.items():
            yield from _places(inner, (*path, name))
    elif isinstance(data, list):
        for index, inner in enumerate(data):
            yield from _places(inner, (*path, index))


def _change(data: Any, path: tuple[Any, ...], draw: st.DrawFn) -> None:
    try:
        for step in path[:-1]:
            data = data[step]
        kind = draw(st.sampled_from(["replace", "remove", "rename"]))
        if kind == "replace" or not isinstance(data, dict):
            data[path[-1]] = draw(JSON)
        elif kind == "remove":
            del data[path[-1]]
        else:
            data[draw(TEXT)] = data.pop(path[-1])
    except (KeyError, IndexError, TypeError):
        return  # an earlier change took the place away


def named(error: Exception, *words: str) -> None:
    """An error says what is wrong."""
    assert str(error)
    assert all(word in str(error) for word in words)


def text_of(data: Any) -> str:
    return json.dumps(data)


# --- job bodies -------------------------------------------------------------------------------------------------------

BODY = json.loads(encode_job(Job(id="i", run_id="r", key="k", first_seen=1.0, hops=2, attempt=3, standing_in=True)))
BY_HAND = {"runId": "r", "blueprintId": "b", "nodeId": "n"}
BODIES = TEXT | JSON.map(text_of) | mangled(BODY).map(text_of) | mangled(BY_HAND).map(text_of)


@given(BODIES)
@example("[" * 100_000)
@example('{"v": 1e999}')
@example('{"v": 1, "id": "i", "run": "r", "key": "k", "seen": NaN}')
@example('{"v": 1, "id": "i", "run": "r", "key": "k", "seen": 1' + "0" * 5000 + "}")
def test_a_message_is_a_job_or_refused_by_name(body: str) -> None:
    try:
        job = decode_job(body)
    except (MalformedJobError, NewerJobError) as error:
        named(error)
    else:
        assert job.run_id
        assert job.id
        assert job.hops >= 0


@settings(max_examples=40)
@given(st.lists(BODIES, min_size=1, max_size=5))
def test_a_worker_gets_rid_of_any_message_and_works_on(bodies: list[str]) -> None:
    async def step(ctx: Ctx) -> int:
        return 1

    async def main() -> tuple[str, int]:
        flow, clock = create_flow("b").node("n", step), LoopClock()
        async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
            client = Client(backend, flows=[flow], clock=clock)
            await client.start(flow, run_id="r")
            await backend.queue.send([Message(body) for body in bodies])
            worker = Worker(backend, FlowRuntime([flow], clock=clock), poll=20.0, control_interval=60.0)
            working = asyncio.ensure_future(worker.run())
            result = await client.wait("r", timeout=600)
            await clock.sleep(3600)
            worker.stop()
            await working
            return result.status, len(backend._world.messages._messages)

    status, left = run_virtual(main)
    # A job of the run itself may name what it cannot have, which fails it by name. One of a newer format is passed on.
    assert status in ("completed", "failed")
    newer = sum(_is_newer(body) for body in bodies)
    assert left <= newer


def _is_newer(body: str) -> bool:
    try:
        decode_job(body)
    except NewerJobError:
        return True
    except MalformedJobError:
        return False
    return False


# --- blueprints -------------------------------------------------------------------------------------------------------

BLUEPRINT = {
    "id": "b",
    "nodes": [
        {
            "id": "a",
            "uses": "x",
            "params": {"p": 1},
            "config": {"maxRetries": 2, "joinStrategy": "all", "timeout": 100},
        },
        {"id": "w", "uses": "wait"},
        {"id": "z", "uses": "sleep", "params": {"duration": "3s"}},
        {"id": "l", "uses": "loop-controller", "params": {"condition": "result.output < 3"}},
        {"id": "i", "uses": "x", "inputs": {"v": "a", "c": "name"}},
        {"id": "c", "uses": "subflow", "params": {"blueprintId": "b2", "inputs": {"x": "y"}}},
        {"id": "s", "uses": "batch", "params": {"workerUsesKey": "x"}, "inputs": "list"},
    ],
    "edges": [
        {"source": "a", "target": "w", "action": "on", "condition": "input.n > 1", "transform": "[input]"},
        {"source": "w", "target": "z"},
        {"source": "z", "target": "i"},
        {"source": "i", "target": "l"},
        {"source": "l", "target": "i", "action": "continue"},
        {"source": "l", "target": "c", "action": "break"},
        {"source": "c", "target": "s"},
    ],
    "metadata": {"version": "1"},
}


def test_the_blueprint_that_is_mangled_is_a_good_one() -> None:
    compile_blueprint(Blueprint.from_json(BLUEPRINT))


@settings(max_examples=200)
@given(mangled(BLUEPRINT) | JSON)
def test_a_blueprint_means_something_or_is_refused_by_name(data: Any) -> None:
    try:
        compile_blueprint(Blueprint.from_json(data))
    except BlueprintError as error:
        named(error)


# --- expressions ------------------------------------------------------------------------------------------------------

_WORDS = "input result context x output len __class__ and or not in if else for lambda true null 0 1.5 'a'"
_SIGNS = '. [ ] ( ) { } : , + - * ** / % < == === && || ! ? => ; ` "'
_PIECES = st.sampled_from([*_WORDS.split(), *_SIGNS.split(), "\n", "\x00", "\u00e9", "9" * 400])
EXPRESSIONS = TEXT | st.lists(_PIECES, max_size=12).map(" ".join) | st.lists(_PIECES, max_size=12).map("".join)


@settings(max_examples=300)
@given(EXPRESSIONS, JSON)
def test_an_expression_gives_a_value_or_fails_by_name(text: str, value: Any) -> None:
    try:
        compile_expression(text).evaluate({"input": value, "result": {"output": value}, "context": {"x": value}})
    except (ExpressionError, BlueprintError) as error:
        named(error)


# --- what is stored ---------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"\x01" + data))
def test_stored_bytes_are_decoded_or_refused_by_name(data: bytes) -> None:
    try:
        CompressingCodec(max_bytes=1000).decode(data, place="run key")
    except SerializationError as error:
        named(error, "run key")


@given(JSON | mangled({"$date": "2024-01-01", "$bytes": "aGk=", "$set": [1], "$decimal": "1", "$type": "x", "v": {}}))
def test_stored_values_are_decoded_or_refused_by_name(data: Any) -> None:
    serializer = Serializer()
    try:
        serializer.from_data(data)
    except SerializationError as error:
        named(error)


def _saved() -> dict[str, Any]:
    flow = create_flow("saved").wait("w").node("a", _one).edge("w", "a")
    state: dict[str, Any] = json.loads(
        FlowRuntime([flow], clock=VirtualClock()).run_sync(flow, {"x": 1}, run_id="saved").state
    )
    return state


async def _one(ctx: Ctx) -> int:
    return 1


@settings(max_examples=60)
@given(mangled(_saved()).map(text_of) | TEXT | JSON.map(text_of))
def test_a_saved_run_is_gone_on_with_or_refused_by_name(state: str) -> None:
    flow = create_flow("saved").wait("w").node("a", _one).edge("w", "a")
    try:
        FlowRuntime([flow]).resume_sync(state, "w", timeout=1)
    except FlowcraftError as error:
        named(error)


def _stored(pick: Callable[[tuple[str, str]], bool]) -> Mapping[tuple[str, str], bytes]:
    """The facts that a finished run has left."""

    async def main() -> dict[tuple[str, str], bytes]:
        async with InMemoryBackend(clock=LoopClock(), weaknesses=Weaknesses.none()) as backend:
            await _run(backend, lambda name, body: body)
            records = backend._world.facts._records
            return {name: record.newest.body for name, record in records.items() if record.newest and pick(name)}

    return run_virtual(main)


async def _run(backend: InMemoryBackend, change: Callable[[tuple[str, str], bytes], bytes]) -> str:
    """Run a flow to its wait, change what is stored, and go on; how it stands in the end."""
    flow = create_flow("stored").node("a", _one).wait("w").node("b", _one).edge("a", "w").edge("w", "b")
    clock = LoopClock()
    client = Client(backend, flows=[flow], clock=clock)
    options: dict[str, Any] = {"poll": 20.0, "control_interval": 60.0, "reconcile_interval": 60.0}

    async def work(seconds: float) -> None:
        worker = Worker(backend, FlowRuntime([flow], clock=clock), **options)
        working = asyncio.ensure_future(worker.run())
        await clock.sleep(seconds)
        worker.stop()
        await working

    await client.start(flow, {"x": 1}, run_id="r")
    await work(30)
    for name, record in backend._world.facts._records.items():
        if record.newest is not None:
            changed = change(name, record.newest.body)
            record.write(Fact(changed, record.newest.writer, record.newest.job), None)
    fresh = Client(backend, clock=clock)
    try:
        await fresh.resume("r", "w", output=1)
        await work(1800)
        await fresh.result("r")
    except FlowcraftError as error:
        named(error)
    status = await backend.status.get("r")
    assert status is not None
    return status.state


@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(st.data())
def test_stored_facts_may_be_damaged_and_only_their_own_run_suffers(data: st.DataObject) -> None:
    kept = _FACTS
    victim = data.draw(st.sampled_from(sorted(kept)))
    body = kept[victim]
    record = json.loads(body[2:])
    damaged = data.draw(
        st.binary(max_size=40)
        | mangled(record).map(lambda changed: b"w\x00" + json.dumps(changed).encode())
        | JSON.map(lambda changed: b"w\x00" + json.dumps(changed).encode())
        | JSON.map(lambda changed: b"c" + json.dumps(changed).encode())
    )

    async def main() -> str:
        async with InMemoryBackend(clock=LoopClock(), weaknesses=Weaknesses.none()) as backend:
            return await _run(backend, lambda name, body: damaged if name == victim else body)

    assert run_virtual(main) in ("running", "awaiting", "completed", "failed")


_FACTS = _stored(lambda name: name[1] in (":run", "a", "w:suspension") or name[0] == ":blueprints")


def test_a_saved_run_that_is_whole_is_gone_on_with() -> None:
    flow = create_flow("saved").wait("w").node("a", _one).edge("w", "a")
    result = FlowRuntime([flow]).resume_sync(json.dumps(_saved()), "w")
    assert result.status == "completed"
    with pytest.raises(ResumeError):
        FlowRuntime([flow]).resume_sync("{}", "w")

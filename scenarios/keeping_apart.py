"""Scenarios 72 and 73: what is stored of one run is neither another's to remove nor to be read in another's place."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any

import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, FlowcraftError, create_flow
from flowcraft_core.durable.runs import RECORD_KEY
from flowcraft_core.durable.storage import Records
from flowcraft_core.errors import SerializationError
from flowcraft_core.ports import Fact, PositionedValue
from scenario import Scenario
from small_steps import Context, echo, sets

PURGED = Scenario(
    id=72,
    title="A run is purged whose id is made of another's parts, or of reserved names: only its own goes",
    absent={"in-process": "nothing is stored that could be purged"},
)
MOVED = Scenario(
    id=73,
    title="A value stored under one run is put into another's place, under a codec that binds: refused",
    absent={"in-process": "values are not encoded, and are where nobody else can put any"},
)


# --- purging ----------------------------------------------------------------------------------------------------------

_VICTIM = "victim"
#: What adapters put between the parts of a name, and what they could.
_BETWEEN = ("#fact#", "#value#", "#fact~#", "%23fact%23", "#", "/", ":", " ", "|", "~", "::", ".", "\\")
_PARTS = (RECORD_KEY, "first", "pause", "value")
#: What names of rows and documents begin with, and what the engine names its own things.
_RESERVED = (
    *(":blueprints", ":run", ":dead:0", ":outside:0", "reconciler", "status", "statuses", "contexts", "config"),
    *("fact::run", "fact:first", "value:value", "initial", "~", "~#", "%", "#", "victim#", "victim#fact", "victi"),
)


def _victim() -> FlowBuilder:
    flow = create_flow("victim").node("first", _sets_value).wait("pause").node("last", _reads_value)
    return flow.edge("first", "pause").edge("pause", "last")


async def _sets_value(ctx: Context) -> str:
    await ctx.context.set("value", "kept")
    return "first"


async def _reads_value(ctx: Context) -> Any:
    return await ctx.context.get("value")


@PURGED.check_durable
async def of_crafted_ids(backend: Durable) -> None:
    """Whether or not there are such runs, the other one has all that it had, and goes on with it."""
    backend.deploy(_victim(), create_flow("other").node("first", sets(backend.clock, value="other's")))
    run = await backend.start("victim", {"given": 1}, run_id=_VICTIM)
    expect.status(await run.result(), "awaiting")
    ids = [f"{_VICTIM}{between}{part}" for between in _BETWEEN for part in _PARTS] + list(_RESERVED)
    client = await backend.client()

    async def purge(run_id: str, *, start: bool) -> None:
        try:
            if start:
                await client.start("other", run_id=run_id)
                await backend.until_ended(run_id)
            await client.purge(run_id)
        except FlowcraftError:
            return  # refused by name

    for start in (False, True):
        for first in range(0, len(ids), 10):
            await asyncio.gather(*(purge(run_id, start=start) for run_id in ids[first : first + 10]))
        result = await run.result()
        expect.status(result, "awaiting")
        expect.equal("what it has done", result.outputs, {"first": "first"})
        expect.equal("its values", result.context, {"given": 1, "value": "kept"})
    await backend.kill()  # so that nobody has any of it but from the store
    await backend.staff()
    await run.resume("pause")
    result = await run.result()
    expect.completed(result, ran=["first", "pause", "last"])
    expect.equal("what it read at last", result.outputs["last"], "kept")


# --- another's place --------------------------------------------------------------------------------------------------


class _Binding:
    """A codec that binds each record to its place, as one that encrypts does, and hides nothing."""

    def encode(self, data: bytes, *, place: object) -> bytes:
        return _digest(place) + data

    def decode(self, data: bytes, *, place: object) -> bytes:
        if data[:32] != _digest(place):
            raise SerializationError(f"record {place!r} was stored in another place")
        return data[32:]


def _digest(place: object) -> bytes:
    return hashlib.sha256(repr(place).encode("utf-8", "backslashreplace")).digest()


async def _secret(ctx: Context) -> str:
    await ctx.context.set(f"{ctx.node_id} value", f"set by {ctx.run_id}")
    return f"secret of {ctx.run_id}"


async def _done(backend: Durable, run_id: str, *nodes: str) -> dict[str, str]:
    """Run a flow with these nodes, then a wait, and give the nodes' keys."""
    flow = create_flow(run_id)
    for node in nodes:
        flow.node(node, _secret)
    flow.wait("pause").node("end", echo, inputs=nodes[0])
    for before, after in zip(nodes, (*nodes[1:], "pause"), strict=True):
        flow.edge(before, after)
    run = await backend.launch(flow.edge("pause", "end"), run_id=run_id)
    result = await run.result()
    expect.status(result, "awaiting")
    return {entry.node_id: entry.key for entry in result.trace}


async def _move(backend: Durable, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Have one record's bytes stand in another's place."""
    store = (await backend.ports()).context
    found = await store.get(source[0], [source[1]])
    await store.delete(target[0], keys=[target[1]], names=())
    if await store.put(*target, Fact(found[source[1]].body, "somebody")) is not None:
        raise AssertionError(f"record {target} could not be replaced: nothing was tried")


async def _is_refused(backend: Durable, run_id: str, what: str) -> None:
    try:
        result = await (await backend.client()).result(run_id)
    except SerializationError:
        return
    raise AssertionError(f"{what} was taken: {result.outputs}, {result.context}")


@MOVED.check_durable
async def between_runs_of_like_names(backend: Durable) -> None:
    """Where run and key read alike when they are written one after the other, too."""
    backend.codec = _Binding()
    for between in (" ", "/", ":", "\n", "%", "#", "|", ", ", "', '"):
        one, other = "x", f"x{between}y"
        source = await _done(backend, f"{one}{between}", "z")  # reads as the other's in no way
        target = await _done(backend, f"{other}{between}", "z")
        await _move(backend, (f"{one}{between}", source["z"]), (f"{other}{between}", target["z"]))
        await _is_refused(backend, f"{other}{between}", f"a foreign record behind {between!r}")
        node = f"y{between}z"
        source, target = await _done(backend, one, node), await _done(backend, other, "z")
        await _move(backend, (one, source[node]), (other, target["z"]))
        await _is_refused(backend, other, f"{source[node]!r} of run {one!r} as {target['z']!r} of run {other!r}")
        await _remove(backend, one)


async def _remove(backend: Durable, run_id: str) -> None:
    """Have the next run of that id be a new one."""
    client = await backend.client()
    await client.cancel(run_id)
    await client.purge(run_id)
    await backend.clock.sleep((await backend.ports()).context.limits.staleness)


@MOVED.check_durable
async def between_keys_and_kinds(backend: Durable) -> None:
    """One instance's outcome for another's; an outcome for a context value, and one value for another."""
    backend.codec = _Binding()
    keys = await _done(backend, "one", "a", "b")
    store = (await backend.ports()).context
    outcomes, values = await store.get("one", list(keys.values())), await store.values("one", ["a value", "b value"])
    for body in (outcomes[keys["a"]].body, values["b value"].body):
        await store.delete("one", keys=(), names=["a value"])
        await store.apply("one", {"a value": PositionedValue(values["a value"].position, body)})
        with expect.refused(SerializationError):
            await _values_of(backend, "one", "a value")
    await _move(backend, ("one", keys["a"]), ("one", keys["b"]))
    await _is_refused(backend, "one", "one instance's outcome in another's place")


async def _values_of(backend: Durable, run_id: str, name: str) -> Any:
    """What a program that is given the run's shared context reads."""
    records = Records((await backend.ports()).context, backend.serializer, backend.codec)
    return await records.values(run_id, "", [name])


@MOVED.check_durable
async def by_a_worker(backend: Durable) -> None:
    """The run that would read it fails by name, and gets nothing of it."""
    backend.codec = _Binding()
    in_one = await _done(backend, "x", "y z")
    in_other = await _done(backend, "x y", "z")
    await _move(backend, ("x", in_one["y z"]), ("x y", in_other["z"]))
    await backend.kill()
    await backend.staff()
    with contextlib.suppress(SerializationError):  # a client may read it first
        await backend.run_of("x y").resume("pause")
    await (await backend.ports()).status.touch("x y", at=backend.clock.now(), next_check=backend.clock.now())
    await backend.until_given_up("x y")
    status = await backend.status("x y")
    expect.equal("the state", status.state, "failed")
    expect.mentions("the reason", status.reason or "", "x y")

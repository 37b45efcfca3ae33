"""Scenario 70: messages of any bytes, rows of any content, records and blueprints that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import expect
from beside import Beside
from durable_backend import Durable
from flowcraft_core import create_flow
from flowcraft_core.durable.runs import RECORD_KEY
from flowcraft_core.durable.storage import BLUEPRINTS
from flowcraft_core.ports import Fact
from scenario import Scenario
from small_steps import Context, gives

UNREADABLE = Scenario(
    id=70,
    title="Messages, rows, records and blueprints cannot be read: a dead letter or a failed run, and workers go on",
    absent={"in-process": "nothing comes from a queue or a store; what a caller gives is refused as it is given (6)"},
)

_HUGE = "1" + "0" * 400
_LONE = r"\ud83d"

#: Messages of nobody's run.
_OF_NOBODY = {
    "no JSON": "hello",
    "half of an object": '{"v":1,"id":"m0","run":"no',
    "deep": "[" * 20_000,
    "digits": "1" * 5_000,
    "null": "null",
    "a text": '"text"',
    "no fields": "{}",
    "version NaN": '{"v":NaN}',
    "version huge": '{"v":' + _HUGE + ',"id":"m10"}',
    "version true": '{"v":true,"id":"m9","run":"nobody","key":"","seen":0}',
    "a newer format": '{"v":2,"id":"newer"}',
    "unknown run": '{"v":1,"id":"m1","run":"nobody","key":"","seen":0}',
    "unknown run, seen ahead": '{"v":1,"id":"m2","run":"nobody","key":"","seen":1e12}',
    "unknown run, seen huge": '{"v":1,"id":"m3","run":"nobody","key":"","seen":' + _HUGE + "}",
    "unknown run, hops huge": '{"v":1,"id":"m4","run":"nobody","key":"","seen":0,"hops":' + _HUGE + "}",
    "run a surrogate": '{"v":1,"id":"m5","run":"' + _LONE + '","key":"","seen":0}',
    "run a list": '{"v":1,"id":"m6","run":["nobody"],"key":"","seen":0}',
    "run too long": '{"v":1,"id":"m7","run":"' + "r" * 400 + '","key":"","seen":0}',
    "run reserved": '{"v":1,"id":"m8","run":":blueprints","key":"a","seen":0}',
    "by hand, run a surrogate": '{"runId":"' + _LONE + '","blueprintId":"plain","nodeId":"h1"}',
    "by hand, node a number": '{"runId":"nobody","blueprintId":"plain","nodeId":5}',
    "by hand, run too long": '{"runId":"' + "r" * 400 + '","blueprintId":"plain","nodeId":"h2"}',
}

#: Of a run that is there, in the place of RUN: whoever can write to the queue can fail it.
_OF_A_RUN = {
    "seen huge": '{"v":1,"id":"r1","run":"RUN","key":"pause","seen":' + _HUGE + "}",
    "seen NaN": '{"v":1,"id":"r2","run":"RUN","key":"pause","seen":NaN}',
    "seen a text": '{"v":1,"id":"r3","run":"RUN","key":"pause","seen":"now"}',
    "attempt huge": '{"v":1,"id":"r4","run":"RUN","key":"pause","seen":0,"attempt":' + _HUGE + "}",
    "key a surrogate": '{"v":1,"id":"r5","run":"RUN","key":"' + _LONE + '","seen":0}',
    "key too long": '{"v":1,"id":"r6","run":"RUN","key":"' + "k" * 5_000 + '","seen":0}',
    "key of no instance": '{"v":1,"id":"r7","run":"RUN","key":"pause[3].x","seen":0}',
    "key of a record": '{"v":1,"id":"r8","run":"RUN","key":":run","seen":0}',
    "index huge": '{"v":1,"id":"r9","run":"RUN","key":"pause[' + _HUGE + '].x","seen":0}',
    "id a surrogate": '{"v":1,"id":"' + _LONE + '","run":"RUN","key":"pause","seen":0}',
    "by hand, node unknown": '{"runId":"RUN","blueprintId":"waits","nodeId":"h3"}',
}


# --- messages ---------------------------------------------------------------------------------------------------------


@UNREADABLE.check_durable
async def messages_of_nobodys_run(backend: Durable) -> None:
    """Each is a dead letter that says why."""
    beside = Beside(backend)
    await beside.begin()
    longest = (await backend.ports()).queue.limits.max_body_bytes
    bodies = {name: body for name, body in _OF_NOBODY.items() if len(body) <= longest}
    bodies["as long as may be"] = _filled('{"v":1,"id":"long","run":"FILL","key":"","seen":0}', longest)
    bodies["newer, as long as may be"] = _filled('{"v":2,"id":"FILL"}', longest)
    await backend.send(*bodies.values())
    await beside.pass_minutes(letters=bodies.values())
    for letter in await backend.dead_letters():
        if not letter.reason:
            raise AssertionError(f"the dead letter {letter.body!r:.80} says no reason")
    await beside.all_is_well()


@UNREADABLE.check_durable
async def messages_of_a_run(backend: Durable) -> None:
    """Each is a dead letter or has failed its run, or was harmless; none comes for ever, and no other run fails."""
    beside = Beside(backend)
    await beside.begin()
    client = await backend.client()
    of = {}
    for number, (name, body) in enumerate(_OF_A_RUN.items()):
        of[name] = f"victim {number}"
        await client.start("waits", run_id=of[name])
        await backend.send(body.replace("RUN", of[name]))
    await beside.pass_minutes(
        set(), {body.replace("RUN", of[name]) for name, body in _OF_A_RUN.items() if name in _BAD}
    )
    await beside.all_is_well()
    for name, run_id in of.items():
        status = await client.status(run_id)
        if status.state == "failed" and not status.reason:
            raise AssertionError(f"{name}: the run has failed without a reason")
        if status.state != "failed":
            await backend.run_of(run_id).resume("pause")
            expect.completed(await backend.run_of(run_id).result())


#: Those that name something that there cannot be.
_BAD = {name: body for name, body in _OF_A_RUN.items() if name not in ("seen huge", "attempt huge", "key of a record")}


def _filled(body: str, length: int) -> str:
    return body.replace("FILL", "x" * (length - len(body) + len("FILL")))


@UNREADABLE.check_durable
async def many_that_lie_about_their_time(backend: Durable) -> None:
    """More jobs than a worker has slots, seen in the far future, hold up nothing."""
    beside = Beside(backend)
    await beside.begin()

    async def reads(ctx: Context) -> Any:
        return await ctx.context.get("value")

    backend.deploy(create_flow("reads").node("read", reads))
    await backend.cut(lambda client: client.start("reads", {"value": 1}, run_id="bait"))
    await backend.staff()
    body = '{"v":1,"id":"m%d","run":"bait","key":"read","seen":1e12}'
    await backend.send(*(body % number for number in range(100)))
    began = backend.clock.now()
    expect.completed(await (await backend.start("plain")).result())
    expect.at_most("what a run took meanwhile", backend.clock.now() - began, 10 * backend.beat)
    await beside.all_is_well()


# --- records ----------------------------------------------------------------------------------------------------------


async def _overwrite(backend: Durable, run_id: str, key: str, body: bytes) -> None:
    """Have another record stand under a key."""
    store = (await backend.ports()).context
    if not await store.get(run_id, [key]):
        raise AssertionError(f"there is no record {key!r} of run {run_id!r}: nothing was tried")
    await store.delete(run_id, keys=[key], names=())
    standing = await store.put(run_id, key, Fact(body, "somebody"))
    if standing is not None:
        raise AssertionError(f"record {key!r} of run {run_id!r} could not be changed")


#: What stands for a record. The first byte says that the rest is as it is.
_DAMAGED: Mapping[str, bytes] = {
    "empty": b"",
    "no text": b"\x00\xff\xfe",
    "no JSON": b"\x00{",
    "no object": b"\x00[1]",
    "no fields": b'\x00{"v":1}',
    "a newer format": b'\x00{"v":99}',
    "another codec": b"w\x00{}",
    "a bomb that is none": b"\x01\x00\x00",
    "deep": b'\x00{"v":1,"x":' + b"[" * 50_000,
}


@UNREADABLE.check_durable
async def records_of_runs(backend: Durable) -> None:
    """Each run fails with the reason, with and without a job that would find it."""
    beside = Beside(backend)
    await beside.begin()
    client, ports = await backend.client(), await backend.ports()
    runs: set[str] = set()
    row = create_flow("row").node("first", gives(1)).wait("pause").edge("first", "pause")
    for name in _DAMAGED:
        for run_id in (f"run: {name}", f"outcome: {name}"):
            runs.add(run_id)
            await client.start(row, run_id=run_id)
    backend.deploy(row)
    await backend.staff()
    for run_id in runs:
        expect.status(await backend.run_of(run_id).result(), "awaiting")
    await backend.kill()  # nobody knows them any more
    for name, body in _DAMAGED.items():
        await _overwrite(backend, f"run: {name}", RECORD_KEY, body)
        await _overwrite(backend, f"outcome: {name}", "first", body)
    for number, run_id in enumerate(sorted(runs)):
        await ports.status.touch(run_id, at=backend.clock.now(), next_check=backend.clock.now())
        if number % 2:
            job = {"v": 1, "id": f"job {number}", "run": run_id, "key": "", "seen": backend.clock.now()}
            await backend.send(json.dumps(job))
    await backend.staff()
    await beside.pass_minutes(runs)
    for run_id in runs:
        expect.mentions(f"the reason of {run_id!r}", (await client.status(run_id)).reason or "", "record")
    await beside.all_is_well()


@UNREADABLE.check_durable
async def blueprints(backend: Durable) -> None:
    """A run whose blueprint this program cannot compile fails with the reason."""
    beside = Beside(backend)
    await beside.begin()
    client = await backend.client()
    odd: dict[str, dict[str, Any]] = {
        "unknown target": {"edges": [{"source": "a", "target": "nowhere"}]},
        "no nodes": {"nodes": 5},
        "no text": {},
    }
    for number, (name, change) in enumerate(odd.items()):
        flow = create_flow(f"odd {number}").node("a", "a step of nobody's")
        await client.start(flow, run_id=name)
        blueprint = {**flow.to_blueprint().to_dict(), **change}
        body = b"\x00" + json.dumps({"v": 1, "blueprint": blueprint if change else None}).encode()
        await _overwrite(backend, BLUEPRINTS, flow.compile().hash, body)
    await backend.kill()
    await backend.staff()
    await beside.pass_minutes(odd)
    for name in odd:
        if not (await client.status(name)).reason:
            raise AssertionError(f"run {name!r} has failed without a reason")
    await beside.all_is_well()


# --- rows -------------------------------------------------------------------------------------------------------------


@UNREADABLE.check_durable
async def rows(backend: Durable) -> None:
    """Whatever others have written past the adapters: messages are set aside, runs fail, and all else goes on."""
    beside = Beside(backend)
    await beside.begin()
    letters, runs = await backend.spoil_rows()
    for run_id in runs:
        await backend.send(json.dumps({"runId": run_id, "blueprintId": "plain", "nodeId": "only"}))
    client, left, number = await backend.client(), set(runs), 0

    async def is_done() -> bool:
        nonlocal left, number
        dead = await client.dead_letters()
        of_runs = {run_id for run_id in runs for letter in dead if json.dumps(run_id) in (letter.body or "")}
        left = set(runs) - of_runs - {status.run_id async for status in client.runs("failed")}
        number = len(dead) - len(of_runs)
        return not left and number >= letters

    if not await backend.comes_to_hold(is_done, within=3_600.0, every=60.0):
        raise AssertionError(f"not in time: {number} dead letters of {letters}; neither failed nor dead: {left}")
    await beside.all_is_well()

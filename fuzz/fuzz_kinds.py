"""What is written by others: each kind is a way in which a message, a row or a record is not what it should be."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from flowcraft_core import Blueprint
from flowcraft_core.durable import Client
from flowcraft_core.jobs import Job, encode_job
from fuzz_flows import exploding, repeating
from fuzz_rows import Stored, packed, packed_many, plain

#: Makes one of a kind. It gets where to write, and a name that is to be found in whatever becomes of it.
Write = Callable[["Place", str], Awaitable[None]]


@attrs.define
class Place:
    """Where things are written.

    Attributes:
        rows: The file.
        client: Starts what is then changed.
        chance: What is drawn from.
        parked: Starts a run of ``victim``, and returns once it waits; with its id.
    """

    rows: Stored
    client: Client
    chance: random.Random
    parked: Callable[[str], Awaitable[None]]


@attrs.frozen
class Kind:
    """A way to be wrong.

    Attributes:
        name: What is wrong.
        write: Makes one.
        gives: What is to come of at least one of them: a dead letter, a failed run, or just an end.
        heavy: Takes seconds to be found out, so that few are made.
    """

    name: str
    write: Write
    gives: str
    heavy: bool = False


KINDS: list[Kind] = []


def kind(name: str, gives: str, *, heavy: bool = False) -> Callable[[Write], Write]:
    """Add a kind; a decorator."""

    def note(write: Write) -> Write:
        KINDS.append(Kind(name, write, gives, heavy))
        return write

    return note


# --- values of any type -----------------------------------------------------------------------------------------------


def anything(chance: random.Random, *, not_a: type | tuple[type, ...] = ()) -> Any:
    """A JSON value, of another type than these."""
    choices: list[Any] = [None, True, -7, 2.5, "text", "", [], [1, [2]], {}, {"a": {"b": 1}}, 10**30, "\ud800"]
    return chance.choice([value for value in choices if not isinstance(value, not_a) or isinstance(value, bool)])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there are values in JSON data, from the outside in."""
    found = [path] if path else []
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, inner in members:
        found += places(inner, (*path, name))
    return found


def changed(data: Any, chance: random.Random) -> Any:
    """JSON data with one place of it gone, something else, doubled, or deeper than it was."""
    data = json.loads(json.dumps(data))
    *path, last = chance.choice(places(data))
    inside = data
    for step in path:
        inside = inside[step]
    how = chance.randrange(4)
    if how == 0:
        del inside[last]
    elif how == 1:
        inside[last] = anything(chance)
    elif how == 2:
        inside[last] = [inside[last], inside[last]]
    else:
        inside[last] = {"within": inside[last]}
    return data


# --- messages ---------------------------------------------------------------------------------------------------------


def job(name: str, **fields: Any) -> dict[str, Any]:
    """A job as it is on the queue, of a run that is not there."""
    made: dict[str, Any] = json.loads(encode_job(Job(id=name, run_id=name, key="a", nonce="n", hops=1, attempt=2)))
    return {**made, **fields}


@kind("message.not_json", "dead")
async def not_json(place: Place, name: str) -> None:
    text = json.dumps(job(name))
    place.rows.send(place.chance.choice([f"hello {name}", text[: place.chance.randrange(40, len(text))], f"'{text}'"]))


@kind("message.empty", "dead")
async def empty(place: Place, name: str) -> None:
    place.rows.send(place.chance.choice(["", " ", "\n", "\t\r\n"]))  # none has a name: all of them count together


@kind("message.not_utf8", "dead")
async def not_utf8(place: Place, name: str) -> None:
    raw = bytearray(json.dumps(job(name)).encode())
    raw[place.chance.randrange(len(raw) - 20, len(raw))] = place.chance.randrange(0x80, 0x100)
    place.rows.send(bytes(raw))


@kind("message.blob", "dead")
async def blob(place: Place, name: str) -> None:
    body = b"\xff\x00" + name.encode() + b" " + place.chance.randbytes(20)
    place.rows.ask("INSERT INTO jobs (body) VALUES (?)", body)


@kind("message.deep", "dead")
async def deep(place: Place, name: str) -> None:
    place.rows.send(f'{{"v":1,"id":"{name}","run":' + place.chance.choice(["[", '{"a":']) * 8_000)


@kind("message.long", "dead")
async def long(place: Place, name: str) -> None:
    place.rows.send(json.dumps(job(name, key="k" * place.chance.choice([3_000, 60_000, 2**18, 2**20]))))


@kind("message.no_object", "dead")
async def no_object(place: Place, name: str) -> None:
    place.rows.send(json.dumps(place.chance.choice([[name], name, [job(name)], [[], {"v": name}]])))


@kind("message.field_removed", "dead")
async def field_removed(place: Place, name: str) -> None:
    body = job(name)
    del body[place.chance.choice(["v", "id", "run", "key"])]
    place.rows.send(json.dumps({**body, "as": name}))


@kind("message.field_of_another_type", "dead")
async def field_retyped(place: Place, name: str) -> None:
    field = place.chance.choice(["v", "id", "run", "key", "nonce", "seen", "hops", "attempt"])
    wrong = (int, float) if field in ("v", "seen", "hops", "attempt") else (str,)
    place.rows.send(json.dumps({**job(name), field: anything(place.chance, not_a=wrong), "as": name}))


@kind("message.changed_anywhere", "dead")
async def message_changed(place: Place, name: str) -> None:
    place.rows.send(json.dumps({**changed(job(name), place.chance), "as": name}))


@kind("message.half_a_character", "dead")
async def surrogate(place: Place, name: str) -> None:
    field = place.chance.choice(["id", "run", "key", "nonce"])
    place.rows.send(json.dumps({**job(name), field: f"{name}\ud800"}))


@kind("message.absurd_number", "dead")
async def absurd(place: Place, name: str) -> None:
    field = place.chance.choice(["v", "seen", "hops", "attempt", "passed"])
    number = place.chance.choice(["NaN", "-1", "1e999", "-Infinity", "1" + "0" * 5_000, "-0.5"])
    body = json.dumps({**job(name), field: "HERE"}).replace('"HERE"', number)
    place.rows.send(body)


@kind("message.sent_in_the_future", "dead")
async def future(place: Place, name: str) -> None:
    when = place.chance.choice([1e10, 1e12, 1e300, 10**400])
    place.rows.send(json.dumps(job(name, **{place.chance.choice(["seen", "passed"]): when})))


@kind("message.of_a_newer_format", "dead")
async def newer(place: Place, name: str) -> None:
    fields = place.chance.choice([{}, {"passed": 1e300}, {"half": "\ud800"}, {"run": 7}, {"long": "x" * 2**18}])
    place.rows.send(json.dumps({"v": place.chance.choice([2, 99, 10**40]), "id": name, **fields}))


@kind("message.of_an_unknown_run", "dead")
async def unknown_run(place: Place, name: str) -> None:
    place.rows.send(json.dumps(job(name, key=place.chance.choice(["", "a", "a/b", "x[3].y", "::", "\x00"]))))


@kind("message.of_no_run", "dead")
async def no_run(place: Place, name: str) -> None:
    run_id = place.chance.choice([":blueprints", ":dead:x", ":", "r" * 301])
    place.rows.send(json.dumps(job(name, run=run_id)))


@kind("message.of_an_unknown_instance", "failed")
async def unknown_instance(place: Place, name: str) -> None:
    await place.parked(name)
    key = place.chance.choice(["ghost", "a[1].b", "w/x", "a.", "[", "a:entry"])
    place.rows.send(json.dumps(job(name, nonce=place.rows.record(name, ":run")["nonce"], key=key)))


@kind("message.that_comes_too_early", "ends")
async def too_early(place: Place, name: str) -> None:
    await place.parked(name)
    nonce = place.rows.record(name, ":run")["nonce"]
    for key in ("j", "r", "r", "a", ""):
        place.rows.send(json.dumps(job(name, nonce=nonce, key=key, seen=1e300)))


@kind("message.by_hand_changed", "dead")
async def by_hand_changed(place: Place, name: str) -> None:
    body = {"runId": name, "blueprintId": "chain", "nodeId": "n0"}
    field = place.chance.choice(list(body))
    wrong = place.chance.choice([None, 1, ["x"], {}, "", "\ud800"])
    place.rows.send(json.dumps({**body, field: wrong, "as": name}))


@kind("message.by_hand_of_an_unknown_flow", "dead")
async def by_hand_unknown(place: Place, name: str) -> None:
    place.rows.ask("INSERT INTO initial_contexts VALUES (?, '{}')", name)
    place.rows.send(json.dumps({"runId": name, "blueprintId": "elsewhere", "nodeId": "a"}))


@kind("by_hand.context_of_any_kind", "dead")
async def by_hand_context(place: Place, name: str) -> None:
    contexts: list[Any] = ["no json", "[" * 50_000, "[1]", "7", "null", "1" * 5_000, b"\xff\x00", 12]
    place.rows.ask("INSERT INTO initial_contexts VALUES (?, ?)", name, place.chance.choice(contexts))
    place.rows.send(json.dumps({"runId": name, "blueprintId": "chain", "nodeId": "n0"}))


# --- rows of the queue ------------------------------------------------------------------------------------------------


@kind("job_row.deliveries_of_any_type", "dead")
async def deliveries(place: Place, name: str) -> None:
    wrong = place.chance.choice(["many", b"\x00", 2**62, -5, 9e999])
    place.rows.send(f"{name} is no job", deliveries=wrong)


@kind("job_row.time_of_any_type", "dead")
async def visible_at(place: Place, name: str) -> None:
    wrong = place.chance.choice(["soon", b"\xff", 1e300, 9e999, -1e300])
    place.rows.send(f"{name} is no job", visible_at=wrong)


@kind("job_row.token_of_any_type", "dead")
async def token(place: Place, name: str) -> None:
    place.rows.send(f"{name} is no job", token=place.chance.choice(["text", b"\x00", 1.5]))


# --- rows of statuses -------------------------------------------------------------------------------------------------


@kind("status_row.without_a_run", "failed")
async def no_record(place: Place, name: str) -> None:
    place.rows.ask("INSERT INTO statuses (run_id, state, next_check) VALUES (?, 'running', 1)", name)


@kind("status_row.tags_of_any_kind", "failed")
async def tags(place: Place, name: str) -> None:
    wrong = place.chance.choice(["", "[", "[1]", "7", '{"a": 1}', b"\xff", "[" * 50_000])
    statement = "INSERT INTO statuses (run_id, state, next_check, tags) VALUES (?, 'running', 1, ?)"
    place.rows.ask(statement, name, wrong)


@kind("status_row.columns_of_any_type", "failed")
async def columns(place: Place, name: str) -> None:
    column = place.chance.choice(["created", "updated", "blueprint_id", "reason", "body", "tags"])
    wrong = place.chance.choice(["text", b"\xff\x00", 1e300, 9e999, -7])
    statement = f"INSERT INTO statuses (run_id, state, next_check, {column}) VALUES (?, 'running', 1, ?)"  # noqa: S608
    place.rows.ask(statement, name, wrong)


@kind("status_row.id_that_is_no_text", "ends")
async def no_id(place: Place, name: str) -> None:
    wrong = place.chance.choice([b"\xff" + name.encode(), name.encode() + b"\x00\xfe"])
    cast = place.chance.choice(["?", "CAST(? AS TEXT)"])
    place.rows.ask(f"INSERT INTO statuses (run_id, state, next_check) VALUES ({cast}, 'running', 1)", wrong)  # noqa: S608


@kind("status_row.next_check_of_any_type", "ends")
async def next_check(place: Place, name: str) -> None:
    await place.parked(name)
    wrong = place.chance.choice(["soon", b"\x00", -1e300, 9e999])
    place.rows.ask("UPDATE statuses SET next_check = ? WHERE run_id = ?", wrong, name)


# --- the run's record, and its blueprint ------------------------------------------------------------------------------


async def _begun_upon(place: Place, name: str, key: str, body: bytes | Any) -> None:
    """Change a fact of a run that waits; then a job comes, or only the reconciler."""
    await place.parked(name)
    nonce = place.rows.record(name, ":run")["nonce"]
    if callable(body):
        body = body(place.rows.record(name, key))
    if isinstance(body, bytes):
        place.rows.overwrite(name, key, body)
    else:
        place.rows.write(name, key, body)
    if place.chance.random() < 0.5:
        place.rows.send(json.dumps(job(name, nonce=nonce, key=place.chance.choice(["w", "j", "r", ""]))))
    else:
        place.rows.is_due(name)


@kind("run_record.field_removed", "failed")
async def record_removed(place: Place, name: str) -> None:
    field = place.chance.choice(["v", "nonce", "blueprint", "blueprints", "context", "started", "deadline", "again"])
    await _begun_upon(place, name, ":run", lambda record: {k: v for k, v in record.items() if k != field})


@kind("run_record.field_of_another_type", "failed")
async def record_retyped(place: Place, name: str) -> None:
    field = place.chance.choice(["v", "nonce", "blueprint", "blueprints", "context", "started", "again"])
    types: dict[str, Any] = {"v": int, "started": (int, float), "context": dict, "blueprints": dict, "again": list}
    wrong = anything(place.chance, not_a=types.get(field, str))
    await _begun_upon(place, name, ":run", lambda record: {**record, field: wrong})


@kind("run_record.changed_anywhere", "ends")
async def record_changed(place: Place, name: str) -> None:
    await _begun_upon(place, name, ":run", lambda record: changed(record, place.chance))


@kind("run_record.of_any_bytes", "failed")
async def record_bytes(place: Place, name: str) -> None:
    body = place.chance.choice([b"", b"w", b"x", b"w\x00", b"w\x02{}", b"w\x01no", plain(b"{"), b"c[]", b"c", b"\xff"])
    await _begun_upon(place, name, ":run", body)


@kind("run_record.of_a_newer_format", "failed")
async def record_newer(place: Place, name: str) -> None:
    await _begun_upon(place, name, ":run", lambda record: {**record, "v": 99})


@kind("run_record.chunks_that_are_not_there", "failed")
async def record_chunks(place: Place, name: str) -> None:
    await _begun_upon(place, name, ":run", b"c" + json.dumps(["token", place.chance.choice([1, 3, 99_000])]).encode())


@kind("blueprint.refused", "failed")
async def blueprint_refused(place: Place, name: str) -> None:
    def refused(record: dict[str, Any]) -> dict[str, Any]:
        (blueprint_id,) = record["blueprints"]
        data = place.rows.record(":blueprints", record["blueprints"][blueprint_id])["blueprint"]
        edge = place.chance.choice(data["edges"])
        edge[place.chance.choice(["source", "target"])] = f"nowhere {name}"
        content_hash = Blueprint.from_json(data).content_hash()
        place.rows.write(":blueprints", content_hash, {"v": 1, "blueprint": data})
        return {**record, "blueprints": {blueprint_id: content_hash}}

    await _begun_upon(place, name, ":run", refused)


@kind("blueprint.missing", "failed")
async def blueprint_missing(place: Place, name: str) -> None:
    hashes = {"victim": place.chance.choice(["0" * 64, "", "x", "\x00"])}
    await _begun_upon(place, name, ":run", lambda record: {**record, "blueprints": hashes})


@kind("blueprint.changed_anywhere", "failed")
async def blueprint_changed(place: Place, name: str) -> None:
    def other(record: dict[str, Any]) -> dict[str, Any]:
        data = place.rows.record(":blueprints", record["blueprints"]["victim"])
        key = f"hash of {name}"
        place.rows.write(":blueprints", key, changed(data, place.chance))
        return {**record, "blueprints": {"victim": key}}

    await _begun_upon(place, name, ":run", other)


# --- outcomes, parks, chunks, values ----------------------------------------------------------------------------------


@kind("outcome.field_of_another_type", "failed")
async def outcome_retyped(place: Place, name: str) -> None:
    field = place.chance.choice(["taken", "attempts", "started", "ended", "sets", "error", "action", "passes", "items"])
    wrong: list[Any] = [True, -7]  # of no field's type
    by_field: dict[str, list[Any]] = {
        "taken": [[[]], [[-1]], [["0"]], {"0": 1}],
        "attempts": [2.5, 10**30],
        "sets": [[1]],
    }
    wrong = place.chance.choice(wrong + by_field.get(field, []))
    await _begun_upon(place, name, "a", lambda record: {**record, field: wrong})


@kind("outcome.changed_anywhere", "ends")
async def outcome_changed(place: Place, name: str) -> None:
    await _begun_upon(place, name, "a", lambda record: changed(record, place.chance))


@kind("outcome.of_any_bytes", "failed")
async def outcome_bytes(place: Place, name: str) -> None:
    body = place.chance.choice([b"", b"w\x00", b"w\x00[]", b"w\x01no", b"w\x07", plain(b"nul"), b"c{}", plain(b"\xff")])
    await _begun_upon(place, name, "a", body)


@kind("outcome.of_edges_that_are_none", "ends")
async def outcome_edges(place: Place, name: str) -> None:
    taken = place.chance.choice([[[7]], [[0], [0], [1, 5]], [], [[2**40]]])
    await _begun_upon(place, name, "a", lambda record: {**record, "taken": taken})


@kind("outcome.deep", "failed")
async def outcome_deep(place: Place, name: str) -> None:
    text = b'{"v":1,"output":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    await _begun_upon(place, name, "a", place.chance.choice([plain, packed])(text))


@kind("outcome.with_tags_of_none", "failed")
async def outcome_tags(place: Place, name: str) -> None:
    wrong = place.chance.choice([{"$type": "os.system", "value": "x"}, {"$type": 1}, {"$type": "set", "value": [[]]}])
    await _begun_upon(place, name, "a", lambda record: {**record, "output": wrong})


@kind("outcome.small_with_many_values", "failed", heavy=True)
async def outcome_wide(place: Place, name: str) -> None:
    part = place.chance.choice([b"[],", b"{},", b'{"":0},', b"0,"])
    text = (b'{"v":1,"taken":[[0]],"output":[', part, 40 * 2**20 // len(part), b"0]}")
    await _begun_upon(place, name, "a", packed_many(*text))


@kind("outcome.that_inflates", "failed", heavy=True)
async def outcome_bomb(place: Place, name: str) -> None:
    await _begun_upon(place, name, "a", packed_many(b'{"v":1,"output":"', b"x", 70 * 2**20, b'"}'))


@kind("park.changed_anywhere", "ends")
async def park_changed(place: Place, name: str) -> None:
    await _begun_upon(place, name, "w:park", lambda record: changed(record, place.chance))


@kind("park.field_of_another_type", "failed")
async def park_retyped(place: Place, name: str) -> None:
    field = place.chance.choice(["kind", "due", "attempt", "standing_in", "queued", "error"])
    wrong = place.chance.choice([-7, "text", [1], {"a": 1}, 1e300])
    await _begun_upon(place, name, "w:park", lambda record: {**record, field: wrong})


@kind("fact_row.columns_of_any_type", "ends")
async def fact_columns(place: Place, name: str) -> None:
    await place.parked(name)
    column = place.chance.choice(["writer", "job", "body"])
    wrong = place.chance.choice([b"\xff\x00", "text", 7, 1.5])
    place.rows.ask(f"UPDATE facts SET {column} = ? WHERE run_id = ? AND key = 'a'", wrong, name)  # noqa: S608
    place.rows.is_due(name)


@kind("value_row.of_any_bytes", "failed")
async def value_bytes(place: Place, name: str) -> None:
    await place.parked(name)
    wrong = place.chance.choice([b"", b"w", b"w\x00{", b"w\x00[]", b"c[]", "text", 7, b"w\x01x", plain(b'{"v":1}')])
    place.rows.ask("UPDATE context_values SET body = ? WHERE run_id = ?", wrong, name)
    await _resume(place, name)


@kind("value_row.position_of_any_kind", "failed")
async def value_position(place: Place, name: str) -> None:
    await place.parked(name)
    wrong = place.chance.choice(["no position", b"\xff", 7, "\x00"])
    place.rows.ask("UPDATE context_values SET position = ? WHERE run_id = ?", wrong, name)
    await _resume(place, name)


async def _resume(place: Place, name: str) -> None:
    for key in ("w", "v"):
        await place.client.resume(name, key, output=1)


# --- hints ------------------------------------------------------------------------------------------------------------


@kind("hint_row.of_any_kind", "ends")
async def hints(place: Place, name: str) -> None:
    await place.parked(name)
    wrong = place.chance.choice([b"[", b"[1, {}]", b'["0", "1", "2"]', b"\xff"])
    place.rows.ask("UPDATE coordination SET value = ? WHERE key LIKE ? AND typeof(value) = 'blob'", wrong, f"%{name}%")
    await _resume(place, name)


@kind("hint_row.that_never_ends", "ends")
async def lease(place: Place, name: str) -> None:
    await place.parked(name)
    life = f"{name}:{place.rows.record(name, ':run')['nonce']}"
    forever = place.chance.choice([9e999, 1e300, "never", b"\xff"])
    for key in ("reconciler", f"busy:{life}", f"held:{life}:j", f"parked:{life}"):
        place.rows.ask("INSERT OR REPLACE INTO coordination VALUES (?, 'other', ?)", key, forever)
    await _resume(place, name)


# --- blueprints that take more than there is --------------------------------------------------------------------------


@kind("blueprint.transforms_that_multiply", "failed", heavy=True)
async def transforms(place: Place, name: str) -> None:
    await place.client.start(exploding(), run_id=name)


@kind("blueprint.inputs_that_multiply", "failed", heavy=True)
async def inputs(place: Place, name: str) -> None:
    await place.client.start(repeating(), run_id=name)

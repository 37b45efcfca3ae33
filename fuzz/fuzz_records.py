"""What is wrong with rows of statuses, with records, and with what they lead to."""

from __future__ import annotations

import json
from typing import Any

from flowcraft_core import Blueprint
from fuzz_flows import exploding, repeating
from fuzz_kinds import Place, anything, changed, job, kind
from fuzz_rows import packed, packed_many, plain

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
    await place.suspended(name)
    wrong = place.chance.choice(["soon", b"\x00", -1e300, 9e999])
    place.rows.ask("UPDATE statuses SET next_check = ? WHERE run_id = ?", wrong, name)


# --- the run's record, and its blueprint ------------------------------------------------------------------------------


async def _begun_upon(place: Place, name: str, key: str, body: bytes | Any) -> None:
    """Change a fact of a run that waits; then a job comes, or only the reconciler."""
    await place.suspended(name)
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


# --- outcomes, suspensions, chunks, values ----------------------------------------------------------------------------


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


@kind("suspension.changed_anywhere", "ends")
async def suspension_changed(place: Place, name: str) -> None:
    await _begun_upon(place, name, "w:suspension", lambda record: changed(record, place.chance))


@kind("suspension.field_of_another_type", "failed")
async def suspension_retyped(place: Place, name: str) -> None:
    field = place.chance.choice(["kind", "due", "attempt", "standing_in", "queued", "error"])
    wrong = place.chance.choice([-7, "text", [1], {"a": 1}, 1e300])
    await _begun_upon(place, name, "w:suspension", lambda record: {**record, field: wrong})


@kind("fact_row.columns_of_any_type", "ends")
async def fact_columns(place: Place, name: str) -> None:
    await place.suspended(name)
    column = place.chance.choice(["writer", "job", "body"])
    wrong = place.chance.choice([b"\xff\x00", "text", 7, 1.5])
    place.rows.ask(f"UPDATE facts SET {column} = ? WHERE run_id = ? AND key = 'a'", wrong, name)  # noqa: S608
    place.rows.is_due(name)


@kind("value_row.of_any_bytes", "failed")
async def value_bytes(place: Place, name: str) -> None:
    await place.suspended(name)
    wrong = place.chance.choice([b"", b"w", b"w\x00{", b"w\x00[]", b"c[]", "text", 7, b"w\x01x", plain(b'{"v":1}')])
    place.rows.ask("UPDATE context_values SET body = ? WHERE run_id = ?", wrong, name)
    await _resume(place, name)


@kind("value_row.position_of_any_kind", "failed")
async def value_position(place: Place, name: str) -> None:
    await place.suspended(name)
    wrong = place.chance.choice(["no position", b"\xff", 7, "\x00"])
    place.rows.ask("UPDATE context_values SET position = ? WHERE run_id = ?", wrong, name)
    await _resume(place, name)


async def _resume(place: Place, name: str) -> None:
    for key in ("w", "v"):
        await place.client.resume(name, key, output=1)


# --- hints ------------------------------------------------------------------------------------------------------------


@kind("hint_row.of_any_kind", "ends")
async def hints(place: Place, name: str) -> None:
    await place.suspended(name)
    wrong = place.chance.choice([b"[", b"[1, {}]", b'["0", "1", "2"]', b"\xff"])
    place.rows.ask("UPDATE coordination SET value = ? WHERE key LIKE ? AND typeof(value) = 'blob'", wrong, f"%{name}%")
    await _resume(place, name)


@kind("hint_row.that_never_ends", "ends")
async def lease(place: Place, name: str) -> None:
    await place.suspended(name)
    incarnation = f"{name}:{place.rows.record(name, ':run')['nonce']}"
    forever = place.chance.choice([9e999, 1e300, "never", b"\xff"])
    for key in ("reconciler", f"busy:{incarnation}", f"held:{incarnation}:j", f"suspended:{incarnation}"):
        place.rows.ask("INSERT OR REPLACE INTO coordination VALUES (?, 'other', ?)", key, forever)
    await _resume(place, name)


# --- blueprints that take more than there is --------------------------------------------------------------------------


@kind("blueprint.transforms_that_multiply", "failed", heavy=True)
async def transforms(place: Place, name: str) -> None:
    await place.client.start(exploding(), run_id=name)


@kind("blueprint.inputs_that_multiply", "failed", heavy=True)
async def inputs(place: Place, name: str) -> None:
    await place.client.start(repeating(), run_id=name)

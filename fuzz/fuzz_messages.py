"""What is wrong with messages, and with the rows that they are in."""

from __future__ import annotations

import json
from typing import Any

from fuzz_kinds import Place, anything, changed, job, kind

# --- messages ---------------------------------------------------------------------------------------------------------


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
    fields: dict[str, Any] = place.chance.choice(
        [{}, {"passed": 1e300}, {"half": "\ud800"}, {"run": 7}, {"long": "x" * 2**18}]
    )
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
    await place.suspended(name)
    key = place.chance.choice(["ghost", "a[1].b", "w/x", "a.", "[", "a:entry"])
    place.rows.send(json.dumps(job(name, nonce=place.rows.record(name, ":run")["nonce"], key=key)))


@kind("message.that_comes_too_early", "ends")
async def too_early(place: Place, name: str) -> None:
    await place.suspended(name)
    nonce = place.rows.record(name, ":run")["nonce"]
    for key in ("j", "r", "r", "a", ""):
        place.rows.send(json.dumps(job(name, nonce=nonce, key=key, seen=1e300)))


@kind("message.by_hand_changed", "dead")
async def by_hand_changed(place: Place, name: str) -> None:
    body = {"runId": name, "blueprintId": "chain", "nodeId": "n0"}
    field = place.chance.choice(list(body))
    wrong: Any = place.chance.choice([None, 1, ["x"], {}, "", "\ud800"])
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

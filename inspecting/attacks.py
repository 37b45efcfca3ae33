"""The attacks. The name of one is its sentence; it gives whether it has come through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from attacking import (
    FORM,
    OWN,
    SIGNER,
    Attack,
    Defence,
    World,
    endless_guessing,
    endless_tickets,
    has_foreign_markup,
    logged,
    may_be_framed,
    no_escaping,
    no_form_check,
    no_host_check,
    no_origin_check,
    no_policy,
    no_redaction,
    talkative_defects,
    tickets_for_any_purpose,
    tickets_without_nonce,
    unbounded_bodies,
    unsigned_sessions,
    unsigned_tickets,
    values_as_pages,
)
from flowcraft_core.webhooks import WebhookSigner
from sample_flows import MARKUP, SECRET
from sample_runs import waits_at

_ID = quote(f"run{MARKUP}", safe="")
_TOKEN = "t0ken-that-nobody-guesses"  # noqa: S105 - made up
_CANCEL = "/act?what=cancel&id=order-open"


# --- markup in what data can fill -------------------------------------------------------------------------------------


async def _is_marked(world: World, path: str) -> bool:
    async with world.http() as http:
        return has_foreign_markup((await http.get(path)).text)


async def markup_in_ids_flows_tags_and_reasons_of_the_list(world: World) -> bool:
    return await _is_marked(world, "/")


async def markup_in_nodes_actions_and_conditions_of_the_graph(world: World) -> bool:
    return await _is_marked(world, f"/run?id={_ID}")


async def markup_in_the_list_of_instances(world: World) -> bool:
    return await _is_marked(world, f"/run/instances?id={_ID}")


async def markup_in_the_timeline(world: World) -> bool:
    return await _is_marked(world, f"/run/timeline?id={_ID}")


async def markup_in_an_error_and_its_traceback(world: World) -> bool:
    for instance in (await world.client.describe(f"run{MARKUP}")).instances:
        key = quote(instance.key, safe="")
        if instance.errors and await _is_marked(world, f"/run/instance?id={_ID}&key={key}"):
            return True
    return False


async def markup_in_input_output_and_values_set(world: World) -> bool:
    for instance in (await world.client.describe(f"run{MARKUP}")).instances:
        key = quote(instance.key, safe="")
        if instance.sets and await _is_marked(world, f"/run/instance?id={_ID}&key={key}"):
            return True
    return False


async def markup_in_names_and_values_of_the_context(world: World) -> bool:
    return await _is_marked(world, f"/run/context?id={_ID}")


async def markup_in_a_diff(world: World) -> bool:
    return await _is_marked(world, f"/run/diff?id={_ID}&other=order-done")


async def markup_in_the_list_of_schedules(world: World) -> bool:
    return await _is_marked(world, "/schedules")


async def markup_in_a_dead_letter(world: World) -> bool:
    for letter in await world.client.dead_letters():
        if await _is_marked(world, f"/dead-letter?id={quote(letter.run_id)}"):
            return True
    return False


async def markup_in_what_is_searched_for(world: World) -> bool:
    text = quote(MARKUP)
    return await _is_marked(world, f"/?flow={text}&q={text}&tag=a%3D{text}")


async def markup_in_the_address_of_what_is_not_there(world: World) -> bool:
    paths = (f"/run?id={quote(MARKUP)}", f"/?since={quote(MARKUP)}", f"/run?id=order-open&inside={quote(MARKUP)}")
    return any([await _is_marked(world, path) for path in paths])


async def markup_in_a_form_that_comes_back(world: World) -> bool:
    async with world.http() as http:
        path = "/act?what=resume&id=order-open&key=approve"
        sign = _sign((await http.get(path)).text)
        answer = await http.post(
            path, data={"sign": sign, "sure": "yes", "output": f"</textarea>{MARKUP}"}, headers=OWN
        )
        return has_foreign_markup(answer.text)


async def markup_in_a_value_that_is_shown_whole(world: World) -> bool:
    """A browser takes the value for a page."""
    async with world.window() as (page, base):
        await page.goto(f"{base}/run/value?id={_ID}&part=context&name={quote(MARKUP, safe='')}")
        await page.wait_for_timeout(200)
        return await page.title() == "pwned"


async def markup_on_the_page_of_a_link(world: World) -> bool:
    async with world.links() as http:
        path = await world.ticket("order-open", key=MARKUP, action=MARKUP, run_id=f"run{MARKUP}")
        return has_foreign_markup((await http.get(path, headers={"accept": "text/html"})).text)


async def a_script_of_data_runs_if_a_template_should_forget_to_escape(world: World) -> bool:
    with no_escaping():
        async with world.window() as (page, base):
            await page.goto(f"{base}/run/context?id={_ID}")
            await page.wait_for_timeout(300)
            return await page.title() == "pwned"


# --- forms of other sites ---------------------------------------------------------------------------------------------


def _sign(text: str) -> str:
    return text.partition('name="sign" value="')[2].partition('"')[0]


async def _cancels(world: World, headers: Mapping[str, str], sign: str | None = None) -> bool:
    async with world.http() as http:
        own = _sign((await http.get(_CANCEL)).text)
        fields = {"sure": "yes", "sign": own if sign is None else sign}
        answer = await http.post(_CANCEL, data=fields, headers={**FORM, **headers})
    return answer.status_code == 303


async def a_form_of_another_site_that_has_got_hold_of_the_sign(world: World) -> bool:
    return await _cancels(world, {"origin": "http://evil.example", "sec-fetch-site": "cross-site"})


async def a_form_that_does_not_say_where_it_comes_from(world: World) -> bool:
    return await _cancels(world, {}) or await _cancels(world, {"origin": "null"})


async def a_form_of_another_program_on_this_machine(world: World) -> bool:
    return await _cancels(world, {"origin": "http://localhost:9999"})


async def a_form_without_the_sign_of_the_session(world: World) -> bool:
    return await _cancels(world, OWN, "") or await _cancels(world, OWN, "0" * 64)


async def a_form_with_the_sign_of_somebody_else(world: World) -> bool:
    async with world.http() as http:
        other = _sign((await http.get(_CANCEL)).text)
    return await _cancels(world, OWN, other)


async def a_request_that_browsers_send_without_asking(world: World) -> bool:
    async with world.http() as http:
        sign = _sign((await http.get(_CANCEL)).text)
        body = f"sign={sign}&sure=yes"
        answer = await http.post(_CANCEL, content=body, headers={**OWN, "content-type": "text/plain"})
    return answer.status_code == 303


async def an_address_that_does_something_when_it_is_only_looked_at(world: World) -> bool:
    async with world.http() as http:
        sign = _sign((await http.get(_CANCEL)).text)
        await http.get(f"{_CANCEL}&sure=yes&sign={sign}")
        await http.head(f"{_CANCEL}&sure=yes&sign={sign}")
    return await world.state("order-open") == "cancelled"


async def a_change_on_an_inspector_that_only_looks(world: World) -> bool:
    async with world.http(allow_writes=False) as http:
        sign = _sign((await http.get("/login")).text)
        answer = await http.post(_CANCEL, data={"sign": sign, "sure": "yes"}, headers=OWN)
    return answer.status_code == 303


async def a_page_in_a_frame_of_another_site(world: World) -> bool:
    async with world.window(allowed_hosts=["127.0.0.1"]) as (page, base):
        body = f'<iframe src="{base}/queues"></iframe>'
        await page.route("http://evil.example/**", lambda route: route.fulfill(body=body, content_type="text/html"))
        await page.goto("http://evil.example/")
        await page.wait_for_timeout(2_000)
        # A browser that shows nothing there shows words of its own.
        return await page.frames[-1].locator("h1", has_text="Queues").count() > 0


async def a_script_of_another_site_that_reads_a_page(world: World) -> bool:
    async with world.window(allowed_hosts=["127.0.0.1"]) as (page, base):
        await page.route("http://evil.example/**", lambda route: route.fulfill(body="x", content_type="text/html"))
        await page.goto("http://evil.example/")
        got = await page.evaluate(f"() => fetch('{base}/queues').then(a => a.text()).catch(() => '')")
        return bool(got)


# --- hosts, paths, tokens, sizes --------------------------------------------------------------------------------------


async def a_name_of_somebody_elses_that_leads_here(world: World) -> bool:
    async with world.http() as http:
        return (await http.get("/", headers={"host": "evil.example"})).status_code == 200


async def a_path_that_leads_out_of_what_is_served(world: World) -> bool:
    ways = ("../inspector.py", "..%2finspector.py", "%2e%2e/inspector.py", "....//inspector.py", "/etc/passwd")
    async with world.http() as http:
        return any([(await http.get(f"/static/{way}")).status_code == 200 for way in ways])


async def a_path_past_the_login(world: World) -> bool:
    ways = ["//run?id=order-open", "/static/../run?id=order-open", "/login/../run?id=order-open"]
    ways += [
        "/RUN?id=order-open",
        "/static/%2e%2e/run?id=order-open",
        "/run/?id=order-open",
        "/login/run?id=order-open",
    ]
    async with world.http(token=_TOKEN) as http:
        return any(["order-open" in (await http.get(way)).text for way in ways])


async def a_token_that_is_guessed(world: World) -> bool:
    """The fiftieth guess is right."""
    async with world.http(token=_TOKEN) as http:
        for number in range(50):
            given = _TOKEN if number == 49 else f"guess-{number}"
            answer = await http.get("/queues", headers={"authorization": f"Bearer {given}"})
    return answer.status_code == 200


async def a_session_that_is_made_up(world: World) -> bool:
    async with world.http(token=_TOKEN) as http:
        cookie = f"flowcraft=me.1.{int(time.time()) + 999}.{'0' * 64}"
        return (await http.get("/queues", headers={"cookie": cookie})).status_code == 200


async def a_session_of_who_has_left_the_token_out_that_is_turned_into_one_that_is_in(world: World) -> bool:
    async with world.http(token=_TOKEN) as http:
        await http.get("/login")
        name, _, until, signature = http.cookies["flowcraft"].split(".")
        forged = f"flowcraft={name}.1.{until}.{signature}"
        http.cookies.clear()
        return (await http.get("/queues", headers={"cookie": forged})).status_code == 200


async def _pieces(many: int) -> AsyncIterator[bytes]:
    yield b"output="
    for _ in range(many):
        yield b"x" * 65_536


async def a_body_that_is_said_to_be_too_large(world: World) -> bool:
    async with world.http() as http:
        answer = await http.post(_CANCEL, content=b"x" * 5_000_000, headers={**OWN, **FORM})
        return answer.status_code != 413


async def a_body_that_does_not_say_how_large_it_is(world: World) -> bool:
    async with world.http() as http:
        answer = await http.post(_CANCEL, content=_pieces(80), headers={**OWN, **FORM})
        return answer.status_code != 413


async def an_address_without_an_end(world: World) -> bool:
    async with world.http() as http:
        return (await http.get(f"/?q={'x' * 30_000}")).status_code != 414


async def a_header_in_an_id(world: World) -> bool:
    async with world.http() as http:
        answer = await http.get("/?q=order-open%0d%0aset-cookie:%20a=b")
        return "a=b" in str(answer.headers)


# --- secrets ----------------------------------------------------------------------------------------------------------


async def a_way_round_the_redaction(world: World) -> bool:
    paths = ["/run/context?id=order-open", "/run/value?id=order-open&part=context&name=customer"]
    paths += ["/run/instance?id=order-open&key=check", "/run/value?id=order-open&key=check&part=sets&name=customer"]
    paths += ["/run/diff?id=order-open&other=order-broken", "/run/diff?id=order-broken&other=order-open"]
    async with world.http() as http:
        return any([SECRET in (await http.get(path)).text for path in paths])


async def a_secret_in_the_log_of_a_defect(world: World) -> bool:
    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    with logged() as said, patch.object(type(world.client), "queues", fails):
        async with world.http() as http:
            answer = await http.get("/queues")
    return SECRET in "\n".join(said) + answer.text


# --- links ------------------------------------------------------------------------------------------------------------


async def _follows(world: World, path: str) -> bool:
    async with world.links() as http:
        return (await http.post(path)).status_code == 200


async def _begun(world: World) -> str:
    run_id = f"order-link-{time.monotonic_ns()}"
    await world.client.start("orders", {"total": 1}, run_id=run_id)
    await waits_at(world.client, run_id)
    return run_id


async def a_link_with_another_action(world: World) -> bool:
    run_id = await _begun(world)
    _, _, signature = (await world.ticket(run_id)).rpartition(".")
    body, _, _ = (await world.ticket(run_id, action="rejected")).rpartition(".")
    return await _follows(world, f"{body}.{signature}")


async def a_link_that_another_deployment_has_signed(world: World) -> bool:
    run_id = await _begun(world)
    other = WebhookSigner(url="https://example.org/hooks", keys={"one": b"2" * 32})
    ticket = SIGNER.read((await world.ticket(run_id)).rpartition("/")[2], 0.0)
    return await _follows(world, f"/hooks/{other.link(ticket).rpartition('/')[2]}")


async def a_link_that_is_used_twice(world: World) -> bool:
    run_id = await _begun(world)
    path = await world.ticket(run_id)
    return await _follows(world, path) and await _follows(world, path)


async def a_link_whose_time_is_over(world: World) -> bool:
    return await _follows(world, await world.ticket(await _begun(world), expires=time.time() - 1))


async def a_link_of_a_run_that_has_the_id_of_an_earlier_one(world: World) -> bool:
    run_id = await _begun(world)
    path = await world.ticket(run_id)
    await world.client.cancel(run_id)
    await world.client.purge(run_id)
    await world.client.start("orders", {"total": 1}, run_id=run_id)
    await waits_at(world.client, run_id)
    return await _follows(world, path)


async def what_the_key_has_signed_for_another_purpose(world: World) -> bool:
    run_id = await _begun(world)
    body = (await world.ticket(run_id)).rpartition("/")[2].partition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(b"1" * 32, body.encode(), hashlib.sha256)).decode().rstrip("=")
    return await _follows(world, f"/hooks/{body}.{signature}")


async def a_reader_of_mails_that_follows_each_link(world: World) -> bool:
    run_id = await _begun(world)
    path = await world.ticket(run_id)
    async with world.links() as http:
        for method in ("GET", "HEAD", "OPTIONS"):
            await http.request(method, path, headers={"accept": "text/html"})
    return await world.state(run_id) == "completed"


async def a_body_of_a_link_without_an_end(world: World) -> bool:
    run_id = await _begun(world)
    async with world.links() as http:
        answer = await http.post(await world.ticket(run_id), content=_pieces(80), headers=FORM)
    return answer.status_code != 413


ATTACKS: list[Attack] = [
    attack
    for name, attack in list(globals().items())
    if callable(attack) and getattr(attack, "__module__", "") == __name__ and not name.startswith("_")
]

#: Each defence, taken back, lets this attack succeed.
TAKEN_BACK: Mapping[Defence, Attack] = {
    no_escaping: markup_in_ids_flows_tags_and_reasons_of_the_list,
    no_policy: a_script_of_data_runs_if_a_template_should_forget_to_escape,
    values_as_pages: markup_in_a_value_that_is_shown_whole,
    no_origin_check: a_form_of_another_site_that_has_got_hold_of_the_sign,
    no_form_check: a_form_without_the_sign_of_the_session,
    may_be_framed: a_page_in_a_frame_of_another_site,
    no_host_check: a_name_of_somebody_elses_that_leads_here,
    endless_guessing: a_token_that_is_guessed,
    unsigned_sessions: a_session_that_is_made_up,
    unbounded_bodies: a_body_that_does_not_say_how_large_it_is,
    no_redaction: a_way_round_the_redaction,
    talkative_defects: a_secret_in_the_log_of_a_defect,
    unsigned_tickets: a_link_with_another_action,
    endless_tickets: a_link_whose_time_is_over,
    tickets_for_any_purpose: what_the_key_has_signed_for_another_purpose,
    tickets_without_nonce: a_link_of_a_run_that_has_the_id_of_an_earlier_one,
}

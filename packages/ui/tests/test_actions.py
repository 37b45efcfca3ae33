from urllib.parse import quote

import pytest
from flowcraft_core.ports import Message

from .helpers import BASE, Place, post, sign_in

SURE = {"sure": "yes"}


async def test_a_run_is_cancelled_with_a_reason(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=cancel&id=run", {**SURE, "reason": "ordered twice"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/run?id=run")
    status = await place.client.status("run")
    assert (status.state, status.reason) == ("cancelled", "ordered twice")


async def test_a_wait_is_resumed_with_output_and_one_of_the_actions_that_its_edges_have(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        page = (await browser.get("/act?what=resume&id=run&key=approve")).text
        assert "<option>approved</option><option>rejected</option>" in page
        fields = {**SURE, "output": '{"by": "Ada"}', "action": "rejected"}
        assert (await post(browser, "/act?what=resume&id=run&key=approve", fields)).status_code == 303
    await place.reaches("run", "completed")
    result = await place.client.result("run")
    assert result.outputs["refund"] == {"by": "Ada"}
    assert "ship" not in result.outputs


async def test_a_second_answer_is_told_that_one_stands(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        for status in (303, 400):
            answer = await post(browser, "/act?what=resume&id=run&key=approve", {**SURE, "action": "approved"})
            assert answer.status_code == status
    assert 'role="alert"' in answer.text


async def test_an_output_that_is_no_json_is_told_so_and_kept_in_the_form(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=resume&id=run&key=approve", {**SURE, "output": "{'a': 1}"})
    assert answer.status_code == 400
    assert "the output is not JSON" in answer.text
    assert "{&#39;a&#39;: 1}</textarea>" in answer.text
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=resume&id=run&key=approve", {**SURE, "output": "[NaN]"})
    assert (answer.status_code, "JSON has no NaN" in answer.text) == (400, True)


async def test_a_failed_run_is_redriven_once(place: Place) -> None:
    await place.failed()
    async with place.browsing(allow_writes=True) as browser:
        first = await post(browser, "/act?what=redrive&id=bad", SURE)
        second = await post(browser, "/act?what=redrive&id=bad", SURE)
    assert first.headers["location"] == second.headers["location"] != "/run?id=bad"


async def test_a_run_is_forked_from_an_instance(place: Place) -> None:
    await place.failed()
    async with place.browsing(allow_writes=True) as browser:
        fields = {**SURE, "new_id": "other", "new_keys": "yes"}
        answer = await post(browser, "/act?what=fork&id=bad&key=long", fields)
    assert answer.headers["location"] == "/run?id=other"
    assert (await place.client.status("other")).redrive_of == "bad"


@pytest.mark.parametrize("what", ["send-back", "drop"])
async def test_a_dead_letter_is_sent_back_or_dropped(place: Place, what: str) -> None:
    await place.backend.queue.send([Message("no job")])
    letters = await place.letters()
    old = letters[0].run_id
    async with place.browsing(allow_writes=True) as browser:
        assert (await post(browser, f"/act?what={what}&id={quote(old)}", SURE)).headers["location"] == "/dead-letters"
    assert old not in [letter.run_id for letter in await place.client.dead_letters()]


async def test_a_schedule_is_paused_and_resumed_and_triggered(place: Place) -> None:
    await place.client.schedules.make("hourly", "broken", every="1h")
    async with place.browsing(allow_writes=True) as browser:
        for what, state in (("pause", "paused"), ("resume", "active")):
            path = f"/act?what={what}-schedule&id=hourly"
            assert path.replace("&", "&amp;") in (await browser.get("/schedules")).text
            assert (await post(browser, path, {})).status_code == 400
            assert (await post(browser, path, SURE)).headers["location"] == "/schedules"
            assert (await place.client.schedules.show("hourly")).state == state
        answer = await post(browser, "/act?what=trigger-schedule&id=hourly", SURE)
        assert answer.headers["location"].startswith("/run?id=hourly%40by-hand-")
        gone = await post(browser, "/act?what=pause-schedule&id=nothing", SURE)
        assert "there is no schedule &#39;nothing&#39;" in gone.text


async def test_one_that_only_looks_steers_no_schedule(place: Place) -> None:
    await place.client.schedules.make("hourly", "broken", every="1h")
    for what in ("pause", "resume", "trigger"):
        await place.get(f"/act?what={what}-schedule&id=hourly", 403)
    assert (await place.client.schedules.show("hourly")).state == "active"


async def test_nothing_is_done_by_who_is_not_sure(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=cancel&id=run", {})
    assert (answer.status_code, (await place.client.status("run")).state) == (400, "awaiting")
    assert "Tick that you are sure" in answer.text


@pytest.mark.parametrize("what", ["cancel", "redrive", "fork", "resume", "send-back", "drop"])
async def test_one_that_only_looks_changes_nothing(place: Place, what: str) -> None:
    await place.waiting()
    async with place.browsing() as browser:
        assert (await browser.get(f"/act?what={what}&id=run&key=approve")).status_code == 403
        sign = sign_in((await browser.get("/login")).text)
        headers = {"origin": BASE}
        answer = await browser.post(
            f"/act?what={what}&id=run&key=approve", data={"sign": sign, **SURE}, headers=headers
        )
        assert answer.status_code == 403
        assert "act?what" not in (await browser.get("/run/instance?id=run&key=approve")).text
    assert (await place.client.status("run")).state == "awaiting"


async def test_an_action_that_there_is_not_is_not_there(place: Place) -> None:
    await place.get("/act?what=purge&id=run", 404, allow_writes=True)


async def test_looking_at_what_an_action_asks_changes_nothing(place: Place) -> None:
    await place.waiting()
    await place.get("/act?what=cancel&id=run&sure=yes&reason=x", allow_writes=True)
    assert (await place.client.status("run")).state == "awaiting"


async def test_what_was_shown_before_a_change_is_not_shown_after_it(place: Place) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        assert "awaiting" in (await browser.get("/run?id=run")).text
        await post(browser, "/act?what=cancel&id=run", SURE)
        assert "s-cancelled" in (await browser.get("/run?id=run")).text

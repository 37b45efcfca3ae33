from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from flowcraft_core.webhooks import WebhookSigner
from flowcraft_ui import webhooks

from .helpers import SIGNER, Place

HTML = {"accept": "text/html,*/*"}


@asynccontextmanager
async def links(place: Place, signer: WebhookSigner = SIGNER) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(webhooks(place.client, signer))
    async with httpx.AsyncClient(transport=transport, base_url="https://example.org") as client:
        yield client


async def link_of(place: Place, run_id: str = "run") -> str:
    """The link that the run's own step has made."""
    await place.waiting(run_id)
    return urlsplit(str((await place.client.result(run_id)).outputs["ask"])).path


async def test_a_program_posts_and_the_run_goes_on_with_what_it_sent(place: Place) -> None:
    link = await link_of(place)
    async with links(place) as client:
        answer = await client.post(link, json={"paid": True})
    assert (answer.status_code, answer.json()["ok"], answer.json()["action"]) == (200, True, "approved")
    await place.reaches("run", "completed")
    assert (await place.client.result("run")).outputs["ship"] == {"paid": True}


async def test_a_form_of_another_service_becomes_an_object(place: Place) -> None:
    link = await link_of(place)
    async with links(place) as client:
        assert (await client.post(link, data={"From": "+47", "Body": "yes"})).status_code == 200
    await place.reaches("run", "completed")
    assert (await place.client.result("run")).outputs["ship"] == {"From": "+47", "Body": "yes"}


async def test_a_person_is_asked_and_a_look_changes_nothing(place: Place) -> None:
    link = await link_of(place)
    async with links(place) as client:
        for method in ("GET", "HEAD"):
            assert (await client.request(method, link, headers=HTML)).status_code == 200
        page = (await client.get(link, headers=HTML)).text
        assert "<h1>approve: approved</h1>" in page
        assert '<form method="post"><button>Confirm</button></form>' in page
        assert (await client.get(link)).json()["ok"] is True
        assert (await place.client.status("run")).state == "awaiting"
        headers = {**HTML, "content-type": "application/x-www-form-urlencoded"}
        assert "Thank you" in (await client.post(link, headers=headers)).text
    await place.reaches("run", "completed")
    assert (await place.client.result("run")).outputs["ship"] is None


async def test_a_link_is_good_once(place: Place) -> None:
    link = await link_of(place)
    async with links(place) as client:
        assert [(await client.post(link)).status_code for _ in range(3)] == [200, 409, 409]
        assert "answered before" in (await client.post(link, headers=HTML)).text


async def test_a_link_that_was_changed_or_is_of_others_is_refused(place: Place) -> None:
    link = await link_of(place)
    other = WebhookSigner(url=SIGNER.url, keys={"one": b"2" * 32})
    async with links(place) as client, links(place, other) as elsewhere:
        assert (await client.post(link[:-1] + ("A" if link[-1] != "A" else "B"))).status_code == 404
        assert (await client.post("/hooks/")).status_code == 404
        assert (await elsewhere.post(link)).status_code == 404
    assert (await place.client.status("run")).state == "awaiting"


async def test_a_link_whose_time_is_over_is_gone(place: Place) -> None:
    ticket = SIGNER.read((await link_of(place)).rpartition("/")[2], 0.0)
    import attrs

    late = urlsplit(SIGNER.link(attrs.evolve(ticket, expires=1.0))).path
    async with links(place) as client:
        assert (await client.post(late)).status_code == 410


async def test_a_link_does_not_reach_a_later_run_of_the_same_id(place: Place) -> None:
    link = await link_of(place)
    await place.client.cancel("run")
    await place.client.purge("run")
    async with links(place) as client:
        assert (await client.post(link)).status_code == 404
        await place.waiting()
        assert (await client.post(link)).status_code == 409
    assert (await place.client.status("run")).state == "awaiting"


async def test_a_link_of_a_run_that_has_ended_is_answered_so(place: Place) -> None:
    link = await link_of(place)
    await place.client.cancel("run")
    async with links(place) as client:
        assert (await client.post(link)).status_code == 409


async def test_an_answer_is_kept_that_comes_before_the_run_has_got_to_its_wait(place: Place) -> None:
    await place.client.start("shop", run_id="later", delay=1)
    await place.waiting()
    import attrs

    ticket = SIGNER.read(urlsplit(str((await place.client.result("run")).outputs["ask"])).path.rpartition("/")[2], 0.0)
    record = await place.client._stored.record("later")
    early = urlsplit(SIGNER.link(attrs.evolve(ticket, run_id="later", nonce=record.nonce))).path
    async with links(place) as client:
        assert [(await client.post(early, json=number)).status_code for number in (1, 2)] == [200, 409]
    assert "ask" not in (await place.client.result("later")).outputs
    await place.reaches("later", "completed")
    assert (await place.client.result("later")).outputs["ship"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"<a/>", "application/xml", 415),
        (b"x" * 300_000, "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_taken_leaves_the_link_good(
    place: Place, content: bytes, kind: str, status: int
) -> None:
    link = await link_of(place)
    async with links(place) as client:
        assert (await client.post(link, content=content, headers={"content-type": kind})).status_code == status
        assert (await client.put(link)).status_code == 405
        assert (await client.post(link)).status_code == 200


async def test_no_answer_tells_the_link_to_others(place: Place) -> None:
    link = await link_of(place)
    async with links(place) as client:
        answer = await client.get(link, headers=HTML)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert link not in answer.text
    assert "script" not in answer.text

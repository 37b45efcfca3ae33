import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.webhooks import (
    LONGEST_TICKET,
    ExpiredTicketError,
    Ticket,
    TicketError,
    WebhookSigner,
    _signature,
    _text,
)

OLD, NEW = b"o" * 32, b"n" * 32
TICKET = Ticket(run_id="run/1 ?", nonce="f00", key="pages[1]/w", action="yes", expires=1_000.0)


def signer(**keys: bytes) -> WebhookSigner:
    return WebhookSigner(url="https://example.org/hooks/", keys=keys or {"new": NEW})


def text_of(link: str) -> str:
    return link.rpartition("/")[2]


def test_a_link_says_what_it_was_made_for() -> None:
    link = signer().link(TICKET)
    assert link.startswith("https://example.org/hooks/")
    assert signer().read(text_of(link), 999.9) == TICKET


def test_a_link_is_good_until_its_time_is_over() -> None:
    with pytest.raises(ExpiredTicketError):
        signer().read(text_of(signer().link(TICKET)), 1_000.0)


def test_no_character_of_a_ticket_can_be_changed() -> None:
    text = text_of(signer().link(TICKET))
    for place, character in enumerate(text):
        # The last of a signature carries bits that decode to nothing: it is compared as text, so they count too.
        for other in {"A", "B", "_", "."} - {character}:
            with pytest.raises(TicketError):
                signer().read(text[:place] + other + text[place + 1 :], 0.0)


@pytest.mark.parametrize("text", ["", ".", "abc", "a.b", "x" * (LONGEST_TICKET + 1), "é.é", f"e30.{'A' * 43}"])
def test_what_is_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(TicketError):
        signer().read(text, 0.0)


def test_a_ticket_of_another_deployment_is_refused() -> None:
    with pytest.raises(TicketError, match="none of ours"):
        signer(new=OLD).read(text_of(signer().link(TICKET)), 0.0)


def test_keys_can_be_rotated() -> None:
    before, during, after = signer(old=OLD), signer(new=NEW, old=OLD), signer(new=NEW)
    old, new = text_of(before.link(TICKET)), text_of(during.link(TICKET))
    assert during.read(old, 0.0) == during.read(new, 0.0) == after.read(new, 0.0) == TICKET
    with pytest.raises(TicketError):
        after.read(old, 0.0)


def test_what_the_key_signs_for_another_purpose_is_no_ticket() -> None:
    body = text_of(signer().link(TICKET)).partition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(NEW, body.encode(), hashlib.sha256)).decode().rstrip("=")
    with pytest.raises(TicketError):
        signer().read(f"{body}.{signature}", 0.0)


def test_a_ticket_of_another_version_is_refused_though_it_is_signed() -> None:
    for parts in ([2, "new", "r", "n", "k", None, 9.0], [1, "new"], {"a": 1}, [1, "new", "r", "n", "k", None, None]):
        body = _text(json.dumps(parts).encode())
        with pytest.raises(TicketError):
            signer().read(f"{body}.{_text(_signature(NEW, body))}", 0.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://example.org/hooks"}, "plain http is only for localhost"),
        ({"url": "https://example.org/hooks?x=1"}, "no user, no '[?]'"),
        ({"url": "example.org"}, "such as https://"),
        ({"keys": {}}, "needs one at least"),
        ({"keys": {"short": b"x" * 31}}, "at least 32 bytes"),
        ({"keys": {"a b": NEW}}, "key name 'a b'"),
    ],
)
def test_a_signer_that_would_be_unsafe_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WebhookSigner(**{"url": "https://example.org/hooks", "keys": {"new": NEW}, **settings})


def test_a_signer_shows_no_key() -> None:
    assert "nnn" not in repr(signer())


def test_a_link_that_would_be_too_long_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="shorter ids"):
        signer().link(Ticket(run_id="r" * 5_000, nonce="", key="k", action=None, expires=1.0))


async def test_a_step_makes_a_link_to_a_wait_beside_it() -> None:
    flow = create_flow("f").node("ask", lambda ctx: ctx.webhook_url(wait="answer", action="yes", expires="2d"))
    flow.wait("answer").edge("ask", "answer")
    result = await FlowRuntime([flow], webhooks=signer()).run(flow)
    ticket = signer().read(text_of(result.outputs["ask"]), 0.0)
    assert (ticket.key, ticket.action) == ("answer", "yes")


async def test_a_step_inside_an_item_means_the_wait_of_its_item_or_else_the_one_around_it() -> None:
    links: list[str] = []

    async def ask(ctx: Any) -> None:
        links.append(ctx.webhook_url(wait="answer"))

    async def keys_of(each: Any) -> list[str]:
        links.clear()
        flow = create_flow("f").node("items", lambda ctx: [1, 2]).batch("each", each).wait("answer")
        flow.edge("items", "each").edge("each", "answer")
        await FlowRuntime([flow], webhooks=signer()).run(flow)
        return sorted(signer().read(text_of(link), 0.0).key for link in links)

    own = create_flow("own").node("ask", ask).wait("answer").edge("ask", "answer")
    assert await keys_of(own) == ["each[0]/answer", "each[1]/answer"]
    assert await keys_of(ask) == ["answer", "answer"]


@pytest.mark.parametrize("wait", ["nothing", "ask", ""])
async def test_a_link_to_what_is_no_wait_fails_the_step_by_name(wait: str) -> None:
    flow = create_flow("f").node("ask", lambda ctx: ctx.webhook_url(wait=wait)).wait("answer").edge("ask", "answer")
    result = await FlowRuntime([flow], webhooks=signer()).run(flow)
    assert "there is no wait" in result.errors[0].message


async def test_without_a_signer_a_step_is_told_what_to_do() -> None:
    flow = create_flow("f").node("ask", lambda ctx: ctx.webhook_url(wait="w")).wait("w").edge("ask", "w")
    result = await FlowRuntime([flow]).run(flow)
    assert "webhooks=WebhookSigner" in result.errors[0].message

"""What an attack has to hand, and the defences that can be taken back to see whether they were needed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from html.parser import HTMLParser
from typing import Any, TypeAlias
from unittest.mock import patch

import attrs
import flowcraft_core.webhooks as core_webhooks
import httpx
import uvicorn
from flowcraft_core.durable import Client
from flowcraft_core.webhooks import Ticket, WebhookSigner
from flowcraft_ui import guard, hiding, inspector, rendering, run_pages, webhooks
from flowcraft_ui.sessions import Session, Sessions
from flowcraft_ui.values import Values
from playwright.async_api import Browser, Page
from starlette.responses import HTMLResponse, PlainTextResponse

BASE = "http://localhost"
#: As a form of a page of one's own comes.
OWN = {"origin": BASE, "sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
SIGNER = WebhookSigner(url="https://example.org/hooks", keys={"one": b"1" * 32})


@attrs.frozen
class World:
    """Who is attacked.

    Attributes:
        client: Runs, and a worker that serves them.
        browser: A browser.
    """

    client: Client
    browser: Browser

    @asynccontextmanager
    async def http(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody at an inspector that can change runs; without a server between."""
        app = inspector(self.client, **{"allow_writes": True, "redact": hiding("token"), **options})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
            yield http

    @asynccontextmanager
    async def links(self) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody at the links that end waits."""
        transport = httpx.ASGITransport(webhooks(self.client, SIGNER))
        async with httpx.AsyncClient(transport=transport, base_url="https://example.org") as http:
            yield http

    @asynccontextmanager
    async def window(self, **options: Any) -> AsyncIterator[tuple[Page, str]]:
        """A browser at an inspector that is served: the window, and the address."""
        app = inspector(self.client, allow_writes=True, **options)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
            with patch.object(server, "capture_signals", contextlib.nullcontext):
                task = asyncio.create_task(server.serve(sockets=[listener]))
                page = await self.browser.new_page()
                try:
                    yield page, f"http://127.0.0.1:{listener.getsockname()[1]}"
                finally:
                    await page.close()
                    server.should_exit = True
                    await task

    async def state(self, run_id: str) -> str:
        """The state that a run is in."""
        return (await self.client.status(run_id)).state

    async def ticket(self, run: str, **changes: Any) -> str:
        """The path of a link to a run's wait, as its own step would have made it."""
        record = await self.client._stored.record(run)
        ticket = Ticket(run_id=run, nonce=record.nonce, key="approve", action="approved", expires=4e9)
        return f"/hooks/{SIGNER.link(attrs.evolve(ticket, **changes)).rpartition('/')[2]}"


#: Whether it has come through.
Attack: TypeAlias = Callable[[World], Awaitable[bool]]


class _Elements(HTMLParser):
    """Looks for what none of our own pages has: a picture, a handler of an event, a script in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        names = {name for name, _ in attrs}
        if tag == "img" or any(name.startswith("on") for name in names) or (tag == "script" and "src" not in names):
            self.found = True


def has_foreign_markup(text: str) -> bool:
    """Whether a page has elements that only data can have brought."""
    elements = _Elements()
    elements.feed(text)
    return elements.found


@contextmanager
def logged() -> Iterator[list[str]]:
    """All that is logged meanwhile, with tracebacks."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    handler = Keep()
    logging.getLogger().addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(handler)


# --- defences taken back ----------------------------------------------------------------------------------------------


@contextmanager
def no_escaping() -> Iterator[None]:
    """Templates put data into pages as it is."""
    with patch.object(rendering, "_ENVIRONMENT", rendering._ENVIRONMENT.overlay(autoescape=False, cache_size=0)):
        yield


@contextmanager
def _headers_without(*names: str) -> Iterator[None]:
    left = {name: value for name, value in guard.HEADERS.items() if name not in names}
    with patch.object(guard, "HEADERS", left):
        yield


@contextmanager
def no_policy() -> Iterator[None]:
    """No content security policy."""
    with _headers_without("content-security-policy"):
        yield


@contextmanager
def may_be_framed() -> Iterator[None]:
    """Pages may stand in other pages."""
    policy = guard.POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
    left = {**guard.HEADERS, "content-security-policy": policy}
    left.pop("x-frame-options")
    with patch.object(guard, "HEADERS", left):
        yield


@contextmanager
def no_origin_check() -> Iterator[None]:
    """Forms come from anywhere."""
    with patch.object(guard, "check_origin", lambda headers: None):
        yield


@contextmanager
def no_form_check() -> Iterator[None]:
    """Forms need not come out of a page of one's own session."""
    with patch.object(Sessions, "is_form_of", lambda self, session, given: True):
        yield


@contextmanager
def no_host_check() -> Iterator[None]:
    """Any name leads here."""
    with patch.object(guard, "check_host", lambda headers, hosts: None):
        yield


@contextmanager
def endless_guessing() -> Iterator[None]:
    """Wrong tokens are not counted."""
    with patch.object(Sessions, "is_closed", property(lambda self: False)):
        yield


@contextmanager
def unsigned_sessions() -> Iterator[None]:
    """A session is what the browser says."""

    def read(self: Sessions, value: str) -> Session | None:
        name, is_in, until, _ = value.split(".")
        return Session(name, is_in == "1", int(until))

    with patch.object(Sessions, "read", read):
        yield


@contextmanager
def unbounded_bodies() -> Iterator[None]:
    """As much is received as is sent."""
    with patch.object(guard, "bounded", lambda receive: receive):
        yield


@contextmanager
def values_as_pages() -> Iterator[None]:
    """Whole values are served as pages."""
    with patch.object(run_pages, "_text", HTMLResponse), _headers_without("content-security-policy"):
        yield


@contextmanager
def unsigned_tickets() -> Iterator[None]:
    """A ticket's signature is not compared."""
    with patch("flowcraft_core.webhooks.hmac.compare_digest", lambda one, other: True):
        yield


@contextmanager
def endless_tickets() -> Iterator[None]:
    """A ticket's time is never over."""
    real = WebhookSigner.read
    with patch.object(WebhookSigner, "read", lambda self, text, now: real(self, text, 0.0)):
        yield


@contextmanager
def tickets_for_any_purpose() -> Iterator[None]:
    """The purpose of a ticket is not signed along."""

    def signature(key: bytes, body: str) -> bytes:
        return hmac.digest(key, body.encode(), hashlib.sha256)

    with patch.object(core_webhooks, "_signature", signature):
        yield


@contextmanager
def tickets_without_nonce() -> Iterator[None]:
    """A ticket is for whatever run has the id."""
    real = Client.resume

    async def resume(self: Client, run_id: str, key: str, **more: Any) -> None:
        await real(self, run_id, key, **{**more, "nonce": None})

    with patch.object(Client, "resume", resume):
        yield


@contextmanager
def no_redaction() -> Iterator[None]:
    """Values are shown as they are."""
    with patch("flowcraft_ui.inspector.Values", lambda redact: Values(None)):
        yield


@contextmanager
def talkative_defects() -> Iterator[None]:
    """A defect is logged with all that it says."""

    async def defect(request: Any, error: Exception) -> PlainTextResponse:
        logging.getLogger("flowcraft.ui").error("a defect", exc_info=error)
        return PlainTextResponse("a defect", 500)

    with patch("flowcraft_ui.inspector._defect", defect):
        yield


Defence: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]
Taken: TypeAlias = Mapping[Defence, Attack]

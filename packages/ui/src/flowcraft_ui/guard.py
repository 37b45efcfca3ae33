"""Stands before every page: who may come in, from where, with how much, and what a browser may do with the answer.

Each defence is a function of its own with a name, so that a test can take it back and see an attack succeed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import attrs
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .sessions import COOKIE, Session, Sessions

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

#: Bytes of a form, the output of a wait included.
MOST_BODY = 1_048_576
_MOST_QUERY = 16_384

#: What a page may load, and where its forms may go: from here and to here, and nothing that stands in the page itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with that, a browser says of its own forms that they come from nowhere.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Refused(Exception):  # noqa: N818 - it is an answer
    """The request is not let in.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def check_host(headers: Headers, allowed_hosts: Collection[str]) -> None:
    """The page is asked for by a name that is ours, and not by one that somebody has had lead here."""
    given = headers.getlist("host")
    name = given[0].rpartition(":")[0] if given and given[0].rpartition(":")[2].isdigit() else "".join(given[:1])
    if len(given) != 1 or ("*" not in allowed_hosts and name.lower() not in allowed_hosts):
        raise Refused(421, "this is not served under that host name: start it with --allow-host NAME to have it so")


def check_origin(headers: Headers) -> None:
    """What changes something comes from a page of ours: browsers say so themselves."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    if origin is None or urlsplit(origin).netloc != headers.get("host") or site != "same-origin":
        raise Refused(403, "this was asked for by a page of another origin")


def check_size(scope: Scope, headers: Headers) -> None:
    """Not more than is looked at, as far as it is said beforehand; ``bounded`` sees to the rest."""
    if len(scope.get("query_string", b"")) > _MOST_QUERY:
        raise Refused(414, "the address is too long")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY:
        raise Refused(413, f"at most {MOST_BODY:,} bytes are taken")


def check_form(headers: Headers) -> None:
    """A form of a page, and not what scripts of another page could send unasked."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Refused(415, "send a form: application/x-www-form-urlencoded")


def bounded(receive: Receive) -> Receive:
    """Receive a body, and no more than may come."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BODY:
            raise Refused(413, f"at most {MOST_BODY:,} bytes are taken")
        return message

    return receive_bounded


def with_headers(send: Send, cookie: str | None) -> Send:
    """Send an answer with what keeps a browser from doing more with it than is meant."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if cookie is not None and "set-cookie" not in headers:
                headers.append("set-cookie", cookie)
        await send(message)

    return send_guarded


@attrs.define
class Guard:
    """The gate, as an ASGI application around another one.

    Attributes:
        app: What is guarded.
        sessions: Who is known.
        allowed_hosts: Host names that are ours, without ports; ``*`` for any, behind a server that looks at them
        itself.
        open_paths: What is shown to anybody: the login, and what its page needs.
    """

    app: ASGIApp
    sessions: Sessions
    allowed_hosts: Collection[str] = LOOPBACK
    open_paths: Sequence[str] = ("/login", "/static/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        is_secure = scope.get("scheme") == "https"
        session = self._session(headers)
        cookie = None
        if session is None:
            session = self.sessions.new()
            cookie = self.sessions.cookie(session, base_of(scope), secure=is_secure)
        send = with_headers(send, cookie)
        scope["session_of_page"] = session
        try:
            check_host(headers, self.allowed_hosts)
            check_size(scope, headers)
            if scope["method"] not in ("GET", "HEAD", "POST"):
                raise Refused(405, "there are pages to get and forms to post")
            if scope["method"] == "POST":
                check_origin(headers)
                check_form(headers)
            if not self._may_enter(scope, headers, session):
                raise Refused(401, "log in first")
            await self.app(scope, bounded(receive), send)
        except Refused as refused:
            await self._refuse(refused, scope, headers)(scope, receive, send)

    def _session(self, headers: Headers) -> Session | None:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return None if found is None else self.sessions.read(found.value)

    def _may_enter(self, scope: Scope, headers: Headers, session: Session) -> bool:
        if not self.sessions.asks_for_token or session.is_in or path_of(scope).startswith(tuple(self.open_paths)):
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.sessions.is_token(given)

    def _refuse(self, refused: Refused, scope: Scope, headers: Headers) -> Any:
        if refused.status == 401 and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"{base_of(scope)}/login", 303)
        return PlainTextResponse(f"{refused}\n", refused.status)


def base_of(scope: Scope) -> str:
    """Where the application is mounted; empty at the root of a host."""
    return str(scope.get("root_path", "")).rstrip("/")


def path_of(scope: Scope) -> str:
    """The path inside the application."""
    return str(scope["path"]).removeprefix(base_of(scope)) or "/"

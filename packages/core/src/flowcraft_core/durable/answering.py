"""Answers whoever follows a link that ends a wait: what came by HTTP as plain data, and what goes back as plain data.

Servers differ in how they hand over a request; what a link means does not. So an ASGI application, a Lambda function,
an Azure function each translate, and all of them ask this.

A link that is only looked at does nothing: programs that read mails for people follow each link in them. A person gets
a page with a button, a program says what it means by posting.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import attrs

from ..clock import Clock, SystemClock
from ..errors import BackendError, FlowcraftError, ResumeError
from ..webhooks import ExpiredTicketError, Ticket, TicketError, WebhookSigner
from .runs import UnknownRunError

if TYPE_CHECKING:
    from .client import Client

_logger = logging.getLogger("flowcraft.webhooks")

#: Bytes of a body at most.
MOST_BODY = 262_144

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}"
    "button{font:inherit;padding:.5rem 1.2rem;cursor:pointer}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",  # the address is the secret
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}


@attrs.frozen(kw_only=True)
class Asked:
    """What was asked for.

    Attributes:
        method: ``GET``, ``HEAD`` or ``POST``; all others are refused.
        path: The path, of which the last part is the ticket.
        headers: By name, in lower case.
        body: What was sent.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen(kw_only=True)
class Answered:
    """What is answered.

    Attributes:
        status: The HTTP status: 200 done or shown, 404 no link of ours, 409 answered before, 410 expired, 503 later.
        headers: By name.
        body: What is sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Problem(Exception):  # noqa: N818 - it is an answer
    """The link cannot be followed, and why, for whoever follows it."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@attrs.frozen
class Answering:
    """Answers whoever follows a link.

    Attributes:
        client: Where the runs live.
        signer: What signed the links.
        clock: Tells the time.
    """

    client: Client
    signer: WebhookSigner
    clock: Clock = attrs.field(factory=SystemClock)

    async def answer(self, asked: Asked) -> Answered:
        """Follow a link, or say why it cannot be followed."""
        as_page = "text/html" in asked.headers.get("accept", "")
        ticket: Ticket | None = None
        try:
            if asked.method not in ("GET", "HEAD", "POST"):
                raise _Problem(405, "links are looked at, or posted to")
            ticket = self._ticket(asked.path)
            if asked.method != "POST":
                return _page(200, ticket, None) if as_page else _json(200, {"ok": True, **_told(ticket)})
            await self._resume(ticket, _output(asked))
        except _Problem as problem:
            if as_page:
                return _page(problem.status, None, str(problem))
            return _json(problem.status, {"ok": False, "error": str(problem)})
        return _page(200, None, "Thank you: that is noted.") if as_page else _json(200, {"ok": True, **_told(ticket)})

    def _ticket(self, path: str) -> Ticket:
        try:
            return self.signer.read(path.rpartition("/")[2], self.clock.now())
        except ExpiredTicketError as error:
            raise _Problem(410, str(error)) from None
        except TicketError as error:
            raise _Problem(404, str(error)) from None

    async def _resume(self, ticket: Ticket, output: Any) -> None:
        try:
            # Early: the step that sent the link may not have ended yet.
            await self.client.resume(
                ticket.run_id, ticket.key, output=output, action=ticket.action, early=True, nonce=ticket.nonce
            )
        except UnknownRunError:
            raise _Problem(404, "what this link was for is gone") from None
        except ResumeError:
            raise _Problem(409, "this was answered before, or is not asked any more") from None
        except BackendError as error:
            _logger.warning("an answer by a link could not be stored: %s", type(error).__name__)
            raise _Problem(503, "that could not be noted just now: try again shortly") from None
        except FlowcraftError as error:
            _logger.warning("an answer by a link could not be taken: %s", type(error).__name__)
            raise _Problem(422, "this answer cannot be taken as it is") from None


def _output(asked: Asked) -> Any:
    """What a program has sent: JSON as it is, the fields of a form as an object; nothing is None."""
    if len(asked.body) > MOST_BODY:
        raise _Problem(413, f"at most {MOST_BODY:,} bytes are taken")
    if not asked.body.strip():
        return None
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(asked.body.decode(), keep_blank_values=True, max_num_fields=1_000))
        if kind == "application/json" or kind.endswith("+json"):
            return json.loads(asked.body)
    except (ValueError, RecursionError):
        raise _Problem(400, "the body cannot be read") from None
    raise _Problem(415, "send JSON, or a form")


def _told(ticket: Ticket) -> dict[str, Any]:
    return {"run_id": ticket.run_id, "wait": ticket.key, "action": ticket.action, "expires": ticket.expires}


def _json(status: int, fields: Mapping[str, Any]) -> Answered:
    return _answered(status, "application/json", json.dumps(fields))


def _page(status: int, ticket: Ticket | None, message: str | None) -> Answered:
    if ticket is None:
        title, inside = html.escape(message or ""), ""
    else:
        action = "" if ticket.action is None else f": {html.escape(ticket.action)}"
        title = f"{html.escape(ticket.key)}{action}"
        inside = f'<p>Run {html.escape(ticket.run_id)}</p><form method="post"><button>Confirm</button></form>'
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{inside}</main></body></html>"
    )
    return _answered(status, "text/html; charset=utf-8", body)


def _answered(status: int, kind: str, body: str) -> Answered:
    later = {"retry-after": "5"} if status == 503 else {}
    return Answered(status=status, headers={**_HEADERS, "content-type": kind, **later}, body=body.encode())

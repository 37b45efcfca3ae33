"""Links that end a wait: what stands in one, signed, so that whoever holds it can do that one thing and nothing else.

A link's last part is a *ticket*: JSON and its HMAC-SHA256, both in base64 for URLs. It names the run and its nonce (so
that a later run of the same id is not meant), the wait, the action that the wait is to end with, and until when it is
good. Nothing is stored for it: a ticket is used up once the wait has ended, whoever has ended it.

Keys have names, and a ticket says which one it was signed with. To rotate, put a new one first; drop the old one once
the last link that it signed has expired.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import attrs

from .errors import ConfigurationError, FlowcraftError

#: No ticket is longer, characters.
LONGEST_TICKET = 4_096

_SHORTEST_KEY = 32
# Signed along: what the same key signs elsewhere, for another purpose, is no ticket.
_PURPOSE = b"flowcraft webhook 1\0"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TICKET = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")


class TicketError(FlowcraftError):
    """A link cannot be followed: it is none of ours, was changed, or its time is over. The message may be shown."""


class ExpiredTicketError(TicketError):
    """A link was good once, and its time is over."""


@attrs.frozen(kw_only=True)
class Ticket:
    """What a link is good for.

    Attributes:
        run_id: The run.
        nonce: Tells the run from another one of its id.
        key: The wait's instance key.
        action: What the wait ends with; None for no action.
        expires: Until when, seconds since the epoch.
    """

    run_id: str
    nonce: str
    key: str
    action: str | None
    expires: float


@attrs.frozen(kw_only=True)
class WebhookSigner:
    """Makes links, and reads what comes back by them.

    Attributes:
        url: Where the application that serves the links is mounted: ``https://example.org/hooks``. Plain ``http`` is
            taken for the machine itself only.
        keys: Keys of at least 32 random bytes, by name; the first one signs, each of them is known.
    """

    url: str
    keys: Mapping[str, bytes] = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.url)
        is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme not in (("http", "https") if is_here else ("https",)) or not parts.hostname:
            raise ConfigurationError(
                "WebhookSigner: url is where the links lead, such as https://example.org/hooks; plain http is only for"
                " localhost, since whoever reads a link can use it"
            )
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ConfigurationError("WebhookSigner: url has no user, no '?' and no '#': a ticket is put behind it")
        if not self.keys:
            raise ConfigurationError("WebhookSigner: keys needs one at least: {'2026-11': secrets.token_bytes(32)}")
        for name, key in self.keys.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigurationError(f"WebhookSigner: key name {name!r:.80}: use 1 to 64 of A-Z a-z 0-9 . _ -")
            if not isinstance(key, bytes) or len(key) < _SHORTEST_KEY:
                raise ConfigurationError(
                    f"WebhookSigner: key {name!r} must be at least {_SHORTEST_KEY} bytes: secrets.token_bytes(32)"
                )

    def link(self, ticket: Ticket) -> str:
        """The link for a ticket.

        Raises:
            ConfigurationError: The ids in it are too long for one.
        """
        name, key = next(iter(self.keys.items()))
        parts = [1, name, ticket.run_id, ticket.nonce, ticket.key, ticket.action, ticket.expires]
        body = _text(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode())
        signed = f"{body}.{_text(_signature(key, body))}"
        if len(signed) > LONGEST_TICKET:
            raise ConfigurationError(
                f"a link to wait {ticket.key!r:.80} would have {len(signed)} characters, more than {LONGEST_TICKET}:"
                " use shorter ids of runs and nodes"
            )
        return f"{self.url.rstrip('/')}/{signed}"

    def read(self, text: str, now: float) -> Ticket:
        """What a ticket says, once its signature has been found to be ours.

        Args:
            text: The last part of a link.
            now: Seconds since the epoch.

        Raises:
            TicketError: It is none of ours, or was changed.
            ExpiredTicketError: Its time is over.
        """
        match = _TICKET.fullmatch(text) if len(text) <= LONGEST_TICKET else None
        if match is None:
            raise TicketError("this link is not complete, or is none of ours")
        body, signature = match[1], match[2]
        # Each key in turn: what is not signed is not read, its key's name neither.
        if not any(hmac.compare_digest(_text(_signature(key, body)), signature) for key in self.keys.values()):
            raise TicketError("this link was changed, or is none of ours")
        try:
            version, _, run_id, nonce, key, action, expires = json.loads(_bytes(body))
        except (ValueError, TypeError) as error:
            raise TicketError("this link is of another version") from error
        if version != 1 or not all(type(each) is str for each in (run_id, nonce, key)):
            raise TicketError("this link is of another version")
        if type(expires) not in (int, float) or not math.isfinite(expires) or now >= expires:
            raise ExpiredTicketError("this link's time is over")
        return Ticket(run_id=run_id, nonce=nonce, key=key, action=action, expires=expires)


def _signature(key: bytes, body: str) -> bytes:
    return hmac.digest(key, _PURPOSE + body.encode(), hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@attrs.frozen
class Links:
    """What an attempt needs to make links.

    Attributes:
        signer: Signs them.
        nonce: The run's, see ``Ticket``.
        now: Tells the time.
    """

    signer: WebhookSigner
    nonce: str
    now: Callable[[], float]

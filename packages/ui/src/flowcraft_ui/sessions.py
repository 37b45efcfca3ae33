"""Who has said the token, and whose form it is: both are signed, nothing is stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable

import attrs
from flowcraft_core.errors import ConfigurationError

COOKIE = "flowcraft"

_SHORTEST_TOKEN = 16
_LASTS = 12 * 3_600
# So many wrong tokens in so many seconds, from wherever: then there is no other try for as long.
_TRIES, _WITHIN = 10, 60.0


@attrs.frozen
class Session:
    """A browser that we have seen before.

    Attributes:
        name: Drawn at random.
        is_in: Whether it has said the token.
        until: When it ends, seconds since the epoch.
    """

    name: str
    is_in: bool
    until: int


@attrs.define
class Sessions:
    """Makes and reads sessions.

    Attributes:
        token: What must be said to come in; None if nothing is asked for.
        secret: Signs sessions and forms; the same in each process that serves the same pages.
        now: Tells the time, seconds since the epoch.
    """

    token: str | None = attrs.field(default=None, repr=False)
    secret: bytes = attrs.field(factory=lambda: secrets.token_bytes(32), repr=False)
    now: Callable[[], float] = time.time
    _wrong: deque[float] = attrs.field(factory=deque, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise ConfigurationError(
                f"the token of the inspector must have {_SHORTEST_TOKEN} characters at least:"
                ' python -c "import secrets; print(secrets.token_urlsafe(24))" makes one'
            )
        if len(self.secret) < 32:
            raise ConfigurationError("the secret of the inspector must have 32 bytes at least: secrets.token_bytes(32)")

    @property
    def asks_for_token(self) -> bool:
        """Whether one has to log in."""
        return self.token is not None

    def is_token(self, given: str) -> bool:
        """Whether that is the token. Wrong ones are counted, and past some of them none is right for a while."""
        if self.is_closed:
            return False
        if self.token is not None and hmac.compare_digest(given.encode(), self.token.encode()):
            return True
        self._wrong.append(self.now())
        return False

    @property
    def is_closed(self) -> bool:
        """Whether too many wrong tokens were tried lately."""
        while self._wrong and self._wrong[0] < self.now() - _WITHIN:
            self._wrong.popleft()
        return len(self._wrong) >= _TRIES

    def new(self, *, is_in: bool = False) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(18), is_in, int(self.now()) + _LASTS)

    def cookie(self, session: Session, base: str, *, secure: bool) -> str:
        """The header that has a browser keep a session; other sites' forms do not get it sent along."""
        body = f"{session.name}.{int(session.is_in)}.{session.until}"
        value = f"{body}.{self._sign('session', body)}"
        return f"{COOKIE}={value}; Path={base or '/'}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"

    def read(self, value: str) -> Session | None:
        """A session that we have made and that has not ended, else None."""
        body, _, signature = value.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", body).encode()):
            return None
        name, is_in, until = body.split(".")
        return Session(name, is_in == "1", int(until)) if int(until) > self.now() else None

    def form_of(self, session: Session) -> str:
        """What stands in the forms of a session's pages, and in no other site's."""
        return self._sign("form", session.name)

    def is_form_of(self, session: Session, given: str) -> bool:
        """Whether a form came out of a page of this session."""
        return hmac.compare_digest(given.encode(), self.form_of(session).encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self.secret, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()

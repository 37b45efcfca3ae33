"""Makes pages: templates with what they all need, times and states as people read them, addresses to share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import attrs
from flowcraft_core.durations import lasting
from flowcraft_core.pictures.marks import MARKS
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from .drawing import counted, detail_of, look_named, look_of
from .guard import Refused, base_of, path_of
from .sessions import Session, Sessions
from .source import Source
from .timeline import queued
from .values import Values

_MOST_FIELDS = 64


@attrs.frozen
class Desk:
    """What every page is made with.

    Attributes:
        source: Where it is asked.
        values: How values are shown.
        sessions: Who is there.
        allow_writes: Whether anything can be changed.
        title: What stands above: where the runs live, without secrets.
    """

    source: Source
    values: Values
    sessions: Sessions
    allow_writes: bool
    title: str

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page.

        Args:
            request: What was asked.
            template: The name of its template.
            status: The HTTP status.
            values: What the template shows.
        """
        base = base_of(request.scope)
        session = session_of(request)
        text = _ENVIRONMENT.get_template(template).render(
            base=base,
            here=path_of(request.scope),
            link=lambda path, **query: address(base, path, **query),
            same=lambda **query: address(base, path_of(request.scope), **{**dict(request.query_params), **query}),
            form_sign=self.sessions.form_of(session),
            asks_for_token=self.sessions.asks_for_token,
            is_in=session.is_in,
            allow_writes=self.allow_writes,
            backend=self.title,
            brief=self.values.brief,
            shown=self.values.shown,
            words=self.values.words,
            **values,
        )
        return HTMLResponse(text, status)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that came out of one of this session's pages.

        Raises:
            Refused: It did not, or cannot be read.
        """
        try:
            body = (await request.body()).decode()
            found = parse_qs(body, keep_blank_values=True, strict_parsing=False, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise Refused(400, "this form cannot be read") from None
        fields = {name: given[0] for name, given in found.items()}
        if not self.sessions.is_form_of(session_of(request), fields.get("sign", "")):
            raise Refused(403, "this form is not one of a page of yours: load the page again")
        return fields


def session_of(request: Request) -> Session:
    """The session in which a page is asked for; the guard has put it there."""
    session: Session = request.scope["session_of_page"]
    return session


def address(base: str, path: str, **query: Any) -> str:
    """An address to share: what is empty is left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{base}{path}{'?' if given else ''}{urlencode(given)}"


def moment(time: float | None) -> Markup:
    """A time: in UTC, to the second; the page's script shows it in local time to those who want that."""
    if time is None:
        return Markup("-")
    try:
        at = datetime.fromtimestamp(time, UTC)
    except (OverflowError, ValueError, OSError):  # somebody has written it by hand
        return Markup("{}").format(repr(time))
    exact = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{} UTC</time>').format(exact, exact, f"{at:%Y-%m-%d %H:%M:%S}")


def lasted(begin: float | None, end: float | None) -> str:
    """How long something took."""
    return "-" if begin is None or end is None else lasting(max(0.0, end - begin))


def badge(state: str) -> Markup:
    """A state: by its sign, its word, its colour and its border."""
    look = look_named(state)
    return Markup('<span class="state s-{}"><span class="mark" aria-hidden="true">{}</span>{}</span>').format(
        look.replace(" ", "-"), MARKS.get(look, "·"), state
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flowcraft_ui", "templates"),
        autoescape=True,  # whatever the file is called
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {"moment": moment, "badge": badge, "lasting": lasting, "look": look_of}
    environment.filters.update(filters)
    environment.filters["detail"] = detail_of
    environment.globals.update(lasted=lasted, counted=counted, marks=MARKS, queued=queued)
    return environment


_ENVIRONMENT = _environment()

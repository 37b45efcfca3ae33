"""The list of runs: what is asked for stands in the address, so that it can be shared."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flowcraft_core.durations import parse_seconds
from flowcraft_core.errors import ConfigurationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .guard import base_of
from .rendering import Desk, address
from .source import MOST_COUNTED, STATES

if TYPE_CHECKING:
    from flowcraft_core.durable import RunFilters

_ON_A_PAGE = 50


async def runs(desk: Desk, request: Request) -> Response:
    """The runs that are asked for."""
    asked = request.query_params
    part, after = asked.get("q", "").strip(), asked.get("after") or None
    states = tuple(state for state in STATES if state in asked.getlist("state"))
    if part and await desk.source.is_there(part):
        return RedirectResponse(address(base_of(request.scope), "/run", id=part), 303)
    found: list[Any] = []
    cursor, newest_first = None, True
    if part:
        found = await desk.source.runs_like(part, _ON_A_PAGE)
    else:
        page = await desk.source.runs(states, after, _ON_A_PAGE, _filters(asked))
        found, cursor, newest_first = list(page.runs), page.cursor, page.newest_first
    return desk.page(
        request,
        "runs.html",
        runs=found,
        cursor=cursor,
        newest_first=newest_first,
        after=after,
        states=STATES,
        wanted=states,
        asked={name: asked.get(name, "") for name in ("q", "flow", "tag", "since", "until")},
        now=time.time(),
    )


async def counts(desk: Desk, request: Request) -> Response:
    """How many runs there are in each state: a part of the list's page, which comes after it."""
    return desk.page(request, "counts.html", counts=await desk.source.counts(), most=MOST_COUNTED)


def _filters(asked: Any) -> RunFilters:
    tags: dict[str, str] = {}
    for part in asked.get("tag", "").split(","):
        name, sign, value = part.strip().partition("=")
        if part.strip():
            if not sign:
                raise ConfigurationError(f"tag {part.strip()!r:.80}: write name=value, several with commas between")
            tags[name] = value
    return {
        "flow": asked.get("flow", "").strip() or None,
        "tags": tags or None,
        "created_since": _when(asked.get("since", "")),
        "created_until": _when(asked.get("until", "")),
    }


def _when(text: str) -> float | datetime | None:
    """A time, as so long ago or as a date in UTC."""
    text = text.strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return time.time() - parse_seconds("time", text, zero=True)
    except ConfigurationError:
        raise ConfigurationError(
            f"time {text!r:.80}: give how long ago, such as 2h, or a date, such as 2026-05-01 13:30"
        ) from None

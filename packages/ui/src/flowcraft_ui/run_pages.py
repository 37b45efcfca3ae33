"""The pages of one run: its graph, its timeline, its instances, its context, what it waits for, and what it cost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flowcraft_core.durable import UnknownRunError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .drawing import draw, is_graph
from .rendering import Desk
from .source import FINAL, home_of
from .timeline import SPAN, timeline, until

if TYPE_CHECKING:
    from flowcraft_core.durable import InstanceDescription, RunDescription

_ON_A_PAGE = 100
#: So many nodes are drawn; of a level with more a list is shown.
MOST_DRAWN = 1_000
_DIFFERENCES = 200


def _asked(request: Request) -> tuple[str, str]:
    """The run's id, and the key that was opened."""
    run_id = request.query_params.get("id", "")
    if not run_id:
        raise HTTPException(400, "which run? The address names none: ?id=...")
    return run_id, request.query_params.get("inside", "")


def _trail(inside: str) -> list[str]:
    """The keys of all that is around a level, from the outside in, and its own."""
    found: list[str] = []
    while inside:
        found.insert(0, inside)
        # Of an item: the batch, which lists all of them. Of a construct: what it stands in.
        inside = inside[: inside.rfind("[")] if inside.endswith("]") else home_of(inside)
    return found


def _page(
    desk: Desk, request: Request, template: str, level: RunDescription, tab: str, *, is_live: bool = True, **values: Any
) -> Response:
    live = is_live and level.run.state not in FINAL
    return desk.page(
        request, template, level=level, run=level.run, tab=tab, is_live=live, trail=_trail, until=until(level), **values
    )


async def graph(desk: Desk, request: Request) -> Response:
    """A level as a graph; a batch or a loop as the list of its items or passes."""
    run_id, inside = _asked(request)
    level = await desk.source.describe(run_id, inside=inside, limit=MOST_DRAWN)
    if level.cursor is None and is_graph(level):
        return _page(desk, request, "graph.html", level, "graph", drawing=draw(level))
    return await instances(desk, request, tab="graph")


async def instances(desk: Desk, request: Request, tab: str = "instances") -> Response:
    """A level as a list, page by page."""
    run_id, inside = _asked(request)
    item = request.query_params.get("item", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", item) and inside and not inside.endswith("]"):
        inside = f"{inside}[{int(item)}]"
    after = request.query_params.get("after") or None
    level = await desk.source.describe(run_id, inside=inside, after=after, limit=_ON_A_PAGE)
    return _page(
        desk,
        request,
        "instances.html",
        level,
        tab,
        home=home_of,
        is_listing=not is_graph(level),
        is_first=after is None,
    )


async def over_time(desk: Desk, request: Request) -> Response:
    """A level as a chart over time."""
    run_id, inside = _asked(request)
    after = request.query_params.get("after") or None
    level = await desk.source.describe(run_id, inside=inside, after=after, limit=_ON_A_PAGE)
    return _page(desk, request, "timeline.html", level, "timeline", chart=timeline(level), span=SPAN)


async def _instance(desk: Desk, request: Request) -> tuple[RunDescription, InstanceDescription]:
    run_id, _ = _asked(request)
    key = request.query_params.get("key", "")
    found = await desk.source.instance(run_id, key)
    if found is None:
        raise UnknownRunError(f"run {run_id!r:.300} has no instance {key!r:.300} (yet)")
    return found


async def instance(desk: Desk, request: Request) -> Response:
    """One instance."""
    level, found = await _instance(desk, request)
    return _page(desk, request, "instance.html", level, "", each=found, home=home_of(found.key))


async def value(desk: Desk, request: Request) -> Response:
    """The whole of a value that a page has cut, as text."""
    run_id, _ = _asked(request)
    part, name = request.query_params.get("part", ""), request.query_params.get("name", "")
    if part == "context":
        context = (await desk.source.result(run_id)).context
        if name not in context:
            raise UnknownRunError(f"run {run_id!r:.300} has no context value {name!r:.300}")
        return _text(desk.values.whole(f"context.{name}", context[name]))
    _, found = await _instance(desk, request)
    match part:
        case "input" | "output":
            whole = getattr(found, part)
            return _text(desk.values.whole(f"{found.node_id}.{part}", whole))
        case "sets" if name in found.sets:
            return _text(desk.values.whole(f"context.{name}", found.sets[name]))
        case "taken" if name in map(str, range(len(found.taken))):
            return _text(desk.values.whole(f"{found.node_id}.output", found.taken[int(name)].value))
    raise UnknownRunError(f"{found.key!r:.300} has no {part!r:.80}")


def _text(text: str) -> Response:
    # Text, and nothing that a browser would make something else of.
    return PlainTextResponse(text, headers={"content-disposition": "inline"})


async def context(desk: Desk, request: Request) -> Response:
    """The context values, as they are now."""
    run_id, _ = _asked(request)
    level = await desk.source.describe(run_id, limit=1)
    return _page(desk, request, "context.html", level, "context", result=await desk.source.result(run_id))


async def waits(desk: Desk, request: Request) -> Response:
    """What goes on when somebody answers, or by itself later."""
    run_id, _ = _asked(request)
    level = await desk.source.describe(run_id, limit=1)
    return _page(desk, request, "waits.html", level, "waits")


async def cost(desk: Desk, request: Request) -> Response:
    """What the run has cost."""
    run_id, _ = _asked(request)
    level = await desk.source.describe(run_id, limit=1)
    found = await desk.source.footprint(run_id)
    return _page(desk, request, "cost.html", level, "cost", cost=found, is_live=False)


async def diff(desk: Desk, request: Request) -> Response:
    """In what the run differs from another: by default the one that it was forked from."""
    run_id, _ = _asked(request)
    level = await desk.source.describe(run_id, limit=1)
    other = request.query_params.get("other", "").strip() or level.run.redrive_of
    found = [] if other is None else await desk.source.differences(run_id, other)
    return _page(
        desk,
        request,
        "diff.html",
        level,
        "diff",
        other=other,
        differences=found[:_DIFFERENCES],
        more=len(found) - _DIFFERENCES,
        is_live=False,
    )

"""The inspector: an ASGI application over a client, for ``flowcraft ui`` and for anybody's own application."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowcraft_core.durable import UnknownRunError, UnknownScheduleError
from flowcraft_core.errors import BackendError, ConfigurationError, FlowcraftError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from . import actions, place_pages, run_list, run_pages
from .guard import LOOPBACK, Guard, Refused
from .live import Streams
from .rendering import Desk
from .sessions import Sessions
from .source import Source
from .values import Redact, Values

if TYPE_CHECKING:
    from flowcraft_core.durable import Client

_logger = logging.getLogger("flowcraft.ui")
_STATIC = Path(__file__).parent / "static"

#: The pages, by path, of those that only look.
_PAGES: dict[str, Callable[[Desk, Request], Awaitable[Response]]] = {
    "/": run_list.runs,
    "/counts": run_list.counts,
    "/run": run_pages.graph,
    "/run/instances": run_pages.instances,
    "/run/timeline": run_pages.over_time,
    "/run/instance": run_pages.instance,
    "/run/value": run_pages.value,
    "/run/context": run_pages.context,
    "/run/waits": run_pages.waits,
    "/run/cost": run_pages.cost,
    "/run/diff": run_pages.diff,
    "/workers": place_pages.workers,
    "/queues": place_pages.queues,
    "/schedules": place_pages.schedules,
    "/dead-letters": place_pages.letters,
    "/dead-letter": place_pages.letter,
}
_FORMS: dict[str, Callable[[Desk, Request], Awaitable[Response]]] = {
    "/act": actions.act,
    "/login": place_pages.login,
    "/logout": place_pages.logout,
}


def inspector(
    client: Client,
    *,
    allow_writes: bool = False,
    redact: Redact | None = None,
    token: str | None = None,
    allowed_hosts: Collection[str] = LOOPBACK,
    secret: bytes | None = None,
    title: str = "",
) -> ASGIApp:
    """An ASGI application that shows the runs of a client's backend.

    It may be mounted anywhere; whoever mounts it behind a login of their own needs no token.

    Args:
        client: The client, whose backend is open in the event loop that serves this.
        allow_writes: Cancel, redrive, fork, resume, steer schedules, and send back dead letters, too. Else it only
            looks.
        redact: What is shown in the place of a value: see ``Redact``, and ``hiding``.
        token: What one has to say to come in, of 16 characters at least; nobody is asked if it is None.
        allowed_hosts: The names under which it is served, without ports; by default those of this machine itself, so
            that no other site's name can be made to lead here. ``*`` for any, behind a server that looks at them
        itself.
        secret: Signs sessions and forms, of 32 bytes at least; drawn anew by default. Give the same to each process
            if several serve the same pages.
        title: What stands above: where the runs live.

    Raises:
        ConfigurationError: The token or the secret is too short.
    """
    sessions = Sessions(token) if secret is None else Sessions(token, secret)
    desk = Desk(Source(client), Values(redact), sessions, allow_writes, title)
    routes: list[Route | Mount] = [Route(path, partial(page, desk)) for path, page in _PAGES.items()]
    routes += [Route(path, partial(form, desk), methods=["GET", "POST"]) for path, form in _FORMS.items()]
    routes.append(Route("/run/events", Streams(desk).__call__))
    routes.append(Mount("/static", StaticFiles(directory=_STATIC)))
    handlers: dict[Any, Any] = {
        Refused: partial(_told, desk),
        FlowcraftError: partial(_told, desk),
        HTTPException: partial(_told, desk),
        Exception: _defect,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(_quiet(app), sessions, frozenset(map(str.lower, allowed_hosts)))


def _quiet(app: ASGIApp) -> ASGIApp:
    """Keep a defect, which was answered and logged, from being logged again with all that it says."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise

    return answer


async def _told(desk: Desk, request: Request, error: Exception) -> Response:
    """A page that says what is wrong, with the status that programs go by."""
    match error:
        case Refused():
            status, message = error.status, str(error)
        case HTTPException():
            status, message = error.status_code, error.detail
        case UnknownRunError() | UnknownScheduleError():
            status, message = 404, str(error)
        case ConfigurationError():
            status, message = 400, str(error)
        case BackendError():
            status, message = 502, str(error)
        case _:
            status, message = 409, str(error)
    return desk.page(request, "error.html", status, message=message)


async def _defect(request: Request, error: Exception) -> Response:
    """A defect of this one: where it is goes into the log, what it was about does not, as that may be secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:][::-1])
    _logger.error("the inspector has a defect: %s at %s", type(error).__name__, where)
    return PlainTextResponse("The inspector has a defect; its log says where.\n", 500)

"""The pages of the place where runs live: who works there, what waits there, and what nobody could act on."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .guard import Refused, base_of
from .rendering import Desk

_ON_A_PAGE = 50


async def workers(desk: Desk, request: Request) -> Response:
    """The workers that have said lately that they live."""
    return desk.page(request, "workers.html", workers=await desk.source.workers(), now=time.time())


async def queues(desk: Desk, request: Request) -> Response:
    """The queues and how full they are."""
    return desk.page(request, "queues.html", queues=await desk.source.queues())


async def schedules(desk: Desk, request: Request) -> Response:
    """What starts runs by itself, and when."""
    found, are_more = await desk.source.schedules()
    return desk.page(request, "schedules.html", schedules=found, are_more=are_more)


async def letters(desk: Desk, request: Request) -> Response:
    """The dead letters."""
    page = await desk.source.letters(request.query_params.get("after") or None, _ON_A_PAGE)
    return desk.page(request, "letters.html", letters=page.runs, cursor=page.cursor)


async def letter(desk: Desk, request: Request) -> Response:
    """One of them, with its message."""
    return desk.page(request, "letter.html", letter=await desk.source.letter(request.query_params.get("id", "")))


async def login(desk: Desk, request: Request) -> Response:
    """Where the token is said."""
    if request.method != "POST":
        return desk.page(request, "login.html", problem=None)
    form = await desk.form(request)
    if not desk.sessions.is_token(form.get("token", "")):
        closed = desk.sessions.is_closed
        problem = "Too many wrong tokens were tried: try again in a minute." if closed else "That is not the token."
        return desk.page(request, "login.html", 429 if closed else 403, problem=problem)
    base = base_of(request.scope)
    cookie = desk.sessions.cookie(desk.sessions.new(is_in=True), base, secure=request.url.scheme == "https")
    return RedirectResponse(f"{base}/", 303, {"set-cookie": cookie})


async def logout(desk: Desk, request: Request) -> Response:
    """Leave."""
    if request.method != "POST":
        raise Refused(405, "this is a form to post")
    await desk.form(request)
    base = base_of(request.scope)
    cookie = desk.sessions.cookie(desk.sessions.new(), base, secure=request.url.scheme == "https")
    return RedirectResponse(f"{base}/login", 303, {"set-cookie": cookie})

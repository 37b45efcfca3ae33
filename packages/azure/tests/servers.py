"""A server that answers as it is told, for the SDKs themselves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestServer

#: A status, headers, and what is said.
Answer: TypeAlias = tuple[int, Mapping[str, str], Any]

#: What Cosmos DB says of an account.
ACCOUNT: Answer = (200, {}, {"writableLocations": [], "readableLocations": [], "userConsistencyPolicy": {}})


@contextlib.asynccontextmanager
async def serving(**answers: list[Answer]) -> AsyncIterator[str]:
    """The address of a server with answers by the last part of a path; the last answer is given again and again."""

    async def answer(request: web.Request) -> web.Response:
        left = answers[request.path.rstrip("/").rpartition("/")[2] or "account"]
        status, headers, said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, str):
            return web.Response(status=status, headers=headers, text=said, content_type="application/xml")
        return web.json_response(said, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")

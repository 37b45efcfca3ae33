"""Tells pages that what they show has changed, by server-sent events: once for each change, not for each page.

One task per run and level looks, however many pages show it, and seldom where a look is dear. It tells no more than
that there is something new: the page then fetches itself, so that what is shown is made in one place.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs
from flowcraft_core.errors import FlowcraftError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .guard import Refused
from .rendering import Desk
from .source import FINAL

if TYPE_CHECKING:
    from flowcraft_core.durable import RunDescription

#: So many pages are told at once.
MOST_STREAMS = 100
#: Seconds between two looks at least, and between two signs of life.
_PAUSE, _ALIVE = 1.0, 15.0


@attrs.define
class Streams:
    """The pages that are told.

    Attributes:
        desk: Where it is looked.
        pause: Seconds between two looks.
    """

    desk: Desk
    pause: float = _PAUSE
    open: int = 0

    async def __call__(self, request: Request) -> Response:
        """A stream of ``changed``, and ``ended`` as its last."""
        if self.open >= MOST_STREAMS:
            raise Refused(503, "too many pages are watching already")
        run_id, inside = request.query_params.get("id", ""), request.query_params.get("inside", "")
        await self.desk.source.run(run_id)
        return StreamingResponse(self.events(run_id, inside), media_type="text/event-stream")

    async def events(self, run_id: str, inside: str) -> AsyncIterator[str]:
        """What is sent."""
        self.open += 1
        loop = asyncio.get_running_loop()
        try:
            seen: str | None = None
            said_at = loop.time()
            yield "retry: 5000\n\n"
            while True:
                try:
                    level = await self.desk.source.describe(run_id, inside=inside)
                except FlowcraftError:  # purged, perhaps, or the backend is not to be had: the page says it when loaded
                    yield "event: changed\ndata: gone\n\n"
                    return
                now = mark_of(level)
                ended = level.run.state in FINAL
                if now != seen:
                    # The first is sent, too: the page may be older than this stream.
                    yield f"event: {'ended' if ended else 'changed'}\ndata: {now}\n\n"
                    seen, said_at = now, loop.time()
                elif loop.time() - said_at > _ALIVE:
                    yield ": alive\n\n"
                    said_at = loop.time()
                if ended:
                    return
                await asyncio.sleep(self.pause)
        finally:
            self.open -= 1


def mark_of(level: RunDescription) -> str:
    """Something short that changes when what is shown of a level does."""
    seen: list[object] = [level.run.state, level.run.reason, level.steps, level.total, sorted(level.counts.items())]
    seen += [wait.key for wait in level.waits]
    seen += [(way.key, way.fraction, way.message) for way in level.under_way]
    seen += [(passed.node_id, passed.reason) for passed in level.passed_on]
    seen += level.unserved
    for instance in level.instances:
        inside = instance.inside
        parts = None if inside is None else (inside.ended, inside.scopes, sorted(inside.counts.items()))
        seen.append((instance.key, instance.standing, instance.attempts, len(instance.failed_attempts), parts))
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
